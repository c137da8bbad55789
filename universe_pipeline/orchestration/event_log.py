"""Dagster's event log, which says once for each run that a check is planned.

Dagster 1.13 writes that of a check without partitions for each partition of the run all the same,
every time with all partitions of the run in it: for a year of sessions and six checks that takes
longer than to load them, and the records stay "planned" for ever. A test fails when it no longer
does, or does it otherwise; then this module can go.
"""

from typing import Any

from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events.log import EventLogEntry
from dagster_postgres import PostgresEventLogStorage


class UniverseEventLog(PostgresEventLogStorage):
    """`PostgresEventLogStorage`, but for planned checks: none of ours has partitions."""

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        happened: Any = event.dagster_event
        planned: AssetCheckEvaluationPlanned = happened.event_specific_data
        once = AssetCheckEvaluationPlanned(
            asset_key=planned.asset_key, check_name=planned.check_name
        )
        entry = event._replace(dagster_event=happened._replace(event_specific_data=once))
        super()._store_asset_check_evaluation_planned(entry, event_id)
