"""Which sessions readers can have, and which they lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.session_state import SessionStatus

_STORED = """
    SELECT now(), coalesce(min(date), (SELECT min(lower(loaded)) FROM symbol_loads)),
           coalesce(max(date), (SELECT max(upper(loaded)) - 1 FROM symbol_loads))
    FROM session_loads WHERE status = 'loaded'
    """

_LACKING = """
    SELECT n.date, l.status FROM nyse_sessions n LEFT JOIN session_loads l ON l.date = n.date
    WHERE n.date BETWEEN %s AND %s AND (l.status IS NULL OR l.status NOT IN ('loaded', 'empty'))
    ORDER BY n.date
    """

_LOADED_ALONE = """
    SELECT day FROM unnest(%(days)s::date[]) AS day
    WHERE NOT EXISTS (
        SELECT FROM unnest(%(symbols)s::text[], %(firsts)s::date[], %(lasts)s::date[])
            AS span (symbol, first, last)
        WHERE day BETWEEN first AND last AND NOT EXISTS (
            SELECT FROM symbol_loads l WHERE l.symbol = span.symbol AND l.loaded @> day)
    ) AND EXISTS (SELECT FROM symbol_loads WHERE symbol = ANY (%(symbols)s) AND loaded @> day)
    """


@dataclass(frozen=True, slots=True)
class Stored:
    """From when to when sessions are loaded (where none is: symbols), and the database's time."""

    now: datetime
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class Lacking:
    """A session of a range that readers cannot have."""

    day: date
    status: SessionStatus | None
    """None: it was never asked for."""


def stored(connection: psycopg.Connection) -> Stored:
    """What is loaded; no days where nothing is."""
    row: Any = connection.execute(_STORED, prepare=True).fetchone()
    return Stored(*row)


def lacking(connection: psycopg.Connection, start: date, end: date) -> list[Lacking]:
    """The sessions from `start` to `end` without bars for readers, in order."""
    rows = connection.execute(_LACKING, (start, end), prepare=True)
    return [Lacking(day, status and SessionStatus(status)) for day, status in rows]


def loaded_alone(
    connection: psycopg.Connection,
    spans: Sequence[tuple[str, date, date]],
    days: Sequence[date],
) -> set[date]:
    """Those of `days` on which the per-symbol endpoint gave what `spans` need.

    Args:
        connection: to the database.
        spans: symbols, each from a day to a day.
        days: sessions that are not loaded.
    """
    symbols, firsts, lasts = zip(*spans, strict=True)
    given = {"days": list(days), "symbols": list(symbols), "firsts": list(firsts)}
    rows = connection.execute(_LOADED_ALONE, {**given, "lasts": list(lasts)})
    return {day for (day,) in rows}
