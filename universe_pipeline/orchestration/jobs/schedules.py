"""When things run by themselves: the daily update after the close, and the weekly verification.

An own schedule instead of Dagster's helper: that one never asks for a failed session again, and
after an outage replays only the last tick.
"""

from datetime import date, datetime

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures
from universe_pipeline.domain.errors import UniverseError
from universe_pipeline.domain.sessions import NEW_YORK, newest_closed
from universe_pipeline.loading.load_job import update_name
from universe_pipeline.loading.load_states import plan_update
from universe_pipeline.orchestration.jobs.asset_jobs import daily_update, verification
from universe_pipeline.orchestration.partitions import span, tags_of
from universe_pipeline.orchestration.reconciliation import UNFINISHED_STATUSES, report_dead_runs
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.orchestration.tags import JOB_TAG
from universe_pipeline.settings import Settings, no_key

WEEKLY_SAMPLE = 10
"""Symbols that the weekly verification compares with the vendor: four requests each."""

AFTER_CLOSE = "0 17 * * 1-5"
AGAIN = ("30 20 * * 1-5", "30 22 * * 1-5", "0 8 * * 2-6")
"""Later that evening and next morning: plans publish a session between its close and midnight."""


@dg.schedule(
    job=daily_update,
    cron_schedule=[AFTER_CLOSE, *AGAIN],
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Loads what is missing among the last ten closed sessions; at 17:00 also fetches "
    "the trailing sessions (UNIVERSE_REVISIT_SESSIONS) again. All times are New York's.",
)
def daily_update_after_close(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    """Ask for what is missing among the last closed sessions."""
    settings = postgres.settings
    if settings.polygon_api_key is None:
        return dg.SkipReason(no_key())
    try:
        database = wiring.open_for_reading(settings)
        now = wiring.now(settings)
        with database.connect() as connection:
            report_dead_runs(context.instance, connection, now)  # one would be waited for for ever
    except UniverseError as error:
        return dg.SkipReason(str(error))
    running = dg.RunsFilter(job_name=daily_update.name, statuses=UNFINISHED_STATUSES)
    if context.instance.get_run_records(running, limit=1):
        return dg.SkipReason("a daily update is still running")
    at = context.scheduled_execution_time.astimezone(wiring.new_york())
    is_first = (at.hour, at.minute) == (17, 0)
    return _request(database, settings, at.date(), now, revisit=is_first)


def _request(
    database: Database, chosen: Settings, today: date, now: datetime, *, revisit: bool
) -> dg.RunRequest | dg.SkipReason:
    newest = newest_closed(now)
    if newest != today and revisit:
        return dg.SkipReason(f"{today} is no session, or has not closed")
    with database.connect() as connection:
        refused = next((one for one in open_failures(connection) if one.refuses_key), None)
        if refused is not None and not revisit:  # a refused key is tried once a day, not four times
            return dg.SkipReason(f"the vendor refuses the key: {refused.message}")
        planned = plan_update(
            connection,
            newest,
            start=chosen.universe_start_date,
            revisit=chosen.universe_revisit_sessions if revisit else 0,
        )
    wanted = planned.fetch
    if not wanted:
        return dg.SkipReason(f"every session up to {newest} is loaded")
    fetch = [day.isoformat() for day in wanted]
    return dg.RunRequest(
        run_key=f"{','.join(fetch)}@{now:%Y-%m-%dT%H}",
        tags={**tags_of(wanted), JOB_TAG: update_name(newest), "universe/asks": span(wanted)},
        run_config={"ops": {"daily_bars": {"config": {"fetch": fetch}}}},
    )


@dg.schedule(
    job=verification,
    cron_schedule="0 9 * * 6",
    execution_timezone=NEW_YORK,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Judges everything that is loaded by every quality rule, and compares "
    f"{WEEKLY_SAMPLE} symbols with the vendor, other ones each week (Saturday 9:00, New York).",
)
def weekly_verification(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Verify on Saturday morning; each time other symbols are drawn."""
    day = context.scheduled_execution_time
    sample = {"size": WEEKLY_SAMPLE, "seed": int(f"{day:%Y%m%d}")}
    return dg.RunRequest(
        run_key=f"{day:%Y-%m-%d}", run_config={"ops": {"sample_checks": {"config": sample}}}
    )


SCHEDULES = [daily_update_after_close, weekly_verification]
