"""Whether Dagster's daemons live, as its own `dagster-daemon liveness-check` judges."""

import os

import dagster as dg
from dagster._daemon.controller import (
    DEFAULT_DAEMON_HEARTBEAT_TOLERANCE_SECONDS,
    all_daemons_live,
)

TOLERANCE = "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"
"""Dagster's own variable: how many seconds a heartbeat may be late."""


def daemons_live(instance: dg.DagsterInstance) -> bool:
    """Whether the heartbeats of all daemons that the instance needs are fresh."""
    seconds = os.environ.get(TOLERANCE) or DEFAULT_DAEMON_HEARTBEAT_TOLERANCE_SECONDS
    return all_daemons_live(instance, heartbeat_tolerance_seconds=float(seconds))
