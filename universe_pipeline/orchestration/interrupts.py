"""Ctrl-C, SIGTERM and "terminate" in the UI: what is in hand is finished first.

Dagster's own capture of signals is internal; a test fails when a release changes it.
"""

from collections.abc import Callable
from typing import TypeVar

from dagster import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

Result = TypeVar("Result")

INTERRUPTED = DagsterExecutionInterruptedError.__name__


def in_hand(work: Callable[[], Result]) -> tuple[Result, bool]:
    """Do `work` to its end whatever signal comes; also whether one came."""
    with capture_interrupts():
        result = work()
        return result, check_captured_interrupt()


def interrupted() -> DagsterExecutionInterruptedError:
    """What to raise once the work in hand is done."""
    return DagsterExecutionInterruptedError()
