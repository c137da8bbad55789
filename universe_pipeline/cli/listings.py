"""`listings`: which security a symbol meant, the owner's word on it, and lists of past days."""

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity import overrides
from universe_pipeline.adapters.postgres.identity.counts import identities
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline.adapters.postgres.identity.overrides import Row, listings
from universe_pipeline.adapters.postgres.reference.symbols import newest_snapshot
from universe_pipeline.adapters.postgres.summaries.figures import figures
from universe_pipeline.cli.approve import readable, user
from universe_pipeline.cli.days import span
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.load import at_pace
from universe_pipeline.cli.terminal import note, progress_bars, result, table
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.listings.judging import Override
from universe_pipeline.loading import dated_lists
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.settings import Settings

PAGES = 13
"""Of a list of active tickers, where none is stored."""


def show(settings: Settings, symbol: str | None, *, unknown: bool, as_json: bool) -> int:
    """Print listings: all, those of a symbol's securities, or only unknown ones."""
    with wiring.reading(settings) as connection:
        rows = listings(connection, symbol, unknown=unknown)
        counts = identities(connection)
    if as_json:
        result(json.dumps({"listings": [_document(row) for row in rows]}, indent=2))
        return DONE
    if rows:
        table(_table(rows))
    result(
        f"{counts.listings:,} listings of {counts.securities:,} securities, "
        f"{counts.unknown:,} unknown"
    )
    return DONE


def _document(row: Row) -> dict[str, Any]:
    return {
        "security_id": row.security_id,
        "security_key": row.security_key,
        "symbol": row.symbol,
        "name": row.name,
        "type": row.type,
        "primary_exchange": row.primary_exchange,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": row.valid_to and row.valid_to.isoformat(),
        "end_reason": row.end_reason,
        "evidence": row.evidence,
    }


def _table(rows: Sequence[Row]) -> Table:
    shown = Table(
        "id", "symbol", "from", "to", "type", "evidence", "name", box=None, pad_edge=False
    )
    for row in rows:
        shown.add_row(
            str(row.security_id),
            visible(row.symbol),
            row.valid_from.isoformat(),
            f"{row.valid_to} ({row.end_reason})" if row.valid_to else "",
            visible(row.type or ""),
            row.evidence,
            visible(row.name),
        )
    return shown


def join(settings: Settings, left: str, right: str, reason: str) -> int:
    """Make two securities one, by the owner's word.

    Args:
        settings: of the command.
        left: a symbol, or one with a day of its listing: `META@2022-06-09`.
        right: likewise.
        reason: why.

    Raises:
        UsageError: one is not known or means several, or both have listings of the same day.
    """
    why = readable(reason)

    def find(connection: Connection) -> Override:
        first, second = _one(connection, left), _one(connection, right)
        mine, theirs = (overrides.security(connection, row.security_id) for row in (first, second))
        if first.security_id == second.security_id:
            raise UsageError(f"{left} and {right} are one security, {first.security_key}")
        if any(_share_days(one, other) for one in mine for other in theirs):
            raise UsageError(f"{left} and {right} were listed on the same day: they are two")
        return Override(first.symbol, first.valid_from, (second.symbol, second.valid_from))

    return _keep(settings, find, why)


def split(settings: Settings, symbol: str, day: date, reason: str) -> int:
    """Let another security begin under a symbol on a day, by the owner's word.

    Raises:
        UsageError: the symbol has no listing on that day.
    """
    why = readable(reason)

    def find(connection: Connection) -> Override:
        _on(connection, symbol, day)
        return Override(symbol, day)

    return _keep(settings, find, why)


def _keep(settings: Settings, find: Callable[[Connection], Override], why: str) -> int:
    database = wiring.open_for_judging(settings)
    with database.connect() as connection, connection.transaction():
        override = find(connection)
        overrides.add(connection, override, why, user())
        refresh(connection)
        refresh_actions(connection, wiring.now(settings))
        symbols = dict.fromkeys((override.symbol, (override.other or (override.symbol,))[0]))
        rows = [row for symbol in symbols for row in listings(connection, symbol)]
    table(_table(list(dict.fromkeys(rows))))
    return DONE


def _one(connection: Connection, named: str) -> Row:
    """The listing that a symbol means, with a day or without."""
    symbol, _, day = named.rpartition("@")
    if symbol and day[:1].isdigit():
        return _on(connection, symbol, _day(day))
    held = [row for row in listings(connection, named) if row.symbol == named]
    meant = {row.security_id: row for row in held}
    if not meant:
        raise UsageError(f"no listing of {visible(named)}: `universe listings` shows all")
    if len(meant) > 1:
        raise UsageError(f"{visible(named)} means {_several(held)}. Give one of them")
    return held[-1]


def _several(rows: Sequence[Row]) -> str:
    named = {row.security_id: f"{row.symbol}@{row.valid_from} ({row.security_id})" for row in rows}
    return f"{len(named)} securities: {visible(', '.join(named.values()))}"


def _on(connection: Connection, symbol: str, day: date) -> Row:
    for row in listings(connection, symbol):
        if row.symbol == symbol and row.valid_from <= day < (row.valid_to or date.max):
            return row
    raise UsageError(f"{visible(symbol)} had no listing on {day}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{visible(text)!r} is no day of the form YYYY-MM-DD") from None


def _share_days(left: Row, right: Row) -> bool:
    return left.valid_from < _end(right) and right.valid_from < _end(left)


def _end(row: Row) -> date:
    """The day after its last bar where it is still listed: a rename may not have ended it yet."""
    if row.valid_to is not None:
        return row.valid_to
    return date.max if row.last_bar is None else row.last_bar + timedelta(days=1)


def fetch_anchors(settings: Settings, start: date | None, end: date | None) -> int:
    """Ask for a list of active tickers of each month that has none, then judge what they say.

    The cost is printed first. Lists that are stored are not asked for again, so the same command
    goes on after an interruption.

    Args:
        settings: of the command.
        start: first day; None: of the first loaded session.
        end: last day; None: of the last loaded one.

    Raises:
        UsageError: nothing is loaded, and the range is not given.
    """
    wiring.require_vendor(settings)
    database = wiring.open_for_loading(settings)
    with database.connect() as connection:
        first, last = _range(connection, start, end)
        days = dated_lists.missing(connection, dated_lists.anchors(first, last))
        if not days:
            result(f"{span(first, last)}: the list of every month is stored")
            return DONE
        _announce(settings, connection, days)
        with (
            wiring.claim_database(settings, connection),
            wiring.open_client(settings, database) as client,
            progress_bars(),
        ):
            dated_lists.fetch(client, connection, days, wiring.clock(settings))
        refresh(connection)
        refresh_actions(connection, wiring.now(settings))
        counts = identities(connection)
    result(
        f"{len(days):,} lists; {counts.listings:,} listings of {counts.securities:,} securities, "
        f"{counts.unknown:,} unknown"
    )
    return DONE


def _range(connection: Connection, start: date | None, end: date | None) -> tuple[date, date]:
    numbers = figures(connection)
    first, last = start or numbers.first_session, end or numbers.last_session
    if first is None or last is None:
        raise UsageError("nothing is loaded: give --start and --end, or load sessions first")
    return first, last


def _announce(settings: Settings, connection: Connection, days: Sequence[date]) -> None:
    snapshot = newest_snapshot(connection)
    pages = -(-snapshot.active // dated_lists.ROWS_A_PAGE) if snapshot else PAGES
    requests = pages * len(days)
    note(
        f"{len(days):,} lists to ask for ({span(days[-1], days[0])}), about {requests:,} requests, "
        f"{at_pace(settings, requests)}"
    )
