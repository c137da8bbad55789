"""Materializations of a ranged run, each recorded soon after its session is committed.

This is the one place that uses what Dagster does not document: the entries of its event log (made
as Dagster makes those of a step, and stored in batches), and the partitions that an output context
will mark at the end of a step. Tests fail when a release changes either.

Why: `context.log_event` costs about 17 ms an event, and at the end of a step Dagster marks every
requested partition as materialized, also those whose session failed. A step's own events are of the
moment in which they are made, and of all events in one millisecond the UI lists only one.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

FLUSH_SECONDS = 0.5
"""After a kill, at most so much of what is committed is not yet shown as materialized."""

MOST_WAITING = 250
"""Partitions that wait to be recorded: of years that are covered at once all would take 20 MB."""

Metadata = Mapping[str, Any]


class PartitionEvents:
    """Collects the partitions that an output has committed and records them in batches.

    The last one is left to Dagster's own event at the end of the step, so that every committed
    partition gets exactly one event, and no other partition gets any.
    """

    def __init__(self, context: dg.OutputContext) -> None:
        self._context = context
        self._waiting: list[tuple[str, Metadata]] = []
        self._flushed_at = time.monotonic()
        self._newest = 0.0

    def __enter__(self) -> Self:
        return self

    def add(self, partition: str, metadata: Metadata) -> None:
        """One more partition is committed."""
        self._waiting.append((partition, metadata))
        late = time.monotonic() - self._flushed_at > FLUSH_SECONDS
        if late or len(self._waiting) > MOST_WAITING:
            self._record(self._waiting[:-1])
            self._waiting = self._waiting[-1:]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._record(self._waiting)
            return
        self._record(self._waiting[:-1])
        self._leave_to_dagster(self._waiting[-1:])

    def _record(self, partitions: Sequence[tuple[str, Metadata]]) -> None:
        step = self._context.step_context
        entries = _entries(self._context.asset_key, partitions, self._newest, step)
        if entries:
            self._newest = entries[-1].timestamp
            step.instance.event_log_storage.store_event_batch(entries)
        self._flushed_at = time.monotonic()

    def _leave_to_dagster(self, last: list[tuple[str, Metadata]]) -> None:
        context: Any = self._context  # the attributes below are private
        if not last:
            context._asset_key = None  # noqa: SLF001  # nothing was committed: no event at all
            return
        partition, metadata = last[0]
        subset = context.asset_partitions_def.subset_with_partition_keys([partition])
        context._asset_partitions_subset = subset  # noqa: SLF001  # the rest is recorded already
        context.add_output_metadata(metadata)


def record_without_run(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    partitions: Sequence[tuple[str, Metadata]],
) -> None:
    """Record partitions as materialized at once, as belonging to no run."""
    entries = _entries(asset, partitions)
    if entries:
        instance.event_log_storage.store_event_batch(entries)


def _entries(
    asset: dg.AssetKey,
    partitions: Sequence[tuple[str, Metadata]],
    after: float = 0.0,
    step: StepExecutionContext | None = None,
) -> list[EventLogEntry]:
    """A materialization of each partition, in a millisecond of its own: the UI lists one of each.

    The last one is of now; later than now might be later than what happens next.
    """
    first = max(after + 0.001, time.time() - len(partitions) / 1000)
    return [
        _entry(
            dg.AssetMaterialization(asset, partition=partition, metadata=dict(metadata)),
            first + n / 1000,
            step,
        )
        for n, (partition, metadata) in enumerate(partitions)
    ]


def _entry(
    materialization: dg.AssetMaterialization, timestamp: float, step: StepExecutionContext | None
) -> EventLogEntry:
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
        event_specific_data=StepMaterializationData(materialization),
        job_name=step.job_name if step else RUNLESS_JOB_NAME,
        step_handle=step.step.handle if step else None,
        node_handle=step.node_handle if step else None,
        step_kind_value=step.step.kind.value if step else None,
        logging_tags=step.event_tags if step else None,
        message="Materialized value." if step else None,
        pid=os.getpid() if step else None,
    )
    return EventLogEntry(
        user_message=event.message or "",
        level=logging.DEBUG if step else logging.INFO,
        job_name=event.job_name,
        run_id=step.run_id if step else RUNLESS_RUN_ID,
        error_info=None,
        timestamp=timestamp,
        step_key=event.step_key,
        dagster_event=event,
    )
