"""A full disk under stdout or stderr: what was done counts, the exit code says what was lost."""

import subprocess
from pathlib import Path

import pytest

from universe_pipeline_tests.cli.test_environment import DAY
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.serving import PROGRAM

LOAD = ("historical", "--start", DAY, "--end", DAY)
LOST = "universe: the result cannot be written: No space left on device"


def full(
    environment: dict[str, str], *arguments: str, stream: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command whose `stream` is a device that is always full."""
    with Path("/dev/full").open("w") as nowhere:
        return subprocess.run(
            [PROGRAM, *arguments],
            env=environment,
            stdout=nowhere if stream == "stdout" else subprocess.PIPE,
            stderr=nowhere if stream == "stderr" else subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )


def test_a_load_whose_results_are_lost_is_recorded_as_finished(
    universe: Universe, environment: dict[str, str]
) -> None:
    ended = full(environment, *LOAD, stream="stdout")

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == LOST
    assert "completed" in universe("status").stdout


def test_a_load_whose_progress_is_lost_goes_on(
    universe: Universe, environment: dict[str, str]
) -> None:
    ended = full(environment | {"LOG_LEVEL": "DEBUG"}, *LOAD, stream="stderr")

    assert ended.returncode == 0
    assert f"historical_load_{DAY}_{DAY}: 1 of 1 sessions loaded" in ended.stdout
    assert "completed" in universe("status").stdout


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("--version",)])
def test_a_result_that_is_lost_is_said_once(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    ended = full(environment, *command, stream="stdout")

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "No space left on device" in line


def test_wrong_usage_keeps_its_exit_code(environment: dict[str, str]) -> None:
    assert full(environment, "status", "nonsense", stream="stderr").returncode == 2
