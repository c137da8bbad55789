"""`load_jobs`: the ranges that somebody asked for, and how far they are.

A job's liveness is a lock that its process holds: the lock goes with the process, whatever ends
it, so that an `in_progress` job nobody holds is known to be interrupted.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.loads import COMMITTED

STUCK_AFTER = "15 minutes"
"""Without a heartbeat for so long, a job that is held by a process counts as stuck."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `load_jobs` with its progress. `status` may also be `stuck`."""

    name: str
    kind: str
    start: date
    end: date
    symbols: list[str] | None
    status: str
    total_dates: int
    processed_dates: list[date]
    total_bars: int
    last_updated: datetime


def begin_job(
    connection: psycopg.Connection,
    name: str,
    kind: str,
    span: tuple[date, date],
    symbols: Sequence[str] | None = None,
) -> None:
    """Note that a job is in progress; one of that name goes on where it was."""
    connection.execute(
        """
        INSERT INTO load_jobs AS j
            (name, kind, start_date, end_date, symbols, status, started_at, last_updated)
        VALUES (%s, %s, %s, %s, %s, 'in_progress', now(), now())
        ON CONFLICT (name) DO UPDATE SET status = 'in_progress', last_updated = now()
        """,
        (name, kind, *span, None if symbols is None else sorted(symbols)),
    )


def end_job(connection: psycopg.Connection, name: str, status: str) -> None:
    """Note how a job ended: `completed`, `failed` or `interrupted`."""
    connection.execute(
        "UPDATE load_jobs SET status = %s, last_updated = now() WHERE name = %s", (status, name)
    )


def heartbeat(connection: psycopg.Connection, name: str) -> None:
    """The job is alive."""
    connection.execute("UPDATE load_jobs SET last_updated = now() WHERE name = %s", (name,))


def fresh_since(connection: psycopg.Connection, name: str) -> datetime | None:
    """When the job's checkpoint was cleared; sessions fetched before do not count for it."""
    row = connection.execute(
        "SELECT fresh_since FROM load_jobs WHERE name = %s", (name,)
    ).fetchone()
    return row[0] if row else None


def clear_checkpoint(connection: psycopg.Connection, name: str) -> bool:
    """Make the job's next run fetch every session again; whether there is such a job."""
    found = connection.execute(
        "UPDATE load_jobs SET fresh_since = now(), status = 'interrupted' WHERE name = %s", (name,)
    )
    return found.rowcount == 1


@contextmanager
def held(database: Database, name: str) -> Generator[bool]:
    """Hold the job's lock for the block; yields false when another process holds it."""
    with database.connect() as connection:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('job ' || %s, 0))", (name,)
        ).fetchone()
        try:
            yield bool(row and row[0])
        finally:
            # Closing would let go too, but only when the server has noticed.
            with suppress(psycopg.OperationalError):  # a lost connection holds nothing
                connection.execute("SELECT pg_advisory_unlock_all()")


_JOBS = """
SELECT j.name, j.kind, j.start_date, j.end_date, j.symbols,
       CASE WHEN j.status <> 'in_progress' THEN j.status
            WHEN j.name = ANY (%(dead)s) THEN 'interrupted'
            WHEN j.last_updated < now() - %(stuck_after)s::interval THEN 'stuck'
            ELSE j.status END,
       p.total, p.dates, coalesce(CASE WHEN j.symbols IS NULL THEN p.stored ELSE b.bars END, 0),
       j.last_updated
FROM load_jobs j
CROSS JOIN LATERAL (
    SELECT count(*) AS total, sum(l.stored) FILTER (WHERE done.yes) AS stored,
           coalesce(array_agg(k.date ORDER BY k.date) FILTER (WHERE done.yes), '{}') AS dates
    FROM nyse_sessions k
    LEFT JOIN session_loads l ON l.date = k.date AND l.status = ANY (%(committed)s)
        AND (j.fresh_since IS NULL OR l.fetched_at >= j.fresh_since)
    CROSS JOIN LATERAL (
        SELECT l.date IS NOT NULL OR (
            j.symbols IS NOT NULL AND NOT EXISTS (
                SELECT FROM unnest(j.symbols) AS s (symbol)
                WHERE NOT EXISTS (
                    SELECT FROM symbol_loads a WHERE a.symbol = s.symbol AND a.loaded @> k.date
                        AND (j.fresh_since IS NULL OR a.fetched_at >= j.fresh_since))))
    ) done (yes)
    WHERE k.date BETWEEN j.start_date AND j.end_date
) p
LEFT JOIN LATERAL (
    SELECT count(*) AS bars FROM daily_bars b
    WHERE b.symbol = ANY (j.symbols) AND b.date BETWEEN j.start_date AND j.end_date
) b ON j.symbols IS NOT NULL
ORDER BY j.started_at, j.name
"""
"""A session is processed when it is committed, or asked for each symbol that the job is about."""


def jobs(connection: psycopg.Connection) -> list[Job]:
    """Every job with its progress, oldest first; dead ones are told from living ones."""
    running = connection.execute(
        "SELECT name FROM load_jobs WHERE status = 'in_progress'"
    ).fetchall()
    dead = [name for (name,) in running if _abandoned(connection, name)]
    given = {"dead": dead, "stuck_after": STUCK_AFTER, "committed": list(COMMITTED)}
    return [Job(*row) for row in connection.execute(_JOBS, given)]


def _abandoned(connection: psycopg.Connection, name: str) -> bool:
    """Whether nobody holds the job's lock; only looks, so as not to be in anybody's way."""
    row = connection.execute(
        """
        SELECT NOT EXISTS (
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32) | objid::bigint = hashtextextended('job ' || %s, 0))
        """,
        (name,),
    ).fetchone()
    return bool(row and row[0])
