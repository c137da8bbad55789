"""Which process still works on what: it holds a lock in the database.

The lock goes with the process (or machine), however that ends; a pid cannot say so. A connection
that is lost under a living process (an administrator, a proxy, a time-out) is noticed at once, and
its lock taken again.
"""

import logging
import select
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import LiteralString

import psycopg

from universe_pipeline.adapters.postgres.connecting.obstacles import first_line
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.holders import Holder, holders
from universe_pipeline.domain.errors import DatabaseError, LockLostError

logger = logging.getLogger("universe_pipeline.locks")

LOOK_SECONDS = 10.0
"""Seconds between two looks at whether the server still answers the connection of a lock."""

AGAIN_SECONDS = 1.0
"""Seconds between two attempts to take a lost lock again."""

_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_TRY_SHARED = "SELECT pg_try_advisory_lock_shared(hashtextextended(%s, 0))"


class Hold:
    """The lock of `what`, on a connection of its own; true as long as this process has it.

    A thread waits at the connection's socket. It alone uses the connection until `release`.
    """

    def __init__(self, database: Database, what: str, *, shared: bool = False) -> None:
        """Take the lock, if no other process has it.

        Args:
            database: where the lock is.
            what: what it is about.
            shared: hold it together with others that share it.
        """
        self._database, self.what = database, what
        self._try: LiteralString = _TRY_SHARED if shared else _TRY
        self._released, self._release = socket.socketpair()
        self.taken_by: Holder | None = None
        """The process that took the lock when its connection was lost."""
        self._connection = database.open()
        self._is_held = self._take()
        self._keeper = threading.Thread(target=self._keep, name=f"lock {what}", daemon=True)
        if self._is_held:
            self._keeper.start()

    def __bool__(self) -> bool:
        """Whether this process holds the lock."""
        return self._is_held

    def holder(self) -> Holder | None:
        """The process that holds it instead, for a lock that could not be taken."""
        return next(iter(holders(self._connection, [self.what])), None)

    def release(self) -> None:
        """Let the lock go."""
        with suppress(OSError):  # the thread has ended: another process has the lock
            self._release.send(b"\0")
        self._release.close()
        if self._is_held or self.taken_by:
            self._keeper.join(AGAIN_SECONDS)  # no longer where the server is silent
        else:
            self._let_go()
        self._is_held = False

    def _take(self) -> bool:
        row = self._connection.execute(self._try, (self.what,)).fetchone()
        return bool(row and row[0])

    def _keep(self) -> None:
        try:
            while not self._is_released(LOOK_SECONDS, self._connection.fileno()):
                if not self._is_kept():
                    return
        finally:
            self._let_go()

    def _is_kept(self) -> bool:
        """Whether the lock is still ours, or ours again."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError as lost:
            return self._take_again(first_line(lost))
        return True

    def _let_go(self) -> None:
        # Closing would let go too, but only when the server has noticed.
        with suppress(psycopg.OperationalError):  # a lost connection holds nothing
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()
        self._released.close()

    def _is_released(self, seconds: float, *wire: int) -> bool:
        """Wait so long, or until something comes over the wire; whether `release` was called."""
        files = select.poll()  # `select` takes no descriptor over 1023, and a load may have more
        for file in (self._released.fileno(), *wire):
            files.register(file, select.POLLIN)
        return self._released.fileno() in dict(files.poll(1000 * seconds))

    def _take_again(self, lost: str) -> bool:
        """Take the lock on a new connection; False once that is over, or another process has it."""
        self._connection.close()
        while not self._is_released(0):
            try:
                self._connection = self._database.open()
                if self._take():
                    logger.warning("the lock of %s was lost and taken again: %s", self.what, lost)
                    return True
                if self._is_taken():
                    return False
            except (DatabaseError, psycopg.OperationalError):
                pass  # the server is away; what else needs it says so
            self._connection.close()
            self._is_released(AGAIN_SECONDS)
        return False

    def _is_taken(self) -> bool:
        """Whether another process has it, not the connection that the server still believes in."""
        holder = self.holder()
        if holder is None or holder.application.is_here:
            return False
        self.taken_by, self._is_held = holder, False
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return True


@contextmanager
def hold_lock(database: Database, what: str, *, shared: bool = False) -> Generator[Hold]:
    """Hold the lock of `what` for the block; yields a false `Hold` when another process has it.

    Where another process takes it meanwhile, the main thread is interrupted, as by ctrl-C.

    Raises:
        LockLostError: another process has taken it meanwhile.
    """
    hold = Hold(database, what, shared=shared)
    try:
        yield hold
    finally:
        try:
            hold.release()
        finally:  # the interrupt may come only now
            if hold.taken_by is not None:
                raise LockLostError(what, str(hold.taken_by)) from None


def is_held(connection: psycopg.Connection, what: str) -> bool:
    """Whether some process holds the lock; only looks, so that no process waits for it."""
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0))
        """,
        (what,),
    ).fetchone()
    return bool(row and row[0])
