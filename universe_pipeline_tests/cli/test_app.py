"""What the whole command line has in common: exit codes, one clear line, no secret."""

import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command


@pytest.mark.parametrize(
    "arguments",
    [("discover",), ("historical", "--start", "2024-03-11", "--end", "2024-03-15"), ("daily",)],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_key_is_reported_once_and_nothing_is_half_written(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    arguments: tuple[str, ...],
) -> None:
    vendor.faults.add("401_unknown_key")

    ended = command(*arguments, UNIVERSE_CONCURRENCY="1")

    assert ended.code == 1
    said = [line for line in ended.err.splitlines() if "to fetch" not in line]
    way_on = (
        "run the same command again" if arguments == ("discover",) else "`universe resume` goes on"
    )
    assert said == [
        "the vendor does not accept the key, check POLYGON_API_KEY: Unknown API Key [unauthorized]",
        f"next: mend the key or the plan, then {way_on}",
    ]
    assert vendor.count("grouped") <= 1
    loaded: LiteralString = "SELECT count(*) FROM session_loads WHERE status <> 'failed'"
    for query in (loaded, "SELECT count(*) FROM symbols", "SELECT count(*) FROM daily_bars"):
        assert connection.execute(query).fetchone() == (0,)


def test_several_wrong_settings_are_reported_at_once_by_a_real_process(universe: Universe) -> None:
    ended = universe(
        "status", env={"POLYGON_RATE_LIMIT": "fast", "LOG_LEVEL": "loud", "UNIVERSE_TYPES": ","}
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = sorted(ended.stderr.splitlines())
    assert [line.partition("=")[0] for line in lines] == [
        "universe: LOG_LEVEL",
        "universe: POLYGON_RATE_LIMIT",
        "universe: UNIVERSE_TYPES",
    ]
    assert "'fast'" in lines[1]


def test_debug_shows_each_request_on_stderr_without_the_key(universe: Universe) -> None:
    ended = universe("discover", env={"LOG_LEVEL": "DEBUG"})

    assert ended.returncode == 0
    assert "GET /v3/reference/tickers?" in ended.stderr
    assert "key-of-tests" not in ended.stderr + ended.stdout
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "status --json", "url", "--help"])
def test_a_result_that_finds_no_room_is_one_line(
    environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    ended = redirected(f"{command} >/dev/full", environment, tmp_path)

    assert ended.returncode == 1
    assert ended.stderr == ("universe: the result cannot be written: No space left on device\n")


def test_without_stdout_a_command_does_its_work(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for command in ("status", "status --json", "discover"):
        ended = redirected(f"{command} >&-", environment, tmp_path)
        assert (ended.returncode, "Error" in ended.stderr) == (0, False)


def redirected(
    command: str, environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """A command of `universe` by the shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f"{Path(sys.executable).parent}/universe {command}"],
        env=environment,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_help_needs_no_setting(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "universe", "historical", "--help"],
        env={"LOG_LEVEL": "loud"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "--start" in done.stdout
