"""Folders, arguments and pipes that are not as usual: everything works, or one line says why."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from universe_pipeline_tests.support.command_in_process import Command

PROGRAM = str(Path(sys.executable).parent / "universe")


@pytest.mark.parametrize("name", ["[x] %d", "a 'b\"$c*?", "new\nline"])
def test_a_folder_of_any_name_holds_dagsters_records(
    command: Command, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name

    ended = command(
        *("historical", "--start", "2024-06-24", "--end", "2024-06-25"), UNIVERSE_HOME=str(folder)
    )

    assert ended.code == 0
    assert "2 of 2 sessions loaded" in ended.out
    assert not list((folder / "dagster").rglob("*.db"))  # else Dagster has not read its file
    report = command("report", "--output", str(folder / name), UNIVERSE_HOME=str(folder))
    assert (report.code, report.out.count("\n")) == (0, 1)


@pytest.mark.parametrize("variable", ["UNIVERSE_HOME", "DAGSTER_HOME"])
def test_a_home_that_is_not_utf8_is_refused_as_a_setting(command: Command, variable: str) -> None:
    ended = command("status", **{variable: "/tmp/x\udcff"})  # noqa: S108  # never made

    assert ended.code == 2
    assert f"{variable}='/tmp/x\\udcff'" in ended.err
    assert ended.err.isascii()


@pytest.mark.parametrize(
    "words",
    [
        ("clear-checkpoint", "a\x1b[31m\nb\udcff"),
        ("resume", "a\x1b[31m\nb\udcff"),
        ("approve", "a\x1b[31m\udcff", "--reason", "x"),
        ("--x\x1b[31m\n\udcff",),
        ("historical", "--start", "2024\x1b[31m\n"),
        ("repair", "--symbols", "a\udcff", "--start", "2024-01-02", "--end", "2024-01-03"),
        ("backup", "no\x1b[31m\nwhere\udcff/x"),
    ],
)
def test_an_argument_is_shown_as_visible_characters_on_one_line(
    command: Command, words: tuple[str, ...]
) -> None:
    ended = command(*words)

    assert ended.code == 2
    assert (ended.err.count("\n"), ended.err[:-1].isprintable()) == (1, True)


def run_in_shell(line: str, environment: dict[str, str], folder: Path) -> str:
    ran = subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout


@pytest.mark.parametrize("words", ["status", "status --json", "errors"])
def test_a_reader_that_goes_ends_a_command_quietly(
    environment: dict[str, str], tmp_path: Path, words: str
) -> None:
    # The reader is gone before the command begins.
    line = f"exec 3> >(:); sleep 0.2; {PROGRAM} {words} >&3 2>said; echo $?; cat said"

    said = run_in_shell(line, environment, tmp_path)

    assert said == f"{128 + signal.SIGPIPE}\n"


def test_a_load_whose_output_nobody_reads_is_recorded_as_done(
    environment: dict[str, str], tmp_path: Path
) -> None:
    load = f"{PROGRAM} historical --start 2024-06-24 --end 2024-06-25"

    ended = run_in_shell(
        f"exec 3> >(:); sleep 0.2; {load} >&3 2>&3; echo $?", environment, tmp_path
    )

    assert ended == f"{128 + signal.SIGPIPE}\n"
    status = run_in_shell(f"{PROGRAM} status", environment, tmp_path)
    assert "completed" in status


@pytest.mark.parametrize("closed", [">&- 2>&-", ">&3 2>&3"])
def test_ctrl_c_with_closed_pipes_ends_with_130(
    environment: dict[str, str], tmp_path: Path, closed: str
) -> None:
    load = f"{PROGRAM} historical --start 2024-01-02 --end 2024-06-28 {closed}"
    line = f"exec 3> >(:); sleep 0.2; set -m; {load} & sleep 6; kill -INT $!; wait $!; echo $?"

    ended = run_in_shell(line, {**environment, "POLYGON_RATE_LIMIT": "5"}, tmp_path)

    assert ended.strip() == "130"
