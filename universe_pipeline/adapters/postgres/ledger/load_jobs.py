"""`load_jobs`: the ranges that were asked for, and how far they are.

A job's liveness is a lock that its process holds: the lock goes with the process, however that
ends, so that an `in_progress` job without a holder is known to be interrupted.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.session_state import COMMITTED

STUCK_AFTER = timedelta(minutes=15)
"""Without a heartbeat for so long, a job that is held by a process counts as stuck."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `load_jobs` with its progress. `status` may also be `stuck`."""

    name: str
    kind: str
    start: date
    end: date
    symbols: list[str] | None
    sessions: list[date] | None
    """What it is about, where that is not every session of its range."""
    status: str
    total_dates: int
    processed_dates: list[date]
    total_bars: int
    last_updated: datetime
    run_id: str | None
    """The run that loads or loaded it."""


def begin_job(
    connection: psycopg.Connection,
    name: str,
    kind: str,
    span: tuple[date, date],
    symbols: Sequence[str] | None = None,
    sessions: Sequence[date] | None = None,
    *,
    run_id: str | None = None,
    at: datetime,
) -> None:
    """Note that a job is in progress; one of that name goes on where it was.

    Args:
        connection: to the database.
        name: see docs/data.md.
        kind: `historical`, `daily`, `symbols` or `retry`.
        span: first and last day.
        symbols: those that it is about; None: every symbol.
        sessions: those that it is about; None: every session of its range.
        run_id: the run that loads it; None: none yet, the last one stays recorded.
        at: the database's time.
    """
    connection.execute(
        """
        INSERT INTO load_jobs AS j
            (name, kind, start_date, end_date, symbols, sessions, status, started_at, last_updated,
             run_id)
        VALUES (%s, %s, %s, %s, %s, %s, 'in_progress', %s, %s, %s)
        ON CONFLICT (name) DO UPDATE SET
            start_date = excluded.start_date, end_date = excluded.end_date,
            status = 'in_progress', sessions = excluded.sessions,
            last_updated = excluded.last_updated, run_id = coalesce(excluded.run_id, j.run_id)
        """,
        (
            name,
            kind,
            *span,
            None if symbols is None else sorted(symbols),
            None if sessions is None else list(sessions),
            at,
            at,
            run_id,
        ),
    )


def start_afresh(connection: psycopg.Connection, name: str, at: datetime) -> None:
    """What was fetched before `at` does not count for the job, which is there."""
    connection.execute("UPDATE load_jobs SET fresh_since = %s WHERE name = %s", (at, name))


def end_job(connection: psycopg.Connection, name: str, status: str, at: datetime) -> None:
    """Note how a job ended at `at`: `completed`, `failed` or `interrupted`."""
    connection.execute(
        "UPDATE load_jobs SET status = %s, last_updated = %s WHERE name = %s", (status, at, name)
    )


def complete_loaded(connection: psycopg.Connection, at: datetime, *, but: str) -> None:
    """Complete unfinished jobs, `but` one, whose sessions another job has loaded."""
    connection.execute(
        """
        UPDATE load_jobs j SET status = 'completed', last_updated = %s
        WHERE j.symbols IS NULL AND j.status IN ('failed', 'interrupted')
          AND j.name <> %s
          AND NOT EXISTS (
            SELECT FROM nyse_sessions k
            LEFT JOIN session_loads l ON l.date = k.date AND l.status IN ('loaded', 'empty')
                AND (j.fresh_since IS NULL OR l.fetched_at >= j.fresh_since)
            WHERE k.date BETWEEN j.start_date AND j.end_date
              AND (j.sessions IS NULL OR k.date = ANY (j.sessions)) AND l.date IS NULL)
        """,
        (at, but),
    )


def set_run(connection: psycopg.Connection, name: str, run_id: str) -> None:
    """The job, if there is one of that name, is loaded by the run from now on."""
    connection.execute("UPDATE load_jobs SET run_id = %s WHERE name = %s", (run_id, name))


def heartbeat(connection: psycopg.Connection, run_id: str, at: datetime) -> None:
    """The job that the run loads gets on, if it loads one."""
    connection.execute(
        "UPDATE load_jobs SET last_updated = %s WHERE run_id = %s AND status = 'in_progress'",
        (at, run_id),
    )


def fresh_since(connection: psycopg.Connection, name: str) -> datetime | None:
    """When the job's checkpoint was cleared; sessions fetched before do not count for it."""
    row = connection.execute(
        "SELECT fresh_since FROM load_jobs WHERE name = %s", (name,)
    ).fetchone()
    return row[0] if row else None


