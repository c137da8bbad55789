"""Dagster's event log, which says once for each run that a check is planned.

Dagster 1.13 writes that of a check without partitions for each partition of the run all the same,
every time with all partitions of the run in it: for a year of sessions and six checks that takes
longer than to load them, and the records stay "planned" for ever. A test fails when it no longer
does, or does it otherwise; then that part can go.

It also writes that a partition is planned to be materialized event by event, each with a round trip
for the event and one for its asset: 3 ms, for every asset and session of a run, before it begins.
"""

from collections.abc import Sequence
from typing import Any

from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_postgres import PostgresEventLogStorage


class UniverseEventLog(PostgresEventLogStorage):
    """`PostgresEventLogStorage`, but for what is planned; none of our checks has partitions."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store planned materializations at once, and the others as Dagster does."""
        kind = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        planned = [event for event in events if event.dagster_event_type == kind]
        others = [event for event in events if event.dagster_event_type != kind]
        if planned:
            self._store_planned(planned)
        if others:
            super().store_event_batch(others)

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        newest = {event.get_dagster_event().asset_key: event for event in events}
        with self.index_transaction() as connection:
            rows = [self._event_to_row(event) for event in events]
            connection.execute(SqlEventLogStorageTable.insert(), rows)
            for event in newest.values():  # of a planned one, an asset keeps no event's id
                self._store_asset_event(connection, event, 0)

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
