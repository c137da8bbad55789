"""Progress: bars that move on a terminal while Dagster records a step, few lines elsewhere."""

import io
import os
import pty
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.cli.progress import Lines, progress_on
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.pseudo_terminal import COLUMNS, OnTerminal

PROGRAM = str(Path(sys.executable).parent / "universe")

A_MONTH = ("historical", "--start", "2024-03-01", "--end", "2024-03-28", "--concurrency", "1")
"""Twenty sessions, one after the other."""

Launch = Callable[..., OnTerminal]


@pytest.fixture
def launch(environment: dict[str, str], tmp_path: Path) -> Launch:
    """Start `universe` with arguments, and variables on top, on a pseudo-terminal."""

    def start(*arguments: str, **variables: str) -> OnTerminal:
        return OnTerminal([PROGRAM, *arguments], {**environment, **variables}, tmp_path)

    return start


@pytest.fixture
def slow(vendor: SimulatedVendor) -> None:
    """A vendor that takes a moment for every answer."""
    vendor.faults.add("delay", endpoint="tickers", seconds=0.6)
    vendor.faults.add("delay", endpoint="grouped", seconds=0.2)


@pytest.mark.usefixtures("slow")
def test_counts_appear_long_before_the_end_and_the_bars_are_gone_at_the_end(launch: Launch) -> None:
    with launch(*A_MONTH) as terminal:
        assert terminal.to_its_end() == 0

    counts = {
        int(found[1]): seen.at
        for seen in reversed(terminal.seen)
        if (found := re.search(r"sessions .* (\d+) of 20 ", seen.text))
    }
    assert len(counts) >= 8
    end = terminal.seen[-1].at
    first, middle = (min(at for n, at in counts.items() if n >= least) for least in (1, 10))
    assert end - first > 2
    assert end - middle > 1
    assert any("universe ━" in seen.text and " 0:00:0" in seen.text for seen in terminal.seen)
    assert "━" not in terminal.screen.text
    assert terminal.screen.cursor_shows
    assert "20 of 20 sessions loaded" in terminal.screen.text


@pytest.mark.usefixtures("slow")
def test_the_clock_of_a_bar_stops_with_its_activity(launch: Launch) -> None:
    with launch(*A_MONTH) as terminal:
        terminal.to_its_end()

    later = [
        seen.text for seen in terminal.seen if re.search(r"sessions .* [1-9]\d* of", seen.text)
    ]
    clocks = {found[1] for text in later if (found := re.search(r"universe .*(0:\d\d:\d\d)", text))}
    assert len(clocks) == 1
    running = {
        found[1] for text in later if (found := re.search(r"sessions .*? (0:\d\d:\d\d)", text))
    }
    assert len(running) >= 3


@pytest.mark.usefixtures("slow")
def test_ctrl_c_removes_the_bars_and_leaves_one_line(launch: Launch) -> None:
    with launch(*A_MONTH) as terminal:
        terminal.until(lambda text: " 2 of 20 " in text)
        terminal.press("\x03")
        assert terminal.to_its_end() == 130

    shown = terminal.screen.text
    assert "Traceback" not in shown
    assert "━" not in shown
    assert "universe: interrupted; what is committed is kept, the same command goes on" in shown
    assert terminal.screen.cursor_shows


@pytest.mark.usefixtures("slow")
def test_log_lines_stand_above_the_bars_and_do_not_tear_them(launch: Launch) -> None:
    with launch(*A_MONTH, LOG_LEVEL="DEBUG") as terminal:
        assert terminal.to_its_end() == 0

    lines = terminal.screen.text.splitlines()
    assert sum("DEBUG GET" in line for line in lines) >= 20
    assert not [line for line in lines if "━" in line]
    assert not [
        line
        for seen in terminal.seen
        for line in seen.text.splitlines()
        if "━" in line and ("DEBUG" in line or len(line) > COLUMNS)
    ]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("columns", [50, 200])
