"""A load that is disturbed, and gone on with until it is done."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.simulated_answers import asked_sessions

PROGRAM = Path(sys.executable).parent / "universe"

_NO_SESSIONS = (date(2024, 1, 15), date(2024, 2, 19))
"""Martin Luther King's and Presidents' day."""

_DAYS = (date(2024, 1, 2) + timedelta(days=n) for n in range(86))

SIXTY = [f"{day}" for day in _DAYS if day.weekday() < 5 and day not in _NO_SESSIONS]  # Saturday
"""The sixty sessions from 2024-01-02 to 2024-03-27."""

LOAD = ("historical", "--start", SIXTY[0], "--end", SIXTY[-1])


@dataclass(frozen=True, slots=True)
class User:
    """A user at a terminal: an environment and a working folder."""

    environment: Mapping[str, str]
    folder: Path

    @contextmanager
    def started(self, *arguments: str) -> Generator[subprocess.Popen[str]]:
        """`universe` as a process of its own, which is gone at the end of the block."""
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            env=dict(self.environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, *arguments: str) -> tuple[int, str]:
        """Its exit code, and what it said on stderr."""
        with self.started(*arguments) as process:
            said = process.communicate(timeout=300)[1]
            return process.returncode, said

    def disturbed(
        self, number: signal.Signals, moment: "Moment", *arguments: str
    ) -> tuple[int, str] | None:
        """Send a signal at a moment; as `run`, None where it was done before."""
        with self.started(*arguments) as process:
            if not moment.comes(process):
                return None
            process.send_signal(number)
            said = process.communicate(timeout=120)[1]
            return process.returncode, said


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after so many sessions have been asked for; as good on any machine."""

    vendor: SimulatedVendor
    requests: int
    seconds: float

    def comes(self, process: subprocess.Popen[str]) -> bool:
        """Await it; false where the process ends before."""
        after = self.vendor.count("grouped") + self.requests
        while self.vendor.count("grouped") < after:
            if process.poll() is not None:
                return False
            time.sleep(0.002)
        try:
            process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            return True
        return False


def loaded(connection: psycopg.Connection) -> set[str]:
    """The sessions that are committed."""
    rows = connection.execute("SELECT date::text FROM session_loads WHERE status = 'loaded'")
    return {row[0] for row in rows}


def await_loaded(connection: psycopg.Connection, count: int) -> None:
    """Return once so many sessions are committed."""
    deadline = time.monotonic() + 120
    while len(loaded(connection)) < count:
        assert time.monotonic() < deadline, f"never came to {count} loaded sessions"
        time.sleep(0.02)


def asked_again(vendor: SimulatedVendor, since: int) -> int:
    """Requests for sessions beyond the first one for each, the first `since` left out."""
    return sum(times - 1 for times in Counter(asked_sessions(vendor, since)).values())
