"""What failed and may go well later is asked for again by itself, at growing distances.

What a run that was killed or canceled still owed is made good for at the same time.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.ledger.fetch_errors import (
    Repair,
    RetryableFailures,
    repairs,
    retryable_failures,
)
from universe_pipeline.domain.errors import UniverseError
from universe_pipeline.domain.sessions import newest_closed
from universe_pipeline.loading.load_job import repair_name, retry_name
from universe_pipeline.orchestration.jobs.asset_jobs import (
    error_retry,
    symbol_repair,
    universe_discovery,
)
from universe_pipeline.orchestration.partitions import span, tags_of
from universe_pipeline.orchestration.reconciliation import (
    IN_PROGRESS,
    UNFINISHED_STATUSES,
    reconcile,
    report_dead_runs,
)
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.orchestration.tags import JOB_TAG
from universe_pipeline.settings import no_key

FIRST_DISTANCE = timedelta(minutes=10)
LONGEST_DISTANCE = timedelta(days=1)

JOBS = (error_retry, symbol_repair, universe_discovery)


def distance(rounds: int) -> timedelta:
    """How long to wait after the last of so many failed rounds: 10 minutes, 20, 40 … a day."""
    return min(FIRST_DISTANCE * 2 ** min(rounds - 1, 10), LONGEST_DISTANCE)


@dg.sensor(
    jobs=JOBS,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks again for what failed and may go well later, after 10 minutes, 20, 40, up to "
    "a day (`universe retry` asks at once), and records what a killed or canceled run committed.",
)
def error_retry_sensor(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request a run for every kind of failure that is due."""
    settings = postgres.settings
    try:
        with wiring.reading(settings) as connection:
            now = wiring.now(settings)
            failures = retryable_failures(connection)
            report_dead_runs(context.instance, connection, now)  # one would be waited for for ever
        if not context.instance.get_runs_count(dg.RunsFilter(statuses=IN_PROGRESS)):
            reconcile(context.instance, wiring.open_database(settings), now)
    except UniverseError as error:
        yield dg.SkipReason(str(error))
        return
    if settings.polygon_api_key is None:  # only what asks the vendor needs it
        yield dg.SkipReason(no_key())
        return
    due = [one for one in failures if now >= one.last_at + distance(one.rounds)]
    requests = [] if _is_running(context.instance) else list(_requests(due, now))
    if not requests:
        yield dg.SkipReason(_waiting(failures, due))
    yield from requests


def _is_running(instance: dg.DagsterInstance) -> bool:
    return any(
        instance.get_run_records(
            dg.RunsFilter(job_name=job.name, statuses=UNFINISHED_STATUSES), limit=1
        )
        for job in JOBS
    )


def _waiting(failures: Sequence[RetryableFailures], due: Sequence[RetryableFailures]) -> str:
    if due:
        return "an earlier retry is still running"
    if not failures:
        return "nothing that failed may go well later"
    soonest = min(one.last_at + distance(one.rounds) for one in failures)
    return f"{len(failures)} failures wait; the next one is due at {soonest:%Y-%m-%d %H:%M} UTC"


def _requests(due: Sequence[RetryableFailures], now: datetime) -> Iterator[dg.RunRequest]:
    sessions = sorted(one.day for one in due if one.symbol is None and one.day is not None)
    if sessions:
        yield _sessions_request(sessions, now)
    for repair in repairs(due, newest_closed(now)):
        yield _symbols_request(repair, now)
    lists = {one.of_list for one in due if one.of_list is not None}
    if lists:
        newest = newest_closed(now)
        yield dg.RunRequest(
            run_key=f"lists@{now:%Y-%m-%dT%H:%M}",
            job_name=universe_discovery.name,
            tags={**tags_of([newest]), JOB_TAG: "universe_discovery"},
            # Also where an older list is fresh still: the failure stays open until a new one comes.
            run_config={"ops": {asset: {"config": {"force_refresh": True}} for asset in lists}},
        )


def _sessions_request(sessions: Sequence[date], now: datetime) -> dg.RunRequest:
    fetch = [day.isoformat() for day in sessions]
    return dg.RunRequest(
        run_key=f"sessions@{now:%Y-%m-%dT%H:%M}",
        job_name=error_retry.name,
        tags={
            **tags_of(sessions),
            JOB_TAG: retry_name(sessions),
            "universe/asks": span(sessions),
        },
        run_config={"ops": {"daily_bars": {"config": {"fetch": fetch}}}},
    )


def _symbols_request(repair: Repair, now: datetime) -> dg.RunRequest:
    start, end = repair.start.isoformat(), repair.end.isoformat()
    config = {"symbols": repair.symbols, "start": start, "end": end}
    return dg.RunRequest(
        run_key=f"symbols {start} {end}@{now:%Y-%m-%dT%H:%M}",
        job_name=symbol_repair.name,
        tags={JOB_TAG: repair_name(repair.symbols, repair.start, repair.end)},
        run_config={"ops": {"load_chosen_symbols": {"config": config}}},
    )


SENSORS = [error_retry_sensor]
