"""Reads of one moment each, on connections that all threads of a process share."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import psycopg

from universe_pipeline.adapters.postgres.connecting.obstacles import in_one_line
from universe_pipeline.adapters.postgres.connection import Database

_PREPARE = (
    # A read takes less time than compiling it, and than putting together what workers packed.
    "SET jit = off; SET max_parallel_workers_per_gather = 0;"
    # Planning a symbol's history again, over all quarters, takes longer than reading it.
    "SET plan_cache_mode = force_generic_plan"
)
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
MOST_KEPT = 4
"""Connections that stay open; more are opened while more threads read."""


class Snapshots:
    """Transactions that read one moment of `database`. Any thread may take one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._idle: list[psycopg.Connection] = []
        self._is_closed = False

    @contextmanager
    def snapshot(self) -> Generator[psycopg.Connection]:
        """A connection whose statements in the block see one moment.

        Raises:
            DatabaseError: the database cannot be reached, or fails in the block.
            ValueError: it was closed.
        """
        connection = self._begun()
        try:
            yield connection
            connection.execute("COMMIT")
        except psycopg.Error as error:
            connection.close()
            raise in_one_line(self._database.url, error, error.sqlstate) or error from None
        except BaseException:
            connection.close()  # it may be in the middle of an answer
            raise
        self._keep(connection)

    def close(self) -> None:
        """Close what is open; done twice it does nothing."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _begun(self) -> psycopg.Connection:
        with self._lock:
            if self._is_closed:
                raise ValueError("it is closed: connect again")
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            with suppress(psycopg.OperationalError):  # the server may have been restarted
                kept.execute(_BEGIN)
                return kept
            kept.close()
        connection = self._opened()
        connection.execute(_BEGIN)
        return connection

    def _opened(self) -> psycopg.Connection:
        connection = self._database.open()
        connection.execute(_PREPARE)
        return connection

    def _keep(self, connection: psycopg.Connection) -> None:
        with self._lock:
            if not self._is_closed and len(self._idle) < MOST_KEPT:
                self._idle.append(connection)
                return
        connection.close()
