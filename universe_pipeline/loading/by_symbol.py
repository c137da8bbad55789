"""Symbols one by one, by the per-symbol endpoint: a single request for a range of any length."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars import copy_binary, symbol_history, writing
from universe_pipeline.adapters.postgres.bars.writing import EncodedSymbol, Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import (
    daily_counters,
    fetch_errors,
    refused_answers,
)
from universe_pipeline.domain import quality
from universe_pipeline.domain.bars import (
    DATED_BAR_SCHEMA,
    Answer,
    Bars,
    Failed,
    Nothing,
    NotYetPublished,
)
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import AccessError, CollapsedError, FailureKind, VendorError
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.sessions import (
    is_final_by_age,
    runs_of,
    sessions_after,
    sessions_before,
    sessions_between,
)
from universe_pipeline.domain.symbol_answers import (
    Shortfall,
    SymbolAnswer,
    ends_early,
    short_of_range,
    short_of_stored,
)
from universe_pipeline.loading.ahead import ahead

NEAR = 60
"""Sessions on either side of a range that show how often a symbol trades."""


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """What became of one symbol's request: `write` if its answer was stored, `error` if it failed.

    Both where the plan reaches back to a part of it only, or the bars stop before its end; neither
    where the vendor has not published any of it yet.
    """

    symbol: str
    write: Write | None = None
    error: VendorError | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    symbol: str
    sessions: Sequence[date]
    requested_at: datetime
    answer: Answer
    begun: float
    """When it was requested by the monotonic clock, in seconds."""

    @property
    def now(self) -> datetime:
        """The database's time, as much later than the request as it is."""
        return self.requested_at + timedelta(seconds=time.monotonic() - self.begun)

    @property
    def is_outside_plan(self) -> bool:
        answer = self.answer
        return isinstance(answer, Failed) and answer.error.kind is FailureKind.OUTSIDE_PLAN


@dataclass(frozen=True, slots=True)
class _Reach:
    """What the first symbol's answers say of every symbol: nothing is to be had but in between."""

    after: date = date.min
    until: date = date.max

    def within(self, sessions: Sequence[date]) -> list[date]:
        return [day for day in sessions if self.after < day <= self.until]


def load_symbols(
    client: PolygonClient,
    connection: Connection,
    wanted: Mapping[str, Sequence[date]],
    in_flight: int,
    now: Now,
    run_id: str | None = None,
    revisit: int = 3,
) -> Iterator[SymbolOutcome]:
    """Fetch and store each symbol from the first to the last of its sessions (closed, in order).

    After an answer that the key or plan forbids, no further symbol is asked for. Where the plan
    does not reach back to the first session, the earliest that it reaches is searched by halves,
    and none before it is asked for again.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        wanted: the sessions by symbol.
        in_flight: most requests at once.
        now: the database's clock, by which requests are made.
        run_id: the run that asks.
        revisit: so many sessions before the newest may still lack their bars.
    """
    if not wanted:
        return

    def ask(symbol: str, sessions: Sequence[date]) -> _Asked:
        return _ask(client, symbol, sessions, now)

    def store(asked: _Asked) -> SymbolOutcome:
        outcome = _store(connection, asked, run_id, revisit)
        daily_counters.store(connection, client.tally, asked.now)
        return outcome

    # Alone: a fault of key or plan shows at once.
    first = min(wanted, key=lambda symbol: wanted[symbol][0])
    outcome, reach = _load_first(partial(ask, first), store, wanted[first])
    yield outcome
    if isinstance(outcome.error, AccessError):
        return
    rest = {
        symbol: reached
        for symbol, days in wanted.items()
        if symbol != first and (reached := reach.within(days))
    }
    with closing(ahead(lambda symbol: ask(symbol, rest[symbol]), rest, in_flight)) as answers:
        for asked in answers:
            outcome = store(asked)
            yield outcome
            if isinstance(outcome.error, AccessError):
                return


def _ask(client: PolygonClient, symbol: str, sessions: Sequence[date], now: Now) -> _Asked:
    requested_at, begun = now(), time.monotonic()
    answer = client.symbol_daily(symbol, sessions[0], sessions[-1])
    if isinstance(answer, NotYetPublished) and len(sessions) > 1:
        sessions = sessions[:-1]  # only the newest may not be out yet
        answer = client.symbol_daily(symbol, sessions[0], sessions[-1])
    return _Asked(symbol, sessions, requested_at, answer, begun)


def _load_first(
    ask: Callable[[Sequence[date]], _Asked],
    store: Callable[[_Asked], SymbolOutcome],
    sessions: Sequence[date],
) -> tuple[SymbolOutcome, _Reach]:
    """Load one symbol as far back as the plan reaches; also how far that is."""
    asked = ask(sessions)
    outcome, until = store(asked), _until(asked, sessions)
    if not asked.is_outside_plan:
        return outcome, _Reach(until=until)
    reached: _Asked | None = None
    low, high = 1, len(sessions)  # before low the plan does not reach, from high on it does
    while low < high:
        middle = (low + high) // 2
        asked = ask(sessions[middle:])
        if asked.is_outside_plan:
            store(asked)
            low = middle + 1
        else:
            reached, high = asked, middle
            if isinstance(asked.answer, Failed):
                break
    after = sessions[low - 1]
    if reached is None:
        return outcome, _Reach(after, until)
    within, until = store(reached), _until(reached, sessions)
    found = SymbolOutcome(within.symbol, within.write, within.error or outcome.error)
    return found, _Reach(after, until)


