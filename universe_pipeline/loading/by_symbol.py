"""Symbols one by one, by the per-symbol endpoint: a single request for a range of any length."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres import bars, copy_binary, failures, loads
from universe_pipeline.adapters.postgres.bars import EncodedSymbol, Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain import quality
from universe_pipeline.domain.bars import (
    DATED_BAR_SCHEMA,
    Answer,
    Bars,
    Failed,
    Nothing,
    NotYetPublished,
)
from universe_pipeline.domain.errors import AccessError, FailureKind, RetryableError, VendorError
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.ahead import ahead


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """What became of one symbol's request: `write` if its answer was stored, else `error`."""

    symbol: str
    write: Write | None = None
    error: VendorError | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    symbol: str
    sessions: Sequence[date]
    requested_at: datetime
    answer: Answer


def unasked(
    connection: Connection,
    symbols: Sequence[str],
    sessions: Sequence[date],
    since: datetime | None = None,
) -> dict[str, list[date]]:
    """The sessions that neither endpoint was asked for (after `since`), by symbol that has any."""
    found = {
        symbol: loads.sessions_unasked(connection, symbol, sessions, since) for symbol in symbols
    }
    return {symbol: days for symbol, days in found.items() if days}


def load_symbols(
    client: PolygonClient,
    connection: Connection,
    wanted: Mapping[str, Sequence[date]],
    in_flight: int,
    run_id: str | None = None,
) -> Iterator[SymbolOutcome]:
    """Fetch and store each symbol from the first to the last of its sessions (closed, in order).

    After an answer that the key or plan forbids, no further symbol is asked for.
    """

    def ask(symbol: str) -> _Asked:
        days, requested_at = wanted[symbol], datetime.now(UTC)
        answer = client.symbol_daily(symbol, days[0], days[-1])
        return _Asked(symbol, days, requested_at, answer)

    with closing(ahead(ask, wanted, in_flight)) as asked:
        for one in asked:
            outcome = _store(connection, one, run_id)
            yield outcome
            if isinstance(outcome.error, AccessError):
                return


def _store(connection: Connection, asked: _Asked, run_id: str | None) -> SymbolOutcome:
    match asked.answer:
        case Failed(error):
            failure = error
        case NotYetPublished(message):
            failure = RetryableError(FailureKind.EMPTY, f"range {asked.symbol}", message)
        case Bars() | Nothing() as usable:
            return SymbolOutcome(
                asked.symbol, bars.write_symbol(connection, _encode(asked, usable), run_id)
            )
    first = asked.sessions[0]
    failures.record_failure(connection, failure, symbol=asked.symbol, day=first, run_id=run_id)
    return SymbolOutcome(asked.symbol, error=failure)


def _encode(asked: _Asked, answer: Bars | Nothing) -> EncodedSymbol:
    given = answer if isinstance(answer, Bars) else Bars(DATED_BAR_SCHEMA.to_frame())
    validated = quality.validate(given.frame, keys=("date",))
    first, last = asked.sessions[0], asked.sessions[-1]
    timely = quality.on_sessions(validated.accepted, sessions_between(first, last))
    wanted = timely.accepted.filter(pl.col("date").is_in(list(asked.sessions)))
    return EncodedSymbol(
        symbol=asked.symbol,
        sessions=asked.sessions,
        asked=[(first, last + timedelta(days=1))],
        buffers=list(copy_binary.encode(wanted, "symbol").buffers()),
        rejected=(*given.undecodable, *validated.rejected, *timely.rejected),
        requested_at=asked.requested_at,
    )
