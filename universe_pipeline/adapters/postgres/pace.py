"""One pace for every process that shares the database, on the database's clock.

`request_slots` has as many rows as requests may be sent in a minute. A request takes the row that
is due first and sets it one minute ahead: whatever minute one looks at, no row was used twice in
it. The caller sleeps outside any transaction.
"""

import time
from concurrent.futures import CancelledError
from threading import Event, Lock
from typing import LiteralString

import psycopg

from universe_pipeline.adapters.postgres.connection import Database

MINUTE = 60.5
"""Seconds until a slot is used again; the half second covers what sending delays differ by."""

_TAKE = """
    UPDATE request_slots SET due = greatest(due, clock_timestamp()) + make_interval(secs => %s)
    WHERE slot = (
        SELECT slot FROM request_slots WHERE slot < %s
        ORDER BY due, slot LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING extract(epoch FROM due - make_interval(secs => %s) - clock_timestamp())
    """


class SharedPace:
    """At most `per_minute` requests in any minute, over all processes; 0 = unpaced.

    Thread-safe. It keeps one connection, and opens it again when the database was restarted.
    """

    def __init__(self, database: Database, per_minute: int) -> None:
        self._database, self._per_minute = database, per_minute
        self._connection: psycopg.Connection | None = None
        self._lock = Lock()
        self._not_before = 0.0
        self._closed = Event()

    def wait(self) -> None:
        """Return when one request may be sent.

        Raises:
            CancelledError: the pace was closed; nothing more is to be sent.
        """
        seconds = self._take() if self._per_minute else 0.0
        due = time.monotonic() + seconds  # read after the turn was given: never too early
        while (pause := max(due, self._not_before) - time.monotonic()) > 0:
            if self._closed.wait(pause):
                raise CancelledError

    def back_off(self, seconds: float) -> None:
        """The vendor said 429: nobody sends for that long."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)
        if self._per_minute:
            with self._lock:
                self._execute(
                    "UPDATE request_slots"
                    " SET due = greatest(due, clock_timestamp() + make_interval(secs => %s))",
                    (seconds,),
                )

    def close(self) -> None:
        """Wake whoever waits, and give the connection back."""
        self._closed.set()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _take(self) -> float:
        with self._lock:
            while True:
                row = self._execute(_TAKE, (MINUTE, self._per_minute, MINUTE)).fetchone()
                if row is not None:
                    return float(row[0])
                time.sleep(0.01)  # every slot is being taken by somebody else at this instant

    def _execute(self, query: LiteralString, given: tuple[object, ...]) -> psycopg.Cursor:
        try:
            return self._ready().execute(query, given)
        except psycopg.OperationalError:  # only its use shows that a connection is lost
            return self._ready().execute(query, given)

    def _ready(self) -> psycopg.Connection:
        if self._closed.is_set():
            raise CancelledError
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = self._database.open()
            self._connection.execute(
                "INSERT INTO request_slots SELECT n, '-infinity' FROM generate_series(0, %s - 1) n"
                " ON CONFLICT DO NOTHING",
                (self._per_minute,),
            )
        return self._connection
