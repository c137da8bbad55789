"""The code location's contents: assets, checks and jobs, wired to the real adapters."""

from functools import lru_cache

import dagster as dg

from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.report import report
from universe_pipeline.orchestration.assets.splits import splits
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.checks.specs import CHECKS
from universe_pipeline.orchestration.internals import betas
from universe_pipeline.orchestration.io_manager import PostgresIOManager
from universe_pipeline.orchestration.jobs.asset_jobs import JOBS
from universe_pipeline.orchestration.jobs.schedules import SCHEDULES
from universe_pipeline.orchestration.jobs.sealing import settling_sensor
from universe_pipeline.orchestration.jobs.sensors import SENSORS
from universe_pipeline.orchestration.resources import (
    JudgedResource,
    PolygonResource,
    PostgresResource,
)


@lru_cache(maxsize=1)
def definitions() -> dg.Definitions:
    """Everything, for the code location and for runs from the command line alike."""
    postgres = PostgresResource()
    everything = dg.Definitions(
        assets=[symbols, daily_bars, data_coverage, splits, report],
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[*SENSORS, settling_sensor],
        resources={
            "judged": JudgedResource(),
            "polygon": PolygonResource(),
            "postgres": postgres,
            "postgres_io": PostgresIOManager(postgres=postgres),
        },
        # One process a run: a range streams through it, and steps share its connections.
        executor=dg.in_process_executor,
    )
    with betas.accepted("owners"):  # Dagster passes them on when it copies a sensor
        everything.get_repository_def()  # keeps the copies
    return everything
