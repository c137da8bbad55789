"""Figures for people: what is loaded, how large it is, what is open."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the whole database in a few numbers."""

    sessions: dict[str, int]
    """Sessions by status."""
    first_session: date | None
    last_session: date | None
    bars: int
    rejected: int
    """Rows of both endpoints that are not stored as bars."""
    rejected_of_symbols: int
    """Those of the per-symbol endpoint."""
    symbols: int
    active_symbols: int
    universe_symbols: int
    """Symbols of the universe's types."""
    covered_symbols: int
    universe_covered: int
    missing_bars: int
    splits: int
    announced_splits: int
    splits_fetched_at: datetime | None
    open_failures: int
    database_bytes: int


def figures(connection: psycopg.Connection) -> Figures:
    """Read them; none scans the bars."""
    by_status = dict(
        connection.execute("SELECT status, count(*) FROM session_loads GROUP BY status").fetchall()
    )
    row = connection.execute(
        """
        SELECT (SELECT min(date) FROM session_loads WHERE status = 'loaded'),
               (SELECT max(date) FROM session_loads WHERE status = 'loaded'),
               (SELECT coalesce(sum(bar_count), 0) FROM data_coverage),
               (SELECT coalesce(sum(rejected), 0) FROM session_loads)
                   + (SELECT count(*) FROM rejected_bars WHERE source = 'symbol'),
               (SELECT count(*) FROM rejected_bars WHERE source = 'symbol'),
               (SELECT count(*) FROM symbols),
               (SELECT count(*) FROM symbols WHERE active),
               (SELECT count(*) FROM symbols JOIN chosen_types USING (type)),
               (SELECT count(*) FROM data_coverage),
               (SELECT count(*) FROM data_coverage JOIN symbols USING (symbol)
                                JOIN chosen_types USING (type)),
               (SELECT coalesce(sum(missing_count), 0) FROM data_coverage),
               (SELECT count(*) FROM splits),
               (SELECT count(*) FROM splits
                WHERE execution_date > (now() AT TIME ZONE 'America/New_York')::date),
               (SELECT max(taken_at) FROM split_snapshots),
               (SELECT count(*) FROM data_fetch_errors WHERE resolved_at IS NULL),
               pg_database_size(current_database())
        """
    ).fetchone()
    assert row is not None  # noqa: S101  # an aggregate without GROUP BY always gives a row
    return Figures(by_status, *row)


@dataclass(frozen=True, slots=True)
class DividendFigures:
    """The stored dividends in a few numbers."""

    total: int
    announced: int
    """With an ex-date after today."""
    fetched_at: datetime | None
    """When a window of them last came in whole."""


def dividend_figures(connection: psycopg.Connection, today: date) -> DividendFigures:
    """Count the dividends as of `today`, the day in New York."""
    row: Any = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE ex_date > %s),"
        " (SELECT max(taken_at) FROM dividend_snapshots) FROM dividends",
        (today,),
    ).fetchone()
    return DividendFigures(*row)


def seconds_a_session(connection: psycopg.Connection) -> float:
    """From one loaded session's request to the next one's, on average; 0 with less than two."""
    row = connection.execute(
        "SELECT extract(epoch FROM max(fetched_at) - min(fetched_at)) / (count(*) - 1)"
        " FROM session_loads WHERE status = 'loaded' HAVING count(*) > 1"
    ).fetchone()
    return float(row[0]) if row else 0.0


def server_version(connection: psycopg.Connection) -> str:
    """The server's version as people write it, like 18.6."""
    number = connection.info.server_version
    return f"{number // 10000}.{number % 10000}"
