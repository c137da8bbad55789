"""The daemon's loops come round more often than Dagster's constant says."""

import importlib
import sys
from typing import Any

import pytest

from universe_pipeline.orchestration.internals import daemon_interval

CONTROLLER = "dagster._daemon.controller"
CONSTANT = "DEFAULT_DAEMON_INTERVAL_SECONDS"


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Dagster's module, with its own constant again after the test."""
    module: Any = importlib.import_module(CONTROLLER)
    monkeypatch.setattr(module, CONSTANT, module.DEFAULT_DAEMON_INTERVAL_SECONDS)
    return module


def test_the_loop_of_backfills_reads_the_constant_when_it_begins() -> None:
    """Where a release does not, this module is to be thought over."""
    backfill: Any = importlib.import_module("dagster._daemon.backfill")

    assert CONSTANT in backfill.execute_backfill_iteration_loop.__code__.co_names


def test_in_the_daemons_process_the_constant_is_shortened(controller: Any) -> None:
    daemon_interval.shorten()

    assert controller.DEFAULT_DAEMON_INTERVAL_SECONDS == 3


def test_elsewhere_nothing_of_the_daemon_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, CONTROLLER, raising=False)

    daemon_interval.shorten()

    assert CONTROLLER not in sys.modules
