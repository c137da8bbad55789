"""Dagster's old events: those that only the page of an old run shows.

Dagster keeps every event of every run. Materializations, check evaluations, failures and what runs
are listed by are not among these types, and stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from universe_pipeline.adapters.postgres.connection import Connection

TYPES = (
    "ASSET_CHECK_EVALUATION_PLANNED",
    "ASSET_MATERIALIZATION_PLANNED",
    "ENGINE_EVENT",
    "HANDLED_OUTPUT",
    "LOADED_INPUT",
    "RESOURCE_INIT_STARTED",
    "RESOURCE_INIT_SUCCESS",
    "STEP_INPUT",
    "STEP_OUTPUT",
)

BATCH = 5_000
"""Events deleted in one transaction: some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Events:
    """A number of events, and their size in bytes as they are stored."""

    count: int
    bytes: int


# Events of runs that have not ended stay: Dagster still reads what they planned. What other runs
# planned and did not do makes failed partitions.
_IS_OLD = """
    e.dagster_event_type = ANY (%(types)s) AND e.timestamp < %(before)s AT TIME ZONE 'UTC'
    AND NOT EXISTS (
        SELECT FROM dagster.runs r
        WHERE r.run_id = e.run_id AND r.status <> 'SUCCESS' AND (
            r.status NOT IN ('FAILURE', 'CANCELED') OR e.dagster_event_type LIKE '%%PLANNED'))
    """

_MEASURE = f"""
    SELECT count(*), coalesce(sum(pg_column_size(e.event)), 0)::bigint
    FROM dagster.event_logs e WHERE {_IS_OLD}
    """

_DELETE = f"""
    WITH old AS MATERIALIZED (
        SELECT e.id FROM dagster.event_logs e
        WHERE e.id > %(after)s AND {_IS_OLD} ORDER BY e.id LIMIT %(batch)s
    ), gone AS (
        DELETE FROM dagster.event_logs e USING old WHERE e.id = old.id
        RETURNING pg_column_size(e.event) AS bytes
    )
    SELECT (SELECT max(id) FROM old), count(*), coalesce(sum(bytes), 0)::bigint FROM gone
    """


def measure(connection: Connection, before: datetime) -> Events:
    """What `delete` would delete."""
    if not _has_events(connection):
        return Events(0, 0)
    row = connection.execute(_MEASURE, {"types": list(TYPES), "before": before}).fetchone()
    return Events(*row) if row else Events(0, 0)


def delete(connection: Connection, before: datetime, batch: int = BATCH) -> Iterator[Events]:
    """Delete events before a moment, and give what each transaction deleted.

    Args:
        connection: to the database that has Dagster's tables in schema `dagster`; in autocommit.
        before: events from this moment on stay.
        batch: most events in one transaction.
    """
    given = {"types": list(TYPES), "before": before, "batch": batch}
    after: int | None = 0 if _has_events(connection) else None
    while after is not None:
        row = connection.execute(_DELETE, {**given, "after": after}).fetchone()
        after, *deleted = row or (None, 0, 0)
        if after is not None:
            yield Events(*deleted)


def _has_events(connection: Connection) -> bool:
    """Whether Dagster's tables are there: it makes them when it first runs."""
    row = connection.execute("SELECT to_regclass('dagster.event_logs')").fetchone()
    return row is not None and row[0] is not None
