"""What the steps of a run failed with, read from its events while it still runs."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from universe_pipeline.orchestration.internals.interrupts import INTERRUPTED


def step_errors(instance: dg.DagsterInstance, run_id: str) -> list[Any]:
    """The error of each failed step (`SerializableErrorInfo`)."""
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events: list[Any] = [record.event_log_entry.dagster_event for record in found.records]
    return [event.step_failure_data.error for event in events]


def is_interrupted(instance: dg.DagsterInstance, run_id: str, errors: Iterable[Any]) -> bool:
    """Whether a run is being canceled, or a step was interrupted."""
    run = instance.get_run_by_id(run_id)
    canceling = run is not None and run.status is dg.DagsterRunStatus.CANCELING
    return canceling or any(root(error).cls_name == INTERRUPTED for error in errors if error)


def root(error: Any) -> Any:
    """The first error of a chain."""
    return error if error.cause is None else root(error.cause)
