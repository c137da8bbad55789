"""Commands from Enter to prompt, on five years of data with the database up."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.archive import SPARE, Archive
from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage

DAY_LATER = """
    UPDATE session_loads SET fetched_at = fetched_at - interval '1 day';
    UPDATE listings SET believed_from = believed_from - interval '1 day';
    UPDATE splits SET believed_from = believed_from - interval '1 day';
    UPDATE dividends SET believed_from = believed_from - interval '1 day';
    UPDATE action_verdicts SET judged_at = judged_at - interval '1 day';
    VACUUM ANALYZE session_loads, listings, splits, dividends, action_verdicts
    """
"""The archive as on the evening after: what came in within ten minutes would be judged again."""

PROGRAM = Path(sys.executable).parent / "universe"


def startup(stage: Stage, archive: Archive) -> list[Figure]:
    """Each command in turns with an interpreter that does nothing."""
    with psycopg.connect(archive.url, autocommit=True) as connection:
        for statement in DAY_LATER.split(";"):
            connection.execute(statement.encode())
    repeats = stage.scale.repeats
    spare = [str(day) for day in stage.newest(SPARE)[:repeats]]
    return [
        _timed(stage, "universe --help", [["--help"]] * repeats, 0.3),
        _timed(stage, "universe status", [["status"]] * repeats, 1.0),
        _timed(stage, "universe daily", [["daily", "--date", day] for day in spare], 1.5),
    ]


def _timed(stage: Stage, name: str, commands: Sequence[list[str]], limit: float) -> Figure:
    nothing: list[float] = []
    took: list[float] = []
    for command in commands:
        nothing.append(_seconds(stage, [sys.executable, "-c", "pass"]))
        took.append(_seconds(stage, [str(PROGRAM), *command]))
    floor, seconds = median(nothing), median(took)
    return Figure(
        "start-up", name, seconds, "s", floor, seconds / floor, "bare Python",
        Target(limit, of="value"),
    )  # fmt: skip


def _seconds(stage: Stage, command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        command, env=stage.environment(), cwd=stage.home, check=True, capture_output=True
    )
    return time.perf_counter() - started
