"""A log that other processes append to is cut, and what it held is kept once, next to it."""

import subprocess
import sys
from pathlib import Path

from universe_pipeline.adapters import appended_log

LATER = "import sys; sys.stdin.read(1); sys.stderr.write('still written\\n')"


def test_a_log_over_the_bound_is_moved_away_while_its_writer_goes_on(tmp_path: Path) -> None:
    log, older = tmp_path / "services.log", tmp_path / "services.log.1"
    log.write_bytes(b"many lines\n" * 1_000_000)
    older.write_text("older still")
    with log.open("ab") as output:
        writer = subprocess.Popen(
            [sys.executable, "-c", LATER], stdin=subprocess.PIPE, stderr=output
        )

    appended_log.bound(log)
    writer.communicate(b".")

    assert log.read_text() == "still written\n"
    assert older.read_bytes() == b"many lines\n" * 1_000_000


def test_a_log_within_the_bound_is_left_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "services.log"
    log.write_bytes(b"." * appended_log.MOST_BYTES)

    appended_log.bound(log)

    assert log.stat().st_size == appended_log.MOST_BYTES
    assert list(tmp_path.iterdir()) == [log]


def test_a_log_that_is_gone_is_no_error(tmp_path: Path) -> None:
    appended_log.bound(tmp_path / "services.log")

    assert list(tmp_path.iterdir()) == []
