"""The database's clock: the one by which all machines' moments are compared.

When a request was made, a list taken, a job begun: each machine stamps it with the database's time,
so that a machine whose own clock is wrong neither overtakes the others nor stays behind them. The
time is asked for once, and then counted on by the machine's monotonic clock: reading it costs no
round trip.
"""

import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseError

logger = logging.getLogger("universe_pipeline.clock")

MOST_OFF = timedelta(minutes=1)
"""A machine whose own clock is off by more is warned of."""

MOST_DRIFT = 5.0
"""Seconds by which wall and monotonic clock may part until the time is asked for again.

They part when the wall clock is set, and when the machine sleeps: the monotonic one then stands.
"""


def database_time(connection: psycopg.Connection) -> datetime:
    """The database's time at this moment, not that of a transaction's begin."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return row[0]


class Clock:
    """A database's clock, as this process knows it. Any thread may read it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._at: datetime | None = None
        self._mark = 0.0
        self._apart = 0.0
        self._warned_of = timedelta()

    def __call__(self) -> datetime:
        """The database's time now (UTC).

        Raises:
            DatabaseUnreachableError: it was never asked for, and cannot be.
        """
        with self._lock:
            if self._at is None:
                self._ask()
            elif abs(_apart() - self._apart) > MOST_DRIFT:
                with suppress(DatabaseError):  # what is known is better than none
                    self._ask()
            return self._read()

    def measure(self, connection: psycopg.Connection) -> datetime:
        """Ask for the time; warn once where this machine's clock is off by more than a minute."""
        with self._lock:
            self._measure(connection)
            return self._read()

    def _ask(self) -> None:
        self._apart = _apart()  # also where the database cannot be reached: not for every reading
        with self._database.connect() as connection:
            self._measure(connection)

    def _measure(self, connection: psycopg.Connection) -> None:
        sent = time.monotonic()
        at = database_time(connection).astimezone(UTC)
        self._mark, self._at = (sent + time.monotonic()) / 2, at
        self._apart = _apart()
        ahead = datetime.now(UTC) - self._read()
        _errors[:] = [ahead]
        self._warn(ahead)

    def _read(self) -> datetime:
        assert self._at is not None  # noqa: S101 - every way here has measured
        return self._at + timedelta(seconds=time.monotonic() - self._mark)

    def _warn(self, ahead: timedelta) -> None:
        if abs(ahead) <= MOST_OFF or abs(ahead - self._warned_of) <= MOST_OFF:
            return
        self._warned_of = ahead
        logger.warning(
            "this machine's clock is %s the clock of the database %s, whose time is used; "
            "set this machine's, for example with `timedatectl set-ntp true`",
            off(ahead),
            self._database.address,
        )


def _apart() -> float:
    return time.time() - time.monotonic()


_errors: list[timedelta] = [timedelta()]


def ahead() -> timedelta:
    """How far this machine's clock is ahead of the database that was last asked; zero if none was.

    For what is stamped by the machine's clock, and cannot be otherwise.
    """
    return _errors[-1]


def error() -> timedelta:
    """As `ahead`, but zero where the clock is off by no more than a minute."""
    return ahead() if abs(ahead()) > MOST_OFF else timedelta()


def off(ahead: timedelta) -> str:
    """How far a clock is off, like "2 d 3 h ahead of" or "10 min behind"."""
    return f"{_shown(abs(ahead))} {'ahead of' if ahead > timedelta() else 'behind'}"


def _shown(duration: timedelta) -> str:
    """A duration in its two largest units, like "2 d 3 h" or "10 min 4 s"."""
    seconds = round(duration.total_seconds())
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3_600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = parts[first : first + 2]
    return " ".join(f"{count} {unit}" for count, unit in shown if count) or "0 s"
