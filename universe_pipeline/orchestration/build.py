"""The code location's contents: assets, checks and jobs, wired to the real adapters."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from universe_pipeline.domain.sessions import FIRST_SESSION
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.dividends import dividends
from universe_pipeline.orchestration.assets.listings import listings
from universe_pipeline.orchestration.assets.report import report
from universe_pipeline.orchestration.assets.session_assets import partitioned
from universe_pipeline.orchestration.assets.splits import splits
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.checks.specs import CHECKS
from universe_pipeline.orchestration.internals import betas
from universe_pipeline.orchestration.io_manager import PostgresIOManager
from universe_pipeline.orchestration.jobs.alerts import alert_sensor
from universe_pipeline.orchestration.jobs.asset_jobs import JOBS
from universe_pipeline.orchestration.jobs.schedules import SCHEDULES
from universe_pipeline.orchestration.jobs.sealing import sealing_sensor
from universe_pipeline.orchestration.jobs.sensors import SENSORS
from universe_pipeline.orchestration.partitions import backfill_policy, session_partitions
from universe_pipeline.orchestration.resources import (
    JudgedResource,
    PolygonResource,
    PostgresResource,
)
from universe_pipeline.settings import Settings


def build_defs(
    settings: Settings,
    *,
    resource_overrides: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Everything, for the code location and for runs from the command line alike.

    Args:
        settings: of what is defined and of its runs; the environment is not read.
        resource_overrides: by name, in place of resources that are made from the settings.
            `postgres_io` writes to the `postgres` that results.
        executor: of the jobs; None: one process a run, through which a range streams.
            One that gives each step a process ends the run's lock and load job between steps, so
            that `universe status` shows the job as interrupted meanwhile.
    """
    sessions = session_partitions(max(settings.universe_start_date, FIRST_SESSION))
    policy = backfill_policy(settings.universe_sessions_per_run)
    by_session = partitioned([symbols, daily_bars, data_coverage], sessions, policy)
    everything = dg.Definitions(
        assets=[*by_session, splits, dividends, listings, report],
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[*SENSORS, sealing_sensor, alert_sensor],
        resources=_resources(settings, resource_overrides or {}),
        executor=executor or dg.in_process_executor,
    )
    with betas.accepted("owners"):  # Dagster passes them on when it copies a sensor
        everything.get_repository_def()  # keeps the copies
    return everything


def _resources(settings: Settings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {
        "judged": JudgedResource(),
        "polygon": PolygonResource(given=settings),
        "postgres": PostgresResource(given=settings),
        **overrides,
    }
    return {"postgres_io": PostgresIOManager(postgres=ours["postgres"]), **ours}
