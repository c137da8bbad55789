"""Names by which the product finds runs again."""

import dagster as dg

from universe_pipeline.orchestration.internals.names import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

DAILY_UPDATE = "daily_update"
"""The job whose requests go before all others."""

HISTORICAL_LOAD = "historical_load"
"""The job that loads a range of sessions."""

ERROR_RETRY = "error_retry"
"""The job that asks again for sessions."""

SYMBOL_REPAIR = "symbol_repair"
"""The job that loads chosen symbols."""

VERIFICATION = "verification"
"""The job that judges what is loaded, and loads nothing."""

JOB_TAG = "universe/job"
"""The load job that a run works for, as `universe status` shows it."""

COMMAND_TAG = "universe/command_line"
"""Marks runs whose process holds their lock before they are there."""

WAITING = frozenset({COMMAND_TAG, SCHEDULE_NAME_TAG, SENSOR_NAME_TAG})
"""Tags of runs that may find a session unpublished: what launched them asks for it again."""


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether a command executes the run; one that the UI executes again inherits its tags."""
    return COMMAND_TAG in run.tags and run.parent_run_id is None


def lock_of(run_id: str) -> str:
    """What the process of a run holds for as long as it lives."""
    return f"run {run_id}"
