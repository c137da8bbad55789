"""The exchange calendar inside the database, and the quarters that bars are stored in."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.locks import QUARTERS_LOCK


def record_calendar(connection: psycopg.Connection, sessions: Sequence[date]) -> None:
    """Make `nyse_sessions` hold exactly `sessions` (ordered), touching only what differs."""
    untils = [*sessions[1:], date.max]
    known = connection.execute("SELECT date, until FROM nyse_sessions ORDER BY date").fetchall()
    if known == list(zip(sessions, untils, strict=True)):
        return  # as nearly always: every command and step asks
    with connection.transaction():
        connection.execute(
            """
            DELETE FROM nyse_sessions k WHERE NOT EXISTS (
                SELECT FROM unnest(%s::date[]) AS given (date) WHERE given.date = k.date)
            """,
            (list(sessions),),
        )
        connection.execute(
            """
            INSERT INTO nyse_sessions AS known (date, until)
            SELECT * FROM unnest(%s::date[], %s::date[]) AS given (date, until)
            ON CONFLICT (date) DO UPDATE SET until = excluded.until
            WHERE known.until <> excluded.until
            """,
            (list(sessions), untils),
        )


def quarter_of(day: date) -> tuple[str, date, date]:
    """The partition of `daily_bars` that holds `day`: name, first day, day after its last."""
    quarter = (day.month - 1) // 3
    start = date(day.year, 3 * quarter + 1, 1)
    after = start + timedelta(days=93)  # some day of the next quarter's first month
    end = date(after.year, after.month, 1)
    return f"daily_bars_{day.year}q{quarter + 1}", start, end


def make_quarters(connection: psycopg.Connection, days: Iterable[date]) -> None:
    """Create the partitions that `days` need and that are not there yet.

    A partition is made apart from the table and attached, since CREATE … PARTITION OF would lock
    readers out.
    """
    wanted = {quarter_of(day) for day in days}
    there = {
        row[0]
        for row in connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'daily_bars'::regclass"
        )
    }
    missing = sorted(quarter for quarter in wanted if quarter[0] not in there)
    for quarter in missing:
        _make_quarter(connection, *quarter)


def _make_quarter(connection: psycopg.Connection, name: str, start: date, end: date) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (QUARTERS_LOCK,))
        if connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,):
            return
        given = {"name": sql.Identifier(name), "start": sql.Literal(start), "end": sql.Literal(end)}
        connection.execute(_CREATE.format(**given))
        connection.execute(_ATTACH.format(**given))


_CREATE = sql.SQL("CREATE TABLE {name} (LIKE daily_bars INCLUDING ALL)")
_ATTACH = sql.SQL(
    "ALTER TABLE daily_bars ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
)
