"""Dagster's event log, which says once for each run that a check is planned.

Dagster 1.13 writes that of a check without partitions for each partition of the run all the same,
every time with all partitions of the run in it: for a year of sessions and six checks that takes
longer than to load them, and the records stay "planned" for ever. A test fails when it no longer
does, or does it otherwise; then that part can go.

It also writes planned materializations one by one, each with a round trip for the event and one for
its asset: 3 ms, for every asset and session of a run, before the run begins.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster_postgres import PostgresEventLogStorage

_ROWS = (
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
)


class UniverseEventLog(PostgresEventLogStorage):
    """`PostgresEventLogStorage`, but for batches and planned checks: ours have no partitions."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the last event of each asset as Dagster does, after those before it at once.

        The last is the only one that an asset's own record needs.
        """
        last = {event.get_dagster_event().asset_key: event for event in events}
        earlier = [
            event
            for event in events
            if event is not last[event.get_dagster_event().asset_key] and self._is_row(event)
        ]
        stored = {id(event) for event in earlier}
        if earlier:
            rows = [self._event_to_row(event) for event in earlier]
            with self.index_transaction() as connection:
                connection.execute(SqlEventLogStorageTable.insert(), rows)
        super().store_event_batch([event for event in events if id(event) not in stored])

    def _is_row(self, event: EventLogEntry) -> bool:
        """Whether nothing but its row is to be stored: neither tags nor a check's record."""
        return event.dagster_event_type in _ROWS and not self._tags_for_asset_event(event)

    def unplan(self, run_id: str, checks: Sequence[dg.AssetCheckKey]) -> None:
        """Forget that a run was to evaluate `checks`, where it has not.

        A planned check is shown as skipped when its run ends, in place of its last verdict.
        """
        table = AssetCheckExecutionsTable.c
        named = [key.name for key in checks]
        with self.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.delete()
                .where(table.run_id == run_id, table.check_name.in_(named))
                .where(table.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value)
            )

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
