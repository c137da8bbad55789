"""Interrupts that arrive where no code can handle them."""

import subprocess
import sys
import time

import pytest
from dagster import DagsterExecutionInterruptedError

from universe_pipeline.orchestration.internals.interrupts import exit_on_second_signal


class Finalizer:
    """Is interrupted while it is taken apart."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, DagsterExecutionInterruptedError])
def test_an_interrupt_that_is_ignored_comes_again(
    error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    with exit_on_second_signal():
        Finalizer(error)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)

    assert capsys.readouterr().err == ""


def test_an_interrupt_that_is_ignored_at_the_end_still_comes() -> None:
    with pytest.raises(KeyboardInterrupt), exit_on_second_signal():
        Finalizer(KeyboardInterrupt)


_LATE = """
import signal, time
from universe_pipeline.orchestration.internals.interrupts import ONE_SIGNAL, exit_on_second_signal
from universe_pipeline_tests.orchestration.internals.test_interrupts import Finalizer
with exit_on_second_signal():
    signal.signal(signal.SIGINT, lambda *_: time.sleep(2 * ONE_SIGNAL))
    signal.raise_signal(signal.SIGINT)
    Finalizer(KeyboardInterrupt)
    time.sleep(ONE_SIGNAL)
"""


def test_an_interrupt_that_is_ignored_late_is_no_second_one() -> None:
    """A second one would end the process at once."""
    ended = subprocess.run([sys.executable, "-c", _LATE], capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_other_errors_that_are_ignored_are_reported_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[type[BaseException]] = []

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        shown.append(ignored.exc_type)

    monkeypatch.setattr(sys, "unraisablehook", hook)

    with exit_on_second_signal():
        Finalizer(ArithmeticError)

    assert shown == [ArithmeticError]
