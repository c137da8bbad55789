"""Names by which the product finds runs again."""

DAILY_UPDATE = "daily_update"
"""The job whose requests go before all others."""

VERIFICATION = "verification"
"""The job that judges what is loaded, and loads nothing."""

JOB_TAG = "universe/job"
"""The load job that a run works for, as `universe status` shows it."""

COMMAND_TAG = "universe/command_line"
"""Marks runs whose process holds their lock before they are there."""


def lock_of(run_id: str) -> str:
    """What the process of a run holds for as long as it lives."""
    return f"run {run_id}"
