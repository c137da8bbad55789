"""`historical --launch`: a range that the instance's launcher loads, on any host, followed."""

import time
from collections.abc import Sequence
from datetime import date

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connecting import losses
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.adapters.postgres.ledger.fetch_errors import failures_of_run
from universe_pipeline.adapters.postgres.quality.rule_results import results_of
from universe_pipeline.cli import load
from universe_pipeline.cli.exits import DONE, FAILED, INTERRUPTED
from universe_pipeline.cli.terminal import note, progress_bars, result
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.sessions import closed_range
from universe_pipeline.loading import load_job
from universe_pipeline.loading.load_job import LoadJob
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.orchestration.execution.in_process import quieten_dagster
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.orchestration.execution.launch import (
    Launched,
    Look,
    find,
    launch,
    look,
    require_daemon,
)
from universe_pipeline.settings import Settings

LOOK_SECONDS = 2.0


def historical_range(settings: Settings, start: date, end: date | None, *, reload: bool) -> int:
    """Ask for the sessions of a range that are not loaded yet, or all, and follow them.

    The vendor's key is needed by what loads, and not here.

    Raises:
        RangeError: the range holds no session.
        UsageError: no daemon works on the database.
    """
    closed_range(start, end, load.END_OF_CALENDAR)  # said also where there is no database
    quieten_dagster()
    database = wiring.open_database(settings)
    now = wiring.now(settings)
    sessions = load.sessions_asked(settings, start, end, now)
    job = LoadJob("historical", load_job.range_name(start, load.last_day(end, now)), sessions)
    with losses.translate_lost_database(database), open_instance(settings) as instance:
        return _load(settings, instance, database, job, reload=reload)


def _load(
    settings: Settings,
    instance: dg.DagsterInstance,
    database: Database,
    job: LoadJob,
    *,
    reload: bool,
) -> int:
    with database.connect() as connection:
        planned = (
            load.whole_plan(settings, job) if reload else load.plan_of(settings, connection, job)
        )
        wanted, name = planned.fetch, f"{job.name} again" if reload else job.name
        code = load.report_before_start_date(settings, planned.out_of_reach)
        code = max(code, load.report_given_up(planned.given_up, job.sessions))
        launched = find(instance, name)
        if launched is None and not wanted:
            result(load.nothing_to_fetch(connection, job))
            return code
        require_daemon(instance)
        if launched is None:
            at = wiring.now(settings)
            launched = launch(instance, settings, wanted, name=name, reload=reload, at=at)
            load.announce(settings, wanted)
        note(f"backfill {launched.id}: ctrl-C leaves it running")
        try:
            end = _follow(instance, connection, launched, wanted, reload=reload)
        except KeyboardInterrupt:
            note(_goes_on(launched))
            return INTERRUPTED
        return max(code, _report(connection, job, wanted, end))


def _goes_on(launched: Launched) -> str:
    return (
        f"backfill {launched.id} goes on; the same command follows it again, and "
        f"Runs > Backfills > {launched.id} > Cancel in Dagster's UI ends it"
    )


def _follow(
    instance: dg.DagsterInstance,
    connection: Connection,
    launched: Launched,
    wanted: Sequence[date],
    *,
    reload: bool,
) -> Look:
    """Show how many sessions are there until the backfill ends; how it ended."""
    since = launched.asked_at if reload else None
    named = set[str]()
    with progress_bars():
        while True:
            now = look(instance, launched.id)
            there = len(session_states.committed(connection, wanted, since))
            report(Step("sessions", there, len(wanted), now.words))
            _name_failed(now.runs, named)
            if now.is_over:
                return now
            time.sleep(LOOK_SECONDS)


def _name_failed(runs: Sequence[dg.DagsterRun], named: set[str]) -> None:
    """Note each run that has failed, once: it may be run again."""
    for run in runs:
        if run.status is dg.DagsterRunStatus.FAILURE and run.run_id not in named:
            named.add(run.run_id)
            note(f"run {run.run_id[:8]} failed; Dagster's page of it says why")


def _report(connection: Connection, job: LoadJob, wanted: Sequence[date], end: Look) -> int:
    failures = [one for run in end.runs for one in failures_of_run(connection, run.run_id)]
    result(load.summary(connection, job.name, wanted, {one.day for one in failures}))
    load.report_unusual(connection, wanted)
    load.note_failures(failures)
    broken = _broken(connection, end.runs)
    for rule in broken:
        note(f"check failed: {rule}")
    if not end.is_success:
        note(f"the backfill ended as {end.status.value}; the same command asks for the rest")
    return DONE if end.is_success and not failures and not broken else FAILED


def _broken(connection: Connection, runs: Sequence[dg.DagsterRun]) -> list[str]:
    """The rules of level ERROR that a run found broken."""
    found = (one for run in runs for one in results_of(connection, run.run_id))
    return sorted({one.rule for one in found if one.offenders and one.severity == Severity.ERROR})
