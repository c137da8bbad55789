"""Answers that are spoilt, cut, late or refused: asked for again, and nothing is lost."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.fault_tally import Tally
from universe_pipeline_tests.support.simulated_answers import asked_sessions

WEEK = ["2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14", "2024-03-15"]
LOAD = ("historical", "--start", WEEK[0], "--end", WEEK[-1])
STRUCK = (WEEK[1], WEEK[3])

long = pytest.mark.faults


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("429", {"retry_after": 1}),
        ("reset", {}),
        pytest.param("500", {}, marks=long),
        pytest.param("502", {}, marks=long),
        pytest.param("503", {"retry_after": 1}, marks=long),
        pytest.param("504", {}, marks=long),
        pytest.param("html_200", {}, marks=long),
        pytest.param("error_status_200", {}, marks=long),
        pytest.param("malformed_json", {}, marks=long),
        pytest.param("cut_body", {}, marks=long),
        pytest.param("gzip_garbage", {}, marks=long),
        pytest.param("results_null", {}, marks=long),
        pytest.param("wrong_session", {"days": 1}, marks=long),
        pytest.param("adjusted_true", {}, marks=long),
        pytest.param("count_mismatch", {}, marks=long),
        pytest.param("delay", {"seconds": 33}, marks=long, id="silence for longer than patience"),
    ],
)
def test_an_answer_that_is_spoilt_once_is_asked_for_again_at_once(
    tally: Callable[[str], Tally],
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    kind: Any,
    options: dict[str, Any],
) -> None:
    line = tally(kind)
    for session in STRUCK:
        vendor.faults.add(kind, endpoint="grouped", session=session, times=1, **options)

    ended = command(*LOAD)

    line.times = len(STRUCK)
    line.calls_wasted = len(asked_sessions(vendor)) - len(WEEK) - len(STRUCK)
    line.compare(connection, vendor, WEEK)
    assert ended.code == 0
    assert line.lost_or_doubled == (0, 0, 0, 0)
    assert line.calls_wasted == 0


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        pytest.param("400", 1, marks=long),
        ("404", 1),
        pytest.param("empty", 1, marks=long),
        pytest.param("huge_body", 1, marks=long),
        pytest.param("gzip_bomb", 1, marks=long),
        pytest.param("deep_json", 6, marks=long),
        pytest.param("500", 6, marks=long, id="500 to the end of patience"),
    ],
)
def test_an_answer_that_stays_spoilt_is_an_error_that_retry_makes_good(
    tally: Callable[[str], Tally],
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    kind: Any,
    tries: int,
) -> None:
    line = tally(f"{kind}, for good")
    for session in STRUCK:
        vendor.faults.add(kind, endpoint="grouped", session=session, times=tries)
    failed = command(*LOAD)
    asked = vendor.count("grouped")

    retried = command("retry")

    line.times = len(STRUCK)
    line.calls_wasted = asked - (len(WEEK) - len(STRUCK)) - tries * len(STRUCK)
    line.calls_wasted += len(asked_sessions(vendor, asked)) - len(STRUCK)
    line.compare(connection, vendor, WEEK)
    assert (failed.code, retried.code) == (1, 0)
    assert line.lost_or_doubled == (0, 0, 0, 0)
    assert line.calls_wasted == 0
