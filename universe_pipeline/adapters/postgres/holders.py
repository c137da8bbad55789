"""Which process holds a lock: its command, machine and process id, and since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from universe_pipeline.adapters.postgres.connecting.application import Application, parsed
from universe_pipeline.adapters.postgres.dagster_records import unfinished_runs
from universe_pipeline.adapters.postgres.locks import DAEMON, FOR_A_TRANSACTION, URGENT, name_of


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that is connected to the database, and what it holds."""

    lock: str
    """What it holds, such as `session 2024-03-12` or `job daily_update_2024-03-12`."""
    application: Application
    address: str | None
    """Where its connection comes from; None on a local socket, or where the role may not see it."""
    backend: int
    """The server's process of its connection: `SELECT pg_terminate_backend(…)` ends it."""
    since: datetime | None

    def __str__(self) -> str:
        """Such as `universe daily on loader-7, process 4711 (10.0.0.3), since 2024-03-12 …`."""
        process = self.application
        place = f" on {process.host}, process {process.process}" if process.host else ""
        address = f" ({self.address})" if self.address else ""
        since = f", since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        named = process.command or f"the connection of backend {self.backend}"
        return f"{named}{place}{address}{since}"


_WHO = "a.application_name, host(a.client_addr), a.pid"

_BLOCKING = f"""
    SELECT l.locktype, l.classid::bigint, l.objid::bigint, l.objsubid::int,
           l.relation::regclass::text, {_WHO}, coalesce(a.xact_start, a.backend_start)
    FROM pg_locks l CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS by (pid)
    JOIN pg_stat_activity a ON a.pid = by.pid
    WHERE l.pid = %s AND NOT l.granted
    ORDER BY a.backend_start
    """

_OURS = """
    l.locktype = 'advisory' AND l.granted AND a.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """

_KEPT = f"""
    SELECT k.what, {_WHO}, a.backend_start
    FROM unnest(%s::text[]) AS k (what)
    JOIN pg_locks l ON l.objsubid = 1
        AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(k.what, 0)
    JOIN pg_stat_activity a USING (pid)
    WHERE {_OURS} ORDER BY k.what, a.backend_start
    """
"""Locks that `liveness` holds; each has a connection of its own."""

_NUMBERED = f"""
    SELECT l.classid::bigint, l.objid::bigint, l.objsubid::int, {_WHO},
           CASE WHEN l.objid::bigint = ANY (%s) OR l.objsubid = 2
                THEN a.xact_start ELSE a.backend_start END
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE {_OURS} ORDER BY a.backend_start, l.classid, l.objid
    """

_PACES = f"""
    SELECT 'pace', {_WHO}, a.backend_start FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.application_name ~ ' [0-9]+/min$'
    ORDER BY a.backend_start
    """


def blocking(connection: psycopg.Connection, backend: int) -> list[Holder]:
    """The processes for whose locks `backend` waits; none where it is at work itself."""
    found = connection.execute(_BLOCKING, (backend,))
    return [_holder((_waited_for(*row[:5]), *row[5:])) for row in found]


def holders(connection: psycopg.Connection, what: Iterable[str]) -> list[Holder]:
    """The other processes that hold the `liveness` locks of `what`."""
    return [_holder(row) for row in connection.execute(_KEPT, (list(what),))]


def all_holders(connection: psycopg.Connection) -> list[Holder]:
    """Every lock that another process holds: pace, daemon, jobs and runs, then steps in hand."""
    jobs = connection.execute("SELECT 'job ' || name FROM load_jobs WHERE status = 'in_progress'")
    runs = [f"run {run_id}" for run_id in unfinished_runs(connection)]
    what = [URGENT, DAEMON, *(row[0] for row in jobs), *runs]
    return [*holders(connection, what), *_in_hand(connection)]


def _in_hand(connection: psycopg.Connection) -> list[Holder]:
    found = connection.execute(_NUMBERED, (list(FOR_A_TRANSACTION),))
    named = [(name_of(*lock), *who) for lock, who in ((row[:3], row[3:]) for row in found)]
    return [_holder(row) for row in named if row[0] is not None]


def paces(connection: psycopg.Connection) -> list[Holder]:
    """Every process that asks the vendor at a pace on this database, this one among them."""
    return [_holder(row) for row in connection.execute(_PACES)]


def _waited_for(kind: str, first: int, second: int, half: int, relation: str | None) -> str:
    if kind == "advisory":
        return name_of(first, second, half) or "a lock"
    return f"table {relation}" if relation else "a row"


def _holder(row: Iterable[Any]) -> Holder:
    lock, name, address, backend, since = row
    return Holder(lock, parsed(name or ""), address, backend, since)
