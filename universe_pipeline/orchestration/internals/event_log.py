"""Dagster's event log, which says once for each run that a check is planned.

Dagster 1.13 writes that of a check without partitions for each partition of the run all the same,
every time with all partitions of the run in it: for a year of sessions and six checks that takes
longer than to load them, and the records stay "planned" for ever. A test fails when it no longer
does, or does it otherwise; then that part can go.

It also writes what a run plans, an asset in a session or a check, one by one, each with round trips
for the event and its asset or check: 3 ms, before the run begins. With every event it sends a
NOTIFY, to which no release listens that reads these tables. A test stores the events of a run as
Dagster does and as we do, and compares the tables.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage

from universe_pipeline.orchestration.internals.existing import Existing

_PLANNED_CHECK = DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED

Stored = Sequence[tuple[EventLogEntry, int]]
"""Events, each with the number of its row."""


class UniverseEventLog(PostgresEventLogStorage):
    """`PostgresEventLogStorage`, but for batches and planned checks: ours have no partitions."""

    def __init__(self, *given: Any) -> None:
        self._existing = Existing()
        super().__init__(*given)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, and what goes with one of an asset or a check."""
        self._store([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events at once, but for those that Dagster leaves out of batches, too."""
        self._store([one for one in events if not _event_of(one).is_asset_failed_to_materialize])

    def _store(self, events: Sequence[EventLogEntry]) -> None:
        if not events:
            return
        stored = self._insert(events)
        self._record_assets([one for one in stored if _is_of_asset(one[0])])
        self._record_checks([one for one in stored if _is_of_check(one[0])])

    def _insert(self, events: Sequence[EventLogEntry]) -> Stored:
        rows = [self._event_to_row(event) for event in events]
        table = SqlEventLogStorageTable
        insert = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        with self.run_connection() as connection:
            ids = connection.execute(insert, rows).scalars().all()
        return list(zip(events, ids, strict=True))

    def _record_assets(self, stored: Stored) -> None:
        """Record the events' tags, and in each asset's own record the last event of a type."""
        if not stored:
            return
        last = {(_event_of(one[0]).asset_key, one[0].dagster_event_type): one for one in stored}
        with self.index_transaction() as connection:
            self._store_asset_event_tags(connection, *zip(*stored, strict=True))
            for event, row in last.values():
                self._store_asset_event(connection, event, row)

    def _record_checks(self, stored: Stored) -> None:
        planned = [one for one in stored if one[0].dagster_event_type is _PLANNED_CHECK]
        if planned:
            self._plan(planned)
        for event, row in stored:
            if event.dagster_event_type is not _PLANNED_CHECK:
                self.store_asset_check_event(event, row)

    def _plan(self, stored: Stored) -> None:
        rows = [self._planned_row(event, row) for event, row in stored]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), rows)

    def _planned_row(self, event: EventLogEntry, row: int) -> dict[str, Any]:
        planned: AssetCheckEvaluationPlanned = _event_of(event).event_specific_data
        once = AssetCheckEvaluationPlanned(
            asset_key=planned.asset_key, check_name=planned.check_name
        )
        happened = _event_of(event)._replace(event_specific_data=once)
        return {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "partition": None,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event._replace(dagster_event=happened)),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": row,
        }

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

    def has_table(self, table_name: str) -> bool:
        """Whether Dagster has that table; it is looked for until it has."""
        return self._existing.has(table_name, partial(super().has_table, table_name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether Dagster's table of assets has that column, likewise."""
        return self._existing.has(
            f"asset_keys.{column_name}", partial(super().has_asset_key_col, column_name)
        )


def _event_of(entry: EventLogEntry) -> Any:
    return entry.get_dagster_event()


def _is_of_asset(entry: EventLogEntry) -> bool:
    return entry.dagster_event_type in ASSET_EVENTS and _event_of(entry).asset_key is not None


def _is_of_check(entry: EventLogEntry) -> bool:
    return entry.dagster_event_type in ASSET_CHECK_EVENTS
