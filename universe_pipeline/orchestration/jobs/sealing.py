"""`sealing`: quarters that are over get their index by symbol.

No asset: it changes no row, only how quickly they are read. It runs after a quarter has closed and
after a bulk load, by `sealing_sensor` or at the end of a command.
"""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.bars.sealing import seal, unsealed
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UniverseError
from universe_pipeline.domain.sessions import newest_closed, sessions_before
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.orchestration.reconciliation import UNFINISHED_STATUSES
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.settings import Settings


def due_quarters(connection: Connection, chosen: Settings, now: datetime) -> list[str]:
    """The quarters that are to be sealed: none of their sessions is fetched again by itself."""
    newest = newest_closed(now)
    still_open = (*sessions_before(newest, chosen.universe_revisit_sessions), newest)[0]
    return unsealed(connection, chosen.universe_start_date, still_open, now)


@dg.op
def seal_quarters(context: dg.OpExecutionContext, postgres: PostgresResource) -> None:
    """Build the missing indexes by symbol, quarter by quarter."""
    with postgres.database.connect() as connection:
        due = due_quarters(connection, postgres.settings, wiring.now(postgres.settings))
    if due:
        report(Step("quarters", 0, len(due)))
    sealed = 0
    for sealed, quarter in enumerate(seal(postgres.database, due), start=1):
        context.log.info("%s is sealed", quarter)
        report(Step("quarters", sealed, len(due), quarter))
    if sealed < len(due):
        context.log.info("another process is sealing: the rest is left to it")


@dg.job(
    description="Build the index by symbol of quarters of `daily_bars` that are over: reading one "
    "symbol is then quick. Changes no row."
)
def sealing() -> None:
    """One op."""
    seal_quarters()


@dg.sensor(
    job=sealing,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds the index by symbol of each quarter that is over and loaded, after its end "
    "and after a bulk load (job `sealing`).",
)
def sealing_sensor(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a run when a quarter is due, unless one is under way."""
    try:
        with wiring.reading(postgres.settings) as connection:
            now = wiring.now(postgres.settings)
            due = due_quarters(connection, postgres.settings, now)
    except UniverseError as error:
        return dg.SkipReason(str(error))
    if not due:
        return dg.SkipReason("every quarter that is over is sealed")
    if _is_running(context.instance):
        return dg.SkipReason("an earlier sealing is still running")
    return dg.RunRequest(run_key=_once_an_hour(due, now))


def _is_running(instance: dg.DagsterInstance) -> bool:
    unfinished = dg.RunsFilter(job_name=sealing.name, statuses=UNFINISHED_STATUSES)
    return bool(instance.get_run_records(unfinished, limit=1))


def _once_an_hour(due: Sequence[str], now: datetime) -> str:
    """So that a quarter which cannot be sealed is not tried every minute."""
    return f"{','.join(due)}@{now:%Y-%m-%dT%H}"
