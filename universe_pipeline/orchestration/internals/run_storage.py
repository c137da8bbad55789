"""Dagster's records of runs, whose times machines compare: a run's starts and ends.

Dagster stamps them with the clock of the machine that launches or works. A run that has just
started would pass for dead where that clock is behind, and a dead one for just started where it is
ahead.
"""

from datetime import datetime
from typing import Any

from dagster import DagsterEvent
from dagster_postgres import PostgresRunStorage

from universe_pipeline.adapters.postgres import clock
from universe_pipeline.orchestration.internals.existing import Existing


class UniverseRunStorage(PostgresRunStorage):
    """`PostgresRunStorage`, but that it keeps the database's time."""

    def __init__(self, *given: Any) -> None:
        self._existing = Existing()
        super().__init__(*given)

    def has_run_stats_index_cols(self) -> bool:
        """Whether Dagster's table of runs has these columns; they are looked for until it has."""
        return self._existing.has("start_time", super().has_run_stats_index_cols)

    def has_backfill_id_column(self) -> bool:
        """Whether it has this one, likewise."""
        return self._existing.has("backfill_id", super().has_backfill_id_column)

    def handle_run_event(
        self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        """Store a run's new status with the database's time."""
        at = None if update_timestamp is None else update_timestamp - clock.ahead()
        super().handle_run_event(run_id, event, at)
