"""Which sessions readers can have, and which they lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.session_state import SessionStatus

_STORED = """
    SELECT now(), min(date), max(date) FROM session_loads WHERE status = 'loaded'
    """

_LACKING = """
    SELECT n.date, l.status FROM nyse_sessions n LEFT JOIN session_loads l ON l.date = n.date
    WHERE n.date BETWEEN %s AND %s AND (l.status IS NULL OR l.status NOT IN ('loaded', 'empty'))
    ORDER BY n.date
    """


@dataclass(frozen=True, slots=True)
class Stored:
    """The sessions that are loaded, and the database's time."""

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
    """The first and the last loaded session; None where nothing is loaded."""
    row: Any = connection.execute(_STORED, prepare=True).fetchone()
    return Stored(*row)


def lacking(connection: psycopg.Connection, start: date, end: date) -> list[Lacking]:
    """The sessions from `start` to `end` without bars for readers, in order."""
    rows = connection.execute(_LACKING, (start, end), prepare=True)
    return [Lacking(day, status and SessionStatus(status)) for day, status in rows]


def loaded_alone(
    connection: psycopg.Connection, symbols: Sequence[str], days: Sequence[date]
) -> set[date]:
    """Those of `days` that the per-symbol endpoint was asked for, for each of `symbols`."""
    rows = connection.execute(
        """
        SELECT day FROM unnest(%s::date[]) AS day WHERE %s = (
            SELECT count(*) FROM symbol_loads WHERE symbol = ANY (%s) AND loaded @> day)
        """,
        (list(days), len(symbols), list(symbols)),
    )
    return {day for (day,) in rows}
