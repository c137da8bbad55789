"""What Dagster's tables say of runs and ticks, read by SQL: commands do not import Dagster."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg

from universe_pipeline.domain.errors import ACCESS_KINDS, FailureKind

RANGED_JOBS = ("historical_load", "symbol_repair", "__ASSET_JOB")
"""Jobs of which a later run repeats an earlier one only where both work on one load job."""

_CAN_BE_READ = """
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname = 'dagster' AND relname = 'runs'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    """


def can_be_read(connection: psycopg.Connection) -> bool:
    """Whether Dagster has its tables in this database, and the role may read them."""
    return connection.execute(_CAN_BE_READ).fetchone() is not None


def unfinished_runs(connection: psycopg.Connection) -> list[str]:
    """The ids of the runs that have not ended, oldest first; none where they cannot be read."""
    if not can_be_read(connection):
        return []
    found = connection.execute(
        "SELECT run_id FROM dagster.runs"
        " WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED') ORDER BY id"
    )
    return [run_id for (run_id,) in found]


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, and that nothing has made good for since."""

    run_id: str
    job: str
    load_job: str | None
    """What it worked on, as `universe status` names it."""
    ended_at: datetime
    why: str


def failed_runs(connection: psycopg.Connection) -> list[FailedRun]:
    """The newest failed run of each job, or of each load job of a range, newest first.

    Not those that are over: a later run of the same succeeded, or all requests that failed in it
    have succeeded since. Nor those that are tried again, or whose requests the key or the plan
    refuses.
    """
    given = {
        "ranged": list(RANGED_JOBS),
        "known": [*ACCESS_KINDS, FailureKind.OUTSIDE_PLAN],
    }
    return [FailedRun(*row) for row in connection.execute(_FAILED_RUNS, given)]


def _json(column: LiteralString) -> LiteralString:
    """A column's text as jsonb, which takes neither zeros nor halves of surrogate pairs."""
    found = r"(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
    return rf"regexp_replace({column}, '{found}', '\1?', 'g')::jsonb"


_FAILED_RUNS = f"""
    WITH failed AS (
        SELECT r.id, r.run_id, r.pipeline_name AS job, t.value AS load_job, r.end_time,
               CASE WHEN r.pipeline_name = ANY (%(ranged)s) THEN t.value END AS range
        FROM dagster.runs r
        LEFT JOIN dagster.run_tags t ON t.run_id = r.run_id AND t.key = 'universe/job'
        WHERE r.status = 'FAILURE' AND NOT EXISTS (
            SELECT FROM dagster.run_tags w
            WHERE w.run_id = r.run_id AND w.key = 'dagster/will_retry' AND w.value = 'true')
    ), requests AS (
        SELECT run_id, bool_and(resolved_at IS NOT NULL) AS all_resolved,
               bool_or(is_lost) AS any_lost, min(message) FILTER (WHERE is_lost) AS message
        FROM (SELECT *, resolved_at IS NULL AND NOT retryable
                        AND kind <> ALL (%(known)s) AS is_lost
              FROM data_fetch_errors) e
        GROUP BY run_id
    ), judged AS (
        SELECT f.*, e.message, coalesce(e.all_resolved, false) AS is_over,
               coalesce(NOT e.all_resolved AND NOT e.any_lost, false) AS is_tried_again
        FROM failed f LEFT JOIN requests e USING (run_id)
    ), newest AS (
        SELECT DISTINCT ON (job, range) * FROM judged f
        WHERE NOT is_over AND NOT is_tried_again
          AND NOT EXISTS (
            SELECT FROM judged o
            WHERE o.job = f.job AND o.range IS NOT DISTINCT FROM f.range AND o.is_over
              AND o.id > f.id)
          AND NOT EXISTS (
            SELECT FROM dagster.runs s
            WHERE s.status = 'SUCCESS' AND s.pipeline_name = f.job AND s.id > f.id
              AND (f.range IS NULL OR EXISTS (
                SELECT FROM dagster.run_tags t
                WHERE t.run_id = s.run_id AND t.key = 'universe/job' AND t.value = f.range)))
          AND NOT EXISTS (
            SELECT FROM load_jobs j WHERE j.name = f.load_job AND j.status = 'completed')
        ORDER BY job, range, id DESC
    )
    SELECT run_id, job, load_job, to_timestamp(coalesce(end_time, 0)),
           coalesce(message, (
            SELECT coalesce(d #>> '{{event_specific_data,user_failure_data,description}}',
                            d #>> '{{event_specific_data,error,cause,message}}',
                            d #>> '{{event_specific_data,error,message}}', d ->> 'message')
            FROM dagster.event_logs e
            CROSS JOIN LATERAL (SELECT {_json("e.event")} -> 'dagster_event') AS event (d)
            WHERE e.run_id = newest.run_id
              AND e.dagster_event_type IN ('STEP_FAILURE', 'PIPELINE_FAILURE')
            ORDER BY e.id LIMIT 1), 'see its page')
    FROM newest ORDER BY id DESC
    """


@dataclass(frozen=True, slots=True)
class FailedTick:
    """A schedule or sensor whose newest tick failed."""

    name: str
    kind: str
    """`schedule` or `sensor`."""
    at: datetime
    why: str


def failed_ticks(connection: psycopg.Connection, since: datetime) -> list[FailedTick]:
    """The schedules and sensors whose newest tick that ended failed, at or after `since`."""
    return [FailedTick(*row) for row in connection.execute(_FAILED_TICKS, {"since": since})]


_FAILED_TICKS = f"""
    SELECT tick.body ->> 'job_name', lower(i.instigator_type), tick.at,
           coalesce(tick.body #>> '{{error,cause,message}}', tick.body #>> '{{error,message}}', '')
    FROM dagster.instigators i CROSS JOIN LATERAL (
        SELECT status, tick_body
        FROM dagster.job_ticks t
        WHERE t.selector_id = i.selector_id AND t.status IN ('SUCCESS', 'SKIPPED', 'FAILURE')
        ORDER BY t.timestamp DESC, t.id DESC LIMIT 1
    ) newest CROSS JOIN LATERAL (
        SELECT newest.status, parsed.body,
               to_timestamp((parsed.body ->> 'timestamp')::double precision) AS at
        FROM (SELECT {_json("newest.tick_body")} AS body) parsed
    ) tick
    WHERE tick.status = 'FAILURE' AND i.status <> 'STOPPED' AND tick.at >= %(since)s
    ORDER BY 1
    """
