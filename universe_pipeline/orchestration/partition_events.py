"""Materializations of a ranged run, each recorded soon after its session is committed.

This is the one place that uses what Dagster does not document: `DagsterEvent` with batch metadata
(the way Dagster's own end-of-step events go), and the partitions that an output context will mark
at the end of a step. Tests fail when a release changes either.

Why: `context.log_event` costs about 17 ms an event, and at the end of a step Dagster marks every
requested partition as materialized, also those whose session failed.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.utils import make_new_run_id

FLUSH_SECONDS = 0.5
"""After a kill, at most so much of what is committed is not yet shown as materialized."""

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

    def __enter__(self) -> Self:
        return self

    def add(self, partition: str, metadata: Metadata) -> None:
        """One more partition is committed."""
        self._waiting.append((partition, metadata))
        if time.monotonic() - self._flushed_at > FLUSH_SECONDS:
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

    def _record(self, partitions: list[tuple[str, Metadata]]) -> None:
        batch = make_new_run_id()
        for n, (partition, metadata) in enumerate(partitions, start=1):
            time.sleep(0.001)  # of events in one millisecond the UI lists only one
            DagsterEvent.asset_materialization(
                self._context.step_context,
                dg.AssetMaterialization(
                    self._context.asset_key, partition=partition, metadata=dict(metadata)
                ),
                DagsterEventBatchMetadata(batch, is_end=n == len(partitions)),
            )
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
    now = time.time() - len(partitions) / 1000
    entries = [
        EventLogEntry(
            user_message="",
            level=logging.INFO,
            job_name=RUNLESS_JOB_NAME,
            run_id=RUNLESS_RUN_ID,
            error_info=None,
            timestamp=now + n / 1000,  # of events in one millisecond the UI lists only one
            step_key=None,
            dagster_event=DagsterEvent(
                event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
                event_specific_data=StepMaterializationData(
                    dg.AssetMaterialization(asset, partition=partition, metadata=dict(metadata))
                ),
                job_name=RUNLESS_JOB_NAME,
            ),
        )
        for n, (partition, metadata) in enumerate(partitions)
    ]
    if entries:
        instance.event_log_storage.store_event_batch(entries)
