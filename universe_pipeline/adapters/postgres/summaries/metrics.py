"""The figures of `universe metrics`, each read from the database as of a moment.

A figure is rows of label values and a number. No label is a symbol or a date: their number would
grow with the data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

import psycopg

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.dagster_records import can_be_read
from universe_pipeline.adapters.tally import Counter
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.sessions import close_of, newest_closed, sessions_between

Figure: TypeAlias = Sequence[tuple[tuple[str, ...], float]]
"""Label values, and the number that they are of."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the figures are about."""

    now: datetime
    first_session: date
    """UNIVERSE_START_DATE."""
    per_minute: int
    """POLYGON_RATE_LIMIT."""
    release: str

    @property
    def newest(self) -> date:
        """The newest closed session."""
        return newest_closed(self.now)


CONDITIONS = ("available", "degraded", "pending", "missing")
"""Of `session_conditions`."""

ROW_KINDS = ("received", "stored", "rejected", "revised")


def sessions(connection: psycopg.Connection, scope: Scope) -> Figure:
    """Closed sessions from the first one asked for, by condition."""
    rows = connection.execute(
        "SELECT condition, count(*) FROM session_conditions"
        " WHERE date BETWEEN (SELECT min(date) FROM session_loads) AND %s GROUP BY condition",
        (scope.newest,),
    )
    return _every(CONDITIONS, dict(rows.fetchall()))


def sessions_behind(connection: psycopg.Connection, scope: Scope) -> Figure:
    """Closed sessions after the newest one that readers have; all of them where they have none."""
    last = _last_available(connection)
    after = sessions_between(last or scope.first_session, scope.newest)
    return _one(sum(day != last for day in after))


def last_available(connection: psycopg.Connection, _: Scope) -> Figure:
    """When the newest session that readers have closed."""
    last = _last_available(connection)
    return _one(close_of(last).timestamp()) if last else ()


def _last_available(connection: psycopg.Connection) -> date | None:
    row = connection.execute(
        "SELECT max(date) FROM session_loads WHERE status = 'loaded'"
    ).fetchone()
    return row[0] if row else None


def last_success(connection: psycopg.Connection, _: Scope) -> Figure:
    """When a run of each Dagster job last succeeded; `asset_job`: what was materialized by hand."""
    if not can_be_read(connection):
        return ()
    rows = connection.execute(
        "SELECT CASE pipeline_name WHEN '__ASSET_JOB' THEN 'asset_job' ELSE pipeline_name END,"
        " max(end_time) FROM dagster.runs WHERE status = 'SUCCESS' AND end_time IS NOT NULL"
        " GROUP BY 1 ORDER BY 1"
    )
    return [((job,), ended) for job, ended in rows]


def runs_in_progress(connection: psycopg.Connection, _: Scope) -> Figure:
    """Dagster's runs that are starting or at work."""
    if not can_be_read(connection):
        return ()
    rows = connection.execute(
        "SELECT count(*) FROM dagster.runs"
        " WHERE status IN ('NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING')"
    )
    return _one(rows.fetchall()[0][0])


def oldest_queued_run(connection: psycopg.Connection, scope: Scope) -> Figure:
    """Seconds for which the oldest of Dagster's queued runs has waited; 0 where none waits."""
    if not can_be_read(connection):
        return ()
    rows = connection.execute(  # Dagster's times have no zone, and are UTC
        "SELECT coalesce(extract(epoch FROM %s - min(create_timestamp) AT TIME ZONE 'UTC'), 0)"
        " FROM dagster.runs WHERE status = 'QUEUED'",
        (scope.now,),
    )
    return _one(max(0, rows.fetchall()[0][0]))


def requests(connection: psycopg.Connection, _: Scope) -> Figure:
    """Requests that loads have sent, by endpoint and outcome."""
    return _counted(connection, Counter.REQUESTS, labels=2)


def rate_limited(connection: psycopg.Connection, _: Scope) -> Figure:
    """Those that the vendor answered with 429."""
    counted = _counted(connection, Counter.REQUESTS, labels=2)
    return _one(sum(n for (_, outcome), n in counted if outcome == FailureKind.RATE_LIMITED))


def stage_seconds(connection: psycopg.Connection, _: Scope) -> Figure:
    """Seconds that sessions took, by stage."""
    return _counted(connection, Counter.STAGE_SECONDS, labels=1)


def _counted(connection: psycopg.Connection, counter: Counter, labels: int) -> Figure:
    rows = connection.execute(
        "SELECT subject, outcome, sum(amount) FROM daily_counters WHERE counter = %s"
        " GROUP BY subject, outcome ORDER BY subject, outcome",
        (counter,),
    )
    return [((subject, outcome)[:labels], amount) for subject, outcome, amount in rows]


def rows(connection: psycopg.Connection, _: Scope) -> Figure:
    """Rows of the answers of sessions, and bars that later answers replaced."""
    counts = connection.execute(
        "SELECT coalesce(sum(received), 0), coalesce(sum(stored), 0), coalesce(sum(rejected), 0),"
        " (SELECT count(*) FROM bar_revisions) FROM session_loads"
    ).fetchall()[0]
    return _every(ROW_KINDS, dict(zip(ROW_KINDS, counts, strict=True)))


def open_errors(connection: psycopg.Connection, _: Scope) -> Figure:
    """Open rows of `data_fetch_errors`, by kind."""
    rows = connection.execute(
        "SELECT kind, CASE WHEN retryable THEN 'true' ELSE 'false' END, count(*)"
        " FROM data_fetch_errors WHERE resolved_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [((kind, retryable), count) for kind, retryable, count in rows]


def open_alerts(connection: psycopg.Connection, _: Scope) -> Figure:
    """Alerts that are open, by severity."""
    rows = connection.execute(
        "SELECT severity, count(*) FROM alerts WHERE closed_at IS NULL GROUP BY severity"
    )
    return _every((Severity.ERROR, Severity.WARN), dict(rows.fetchall()))


def pace(_: psycopg.Connection, scope: Scope) -> Figure:
    """The limit of requests a minute; 0: unpaced."""
    return _one(scope.per_minute)


def database_bytes(connection: psycopg.Connection, _: Scope) -> Figure:
    """The size of the database on the disk of its server."""
    return _one(connection.execute("SELECT pg_database_size(current_database())").fetchall()[0][0])


def build_info(connection: psycopg.Connection, scope: Scope) -> Figure:
    """1, with the release and the schema."""
    return [((scope.release, schema.current_version(connection) or ""), 1)]


def _one(value: float) -> Figure:
    return [((), value)]


def _every(labels: Iterable[str], found: dict[str, float]) -> Figure:
    """A row for each label, 0 where nothing was found."""
    return [((label,), found.get(label, 0)) for label in labels]
