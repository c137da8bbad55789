"""Tags of runs by which the product finds them again."""

JOB_TAG = "universe/job"
"""The load job that a run works for, as `universe status` shows it."""


def lock_of(run_id: str) -> str:
    """What the process of a run holds for as long as it lives."""
    return f"run {run_id}"