def clear_checkpoint(connection: psycopg.Connection, name: str, at: datetime) -> bool:
    """Make the job's next run fetch what was fetched before `at`; whether there is such a job."""
    found = connection.execute(
        "UPDATE load_jobs SET fresh_since = %s, status = 'interrupted' WHERE name = %s", (at, name)
    )
    return found.rowcount == 1


def hold_lock(database: Database, name: str) -> AbstractContextManager[liveness.Hold]:
    """Hold the job's lock for the block; gives a false one when another process holds it."""
    return liveness.hold_lock(database, lock_of(name))


def lock_of(name: str) -> str:
    """What the process of a job holds for as long as it lives."""
    return f"job {name}"


def stuck_jobs(connection: psycopg.Connection, now: datetime) -> list[tuple[str, datetime]]:
    """The jobs that `jobs` shows as stuck, with their last heartbeats; counts no progress."""
    silent = connection.execute(
        "SELECT name, last_updated FROM load_jobs"
        f" WHERE status = 'in_progress' AND {_IS_SILENT} ORDER BY name",
        _bounds(now),
    ).fetchall()
    return [(name, at) for name, at in silent if liveness.is_held(connection, lock_of(name))]


_IS_SILENT = "last_updated NOT BETWEEN %(stuck_before)s AND %(unlikely)s"


def _bounds(now: datetime) -> dict[str, datetime]:
    """Parameters of `_IS_SILENT`: a heartbeat that is ahead of the clock shows no life either."""
    return {"stuck_before": now - STUCK_AFTER, "unlikely": now + STUCK_AFTER}


_JOBS = f"""
SELECT j.name, j.kind, j.start_date, j.end_date, j.symbols, j.sessions,
       CASE WHEN j.status <> 'in_progress' THEN j.status
            WHEN j.name = ANY (%(dead)s) THEN 'interrupted'
            WHEN j.{_IS_SILENT} THEN 'stuck'
            ELSE j.status END,
       p.total, p.dates, coalesce(CASE WHEN j.symbols IS NULL THEN p.stored ELSE b.bars END, 0),
       j.last_updated, j.run_id
FROM load_jobs j
CROSS JOIN LATERAL (
    SELECT range_intersect_agg(one.days) AS of_all
    FROM unnest(j.symbols) AS s (symbol)
    CROSS JOIN LATERAL (
        SELECT coalesce(range_agg(a.loaded), '{{}}') AS days FROM symbol_requests a
        WHERE a.symbol = s.symbol AND (j.fresh_since IS NULL OR a.fetched_at >= j.fresh_since)
    ) one
) asked
CROSS JOIN LATERAL (
    SELECT count(*) AS total, sum(l.stored) FILTER (WHERE done.yes) AS stored,
           coalesce(array_agg(k.date ORDER BY k.date) FILTER (WHERE done.yes), '{{}}') AS dates
    FROM nyse_sessions k
    LEFT JOIN session_loads l ON l.date = k.date AND l.status = ANY (%(committed)s)
        AND (j.fresh_since IS NULL OR l.fetched_at >= j.fresh_since)
    CROSS JOIN LATERAL (SELECT l.date IS NOT NULL OR asked.of_all @> k.date) done (yes)
    WHERE k.date BETWEEN j.start_date AND j.end_date
      AND (j.sessions IS NULL OR k.date = ANY (j.sessions))
) p
LEFT JOIN LATERAL (
    SELECT count(*) AS bars FROM daily_bars b
    WHERE b.symbol = ANY (j.symbols) AND b.date BETWEEN j.start_date AND j.end_date
) b ON j.symbols IS NOT NULL
ORDER BY j.started_at, j.name
"""
"""A session is processed when it is committed, or asked for each symbol that the job is about."""


def jobs(connection: psycopg.Connection, now: datetime) -> list[Job]:
    """Every job with its progress at `now`, oldest first; a dead one is `interrupted`.

    A heartbeat that lies as far in the future is as good as none: the clock was set back since.
    """
    running = connection.execute(
        "SELECT name FROM load_jobs WHERE status = 'in_progress'"
    ).fetchall()
    dead = [name for (name,) in running if not liveness.is_held(connection, lock_of(name))]
    given = {"dead": dead, **_bounds(now), "committed": list(COMMITTED)}
    return [Job(*row) for row in connection.execute(_JOBS, given)]
