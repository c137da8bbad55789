"""Interrupts that come where nobody can take them."""

import sys
import time

import pytest
from dagster import DagsterExecutionInterruptedError

from universe_pipeline.orchestration.interrupts import told_again_when_ignored


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
    with told_again_when_ignored():
        Finalizer(error)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)

    assert capsys.readouterr().err == ""


def test_other_errors_that_are_ignored_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException]] = []

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        told.append(ignored.exc_type)

    monkeypatch.setattr(sys, "unraisablehook", hook)

    with told_again_when_ignored():
        Finalizer(ArithmeticError)

    assert told == [ArithmeticError]