def _until(asked: _Asked, sessions: Sequence[date]) -> date:
    """The last session that is published, where the newest one asked for is not."""
    if isinstance(asked.answer, NotYetPublished):
        return asked.sessions[0] - timedelta(days=1)
    return date.max if asked.sessions[-1] == sessions[-1] else asked.sessions[-1]


def _store(
    connection: Connection, asked: _Asked, run_id: str | None, revisit: int
) -> SymbolOutcome:
    match asked.answer:
        case Failed(error):
            failure = error
        case NotYetPublished():
            return SymbolOutcome(asked.symbol)
        case Bars() | Nothing() as usable:
            return _store_bars(connection, asked, usable, run_id, revisit)
    _record(connection, asked, failure, run_id)
    return SymbolOutcome(asked.symbol, error=failure)


def _store_bars(
    connection: Connection,
    asked: _Asked,
    usable: Bars | Nothing,
    run_id: str | None,
    revisit: int,
) -> SymbolOutcome:
    given = usable if isinstance(usable, Bars) else Bars(DATED_BAR_SCHEMA.to_frame())
    validated = quality.validate(given.frame, key="date")
    rows = Bars(validated.accepted, (*given.rejected, *validated.rejected))
    days = SymbolAnswer(
        spoken=_answered(asked, given, revisit),
        bars=set(rows.frame["date"]),
        rows=len(rows.frame) + len(rows.rejected),
        last=max(given.frame["date"], default=date.min),
    )
    with writing.locked_symbol(
        connection, asked.symbol, asked.sessions, asked.requested_at
    ) as writable:
        stored = symbol_history.traded_days(connection, asked.symbol, writable)
        short = _shortfall(connection, asked, days.within(writable), stored)
        error = None if short is None else _refusal(connection, asked, short, run_id)
        sessions = short.proven if short is not None and error is not None else days.spoken
        write = None
        if sessions:
            encoded = _encode(asked, sessions, rows)
            write = writing.write_symbol_locked(connection, encoded, writable, run_id)
            _forget_failures(connection, asked, is_whole=error is None)
        elif error is not None and not stored:
            writing.keep_rejected(connection, _encode(asked, asked.sessions, rows), run_id)
        if error is not None:
            _record(connection, asked, error, run_id)
    return SymbolOutcome(asked.symbol, write, error)


def _answered(asked: _Asked, answer: Bars, revisit: int) -> list[date]:
    """The sessions that the answer speaks for: at its end a bar may only not be out yet."""
    days: list[date] = answer.frame["date"].to_list()
    last = max(days, default=date.min)
    return [
        day
        for day in asked.sessions
        if day <= last or is_final_by_age(day, asked.requested_at, revisit)
    ]


def _shortfall(
    connection: Connection, asked: _Asked, answer: SymbolAnswer, stored: AbstractSet[date]
) -> Shortfall | None:
    """What the answer lacks; the history is read only where it may explain that."""
    short = short_of_stored(answer, stored)
    if short is not None or not ends_early(answer):
        return short
    first, last = asked.sessions[0], asked.sessions[-1]
    near = (
        *sessions_before(first, NEAR),
        *sessions_between(first, last),
        *sessions_after(last, NEAR),
    )
    return short_of_range(answer, symbol_history.history(connection, asked.symbol, near))


def _refusal(
    connection: Connection, asked: _Asked, short: Shortfall, run_id: str | None
) -> VendorError | None:
    """Why an answer that lacks so much is not believed; None if it is."""
    subject = refused_answers.of_symbol(asked.symbol, asked.sessions[0], asked.sessions[-1])
    answer = short.on(day_of(asked.requested_at))
    if refused_answers.believe_or_refuse(connection, subject, answer, run_id):
        return None
    changed = "What came is stored" if short.proven else "Nothing stored was changed"
    way_out = refused_answers.way_out(connection, subject, answer)
    return CollapsedError(
        FailureKind.COLLAPSED,
        f"range {asked.sessions[0]} to {asked.sessions[-1]}",
        f"{short.text}. {changed}. {way_out}",
    )


def _forget_failures(connection: Connection, asked: _Asked, *, is_whole: bool) -> None:
    """The answer is stored: what failed or was refused within its range counts no more."""
    if is_whole:
        keys = [day.isoformat() for day in asked.sessions]
        refused_answers.close(connection, refused_answers.of_symbol(asked.symbol), keys)
    fetch_errors.resolve_symbol_failures(connection, asked.symbol, asked.sessions)


def _record(connection: Connection, asked: _Asked, error: VendorError, run_id: str | None) -> None:
    # The plan ends at a day, whichever symbol was asked for.
    symbol = None if asked.is_outside_plan else asked.symbol
    first, last = asked.sessions[0], asked.sessions[-1]
    fetch_errors.record_failure(
        connection,
        error,
        Dataset.SYMBOL_BARS,
        symbol=symbol,
        day=first,
        until=last,
        run_id=run_id,
        at=asked.now,
    )


def _encode(asked: _Asked, sessions: Sequence[date], rows: Bars) -> EncodedSymbol:
    within = sessions_between(sessions[0], sessions[-1])
    wanted = rows.frame.filter(pl.col("date").is_in(list(sessions)))
    return EncodedSymbol(
        symbol=asked.symbol,
        sessions=sessions,
        asked=[(first, last + timedelta(days=1)) for first, last in runs_of(sessions, within)],
        buffers=list(copy_binary.encode(wanted, "symbol").buffers()),
        rejected=rows.rejected,
        requested_at=asked.requested_at,
    )