def test_a_terminal_may_be_resized(launch: Launch, columns: int) -> None:
    with launch(*A_MONTH) as terminal:
        terminal.until(lambda text: " 2 of 20 " in text)
        terminal.resize(columns)
        terminal.until(lambda text: " 5 of 20 " in text)
        drawn = len(terminal.seen)
        assert terminal.to_its_end() == 0

    last = [line for seen in terminal.seen[drawn:] for line in seen.text.splitlines()]
    bars = [line for line in last if line.startswith("sessions ━")]
    assert bars
    assert max(map(len, bars)) <= columns
    assert "20 of 20 sessions loaded" in terminal.screen.text


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1", "TERM": "xterm"}])
def test_nothing_of_bars_goes_to_a_pipe(universe: Universe, variables: dict[str, str]) -> None:
    ended = universe(*A_MONTH, env=variables)

    assert ended.returncode == 0
    assert "\x1b" not in ended.stderr + ended.stdout
    assert "━" not in ended.stderr
    assert [line.split()[:3] for line in ended.stderr.splitlines()] == [["20", "sessions", "to"]]


def test_backup_restore_verify_and_report_show_progress(
    launch: Launch, universe: Universe, empty_database: Database, tmp_path: Path
) -> None:
    assert universe(*A_MONTH).returncode == 0
    commands = {
        ("backup", "universe.dump"): "MB saved ",
        ("restore", "universe.dump"): "MB restored ",
        ("report",): "report ",
        ("verify",): "verified ",
    }

    for command, shown in commands.items():
        there = {"UNIVERSE_DATABASE_URL": empty_database.url} if command[0] == "restore" else {}
        with launch(*command, **there) as terminal:
            assert terminal.to_its_end() == 0
        assert any(shown in seen.text and "━" in seen.text for seen in terminal.seen), command
        assert "━" not in terminal.screen.text
    assert (tmp_path / "report.html").exists()


def open_descriptors() -> list[str]:
    """The process's, but for that of the folder itself."""
    return sorted(each.name for each in Path("/proc/self/fd").iterdir() if each.exists())


def test_bars_are_drawn_on_a_copy_that_is_closed_again() -> None:
    ours, theirs = pty.openpty()
    before = open_descriptors()
    with open(theirs, "w", closefd=False) as stderr:
        is_ours = os.fstat(theirs).st_rdev

        with progress_on(stderr):
            report(Step("sessions", 1, 2))
            assert os.fstat(theirs).st_rdev != is_ours  # what others write appears nowhere
            seen = ""
            while "1 of 2" not in seen:  # drawn some times a second
                seen += os.read(ours, 65_536).decode(errors="replace")

        assert os.fstat(theirs).st_rdev == is_ours
    assert open_descriptors() == before
    os.close(ours)
    os.close(theirs)


def test_a_terminal_that_goes_away_ends_no_load() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", closefd=False) as stderr, progress_on(stderr):
        report(Step("sessions", 1, 3))
        os.close(ours)
        report(Step("sessions", 2, 3))
        report(Step("splits", 0, None))
    os.close(theirs)


class TestLines:
    """What a log file gets."""

    def lines(self, steps: Sequence[tuple[float, Step]]) -> list[str]:
        """Those that are written, of steps at some seconds."""
        written, clock = io.StringIO(), iter([at for at, _ in steps])
        lines = Lines(written, now=lambda: next(clock))
        for _, step in steps:
            lines.take(step)
        return written.getvalue().splitlines()

    def test_a_short_load_writes_none(self) -> None:
        assert self.lines([(n, Step("sessions", n, 59)) for n in range(60)]) == []

    def test_a_paced_load_writes_ever_fewer_and_is_never_silent_for_long(self) -> None:
        # Twelve seconds a session, an hour and a half.
        steps = [(12.0 * n, Step("sessions", n, 450, f"day {n}")) for n in range(451)]

        written = self.lines(steps)

        assert written[0] == "sessions: 5 of 450 after 0:01:00, about 1:29:00 left (day 5)"
        minutes = [
            int(h) * 60 + int(m) for h, m in re.findall(r"after (\d):(\d\d)", "\n".join(written))
        ]
        assert minutes == [1, 2, 4, 8, 16, 26, 36, 46, 56, 66, 76, 86]

    def test_each_activity_counts_by_itself_and_may_have_no_total(self) -> None:
        steps = [(0, Step("universe", 0, None)), (61, Step("universe", 5_000, None)),
                 (62, Step("sessions", 0, 2)), (63, Step("sessions", 1, 2))]  # fmt: skip

        assert self.lines(steps) == ["universe: 5,000 after 0:01:01"]
