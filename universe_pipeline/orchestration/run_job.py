"""The load job that a run works for: its row in `load_jobs`, which `universe status` shows.

A command begins and ends the job of its run. Runs of schedules, sensors, the UI and backfills do so
here.
"""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.ledger.fetch_errors import failures_of_run
from universe_pipeline.adapters.postgres.quality.rule_results import results_of
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.sessions import newest_closed, sessions_between
from universe_pipeline.loading import load_job, load_states, plan
from universe_pipeline.loading.load_job import LoadJob
from universe_pipeline.orchestration.internals.failed_steps import is_interrupted, step_errors
from universe_pipeline.orchestration.internals.names import IMPLICIT_ASSET_JOB_NAME
from universe_pipeline.orchestration.partitions import asked_for, sessions_of
from universe_pipeline.orchestration.tags import (
    DAILY_UPDATE,
    ERROR_RETRY,
    HISTORICAL_LOAD,
    JOB_TAG,
    SYMBOL_REPAIR,
)
from universe_pipeline.settings import Settings

BARS = dg.AssetKey("daily_bars")

LOADING = (IMPLICIT_ASSET_JOB_NAME, DAILY_UPDATE, ERROR_RETRY, HISTORICAL_LOAD)
"""Jobs that load bars, unless a run of them selects other assets alone."""


@contextmanager
def recorded(
    context: dg.InitResourceContext, run: dg.DagsterRun, database: Database, settings: Settings
) -> Generator[None]:
    """Show the block's run as the work on its load job, from its begin to its end.

    Where another process works on a job of the same name, the row stays that one's.
    """
    now = wiring.clock(settings)
    job = job_of(run, now())
    with nullcontext() if job is None else _working(context, run, job, database, now):
        yield


@contextmanager
def _working(
    context: dg.InitResourceContext, run: dg.DagsterRun, job: LoadJob, database: Database, now: Now
) -> Generator[None]:
    with load_jobs.hold_lock(database, job.name) as hold:
        if not hold:
            yield
            return
        with database.connect() as connection:
            job = _narrowed(connection, job)
            afresh = load_job.is_repair(job.name)
            load_job.begin(connection, job, now(), run_id=run.run_id, afresh=afresh)
        _tag(context, run, job)
        try:
            yield
        finally:
            with database.connect() as connection:
                status = _status(context, connection, run, job) if hold else None
                load_job.end(connection, job, status, now())


def job_of(run: dg.DagsterRun, now: datetime) -> LoadJob | None:
    """The load job of a run, of the sessions that have closed; None for a run that loads no bars.

    Args:
        run: one of our jobs, or a choice of our assets.
        now: the database's time.
    """
    newest = newest_closed(now)
    try:
        if run.job_name == SYMBOL_REPAIR:
            return _symbols_job(run, newest)
        return _sessions_job(run, newest) if _loads_bars(run) else None
    except ValueError:  # a date of the configuration, which the step reports in its own words
        return None


def _loads_bars(run: dg.DagsterRun) -> bool:
    if run.asset_selection:
        return BARS in run.asset_selection
    return run.job_name in LOADING and run.asset_check_selection is None  # all of the job


def _sessions_job(run: dg.DagsterRun, newest: date) -> LoadJob | None:
    all_sessions = sessions_of(run.tags)
    asked = set(asked_for(run, all_sessions))
    sessions = [day for day in all_sessions if day in asked]
    if not sessions or sessions[-1] > newest:  # a run over a session that has not closed stops
        return None
    if run.job_name == DAILY_UPDATE:
        updated = _updated(run) or sessions[-1]
        own = sorted({*sessions, updated})
        return LoadJob("daily", load_job.update_name(updated), own)
    if run.job_name == ERROR_RETRY:
        return LoadJob("retry", load_job.retry_name(sessions), sessions)
    return LoadJob("historical", load_job.range_name(sessions[0], sessions[-1]), sessions)


def _updated(run: dg.DagsterRun) -> date | None:
    """The session that the schedule asked for, of which the run may fetch earlier ones alone.

    Other names are not read from the tag: a run that is executed again inherits it, and may be
    about other sessions.
    """
    name = run.tags.get(JOB_TAG, "")
    return load_job.session_of_update(name) if load_job.is_update(name) else None


def _narrowed(connection: Connection, job: LoadJob) -> LoadJob:
    """A daily update is not about loaded sessions before its own that it fetches again."""
    if job.kind != "daily":
        return job
    known = load_states.of_sessions(connection, job.sessions[:-1])
    missing = plan.of_range(job.sessions[:-1], known)
    own = [*missing.wanted, *missing.given_up, job.sessions[-1]]
    return LoadJob(job.kind, job.name, sorted(own))


def _symbols_job(run: dg.DagsterRun, newest: date) -> LoadJob | None:
    configuration: Any = run.run_config
    asked = configuration["ops"]["load_chosen_symbols"]["config"]
    start, end = (date.fromisoformat(asked[day]) for day in ("start", "end"))
    end = min(end, newest)
    sessions, symbols = sessions_between(start, end), asked["symbols"]
    if not (sessions and symbols) or any("\0" in symbol for symbol in symbols):
        return None
    named = load_job.repair_name if asked.get("again", True) else load_job.symbols_name
    return LoadJob("symbols", named(symbols, start, end), sessions, symbols)


def _tag(context: dg.InitResourceContext, run: dg.DagsterRun, job: LoadJob) -> None:
    """Let the run's page name the job."""
    if context.instance is not None and run.tags.get(JOB_TAG) != job.name:
        context.instance.add_run_tags(run.run_id, {JOB_TAG: job.name})


def _status(
    context: dg.InitResourceContext, connection: Connection, run: dg.DagsterRun, job: LoadJob
) -> str:
    errors = step_errors(context.instance, run.run_id) if context.instance else []
    if context.instance and is_interrupted(context.instance, run.run_id, errors):
        return "interrupted"
    broken = any(
        one.offenders and one.severity == Severity.ERROR
        for one in results_of(connection, run.run_id)
    )
    failed = bool(errors or broken or failures_of_run(connection, run.run_id))
    return load_job.status(connection, job, failed=failed)
