"""Waits for the server: explained where another process causes them, ended where it is silent.

A statement that takes longer than some seconds waits for a lock, is slow, or will never be
answered: the server is frozen, or a proxy forwards nothing any more, and TCP keeps the connection.
A connection of its own finds out which. It costs nothing until a wait is that long.
"""

import logging
import select
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import errors, waiting
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from universe_pipeline.adapters.postgres import holders
from universe_pipeline.adapters.postgres.holders import Holder

logger = logging.getLogger("universe_pipeline.database")

Result = TypeVar("Result")

EXPLAIN_AFTER = 5.0
"""Seconds of a wait until it is looked into."""

LOOK_AGAIN = 15.0
"""Seconds until the next look, where the server answered."""

SILENT_AFTER = 30.0
"""Seconds of a wait after which a server that answers no new connection counts as lost."""

CONNECT_SECONDS = 10

PROBE_SECONDS = 5
"""Seconds that the server has for answering a new connection."""

STOPS_WITHIN = 3
"""Seconds in which the server has to answer, and to stop, once its client was interrupted."""

TICK = 0.5
"""Seconds of a wait that count as long where the process was interrupted, and between two looks
into those of psycopg2."""


class SilentServerError(psycopg.OperationalError):
    """The server has not answered for so long that the connection was given up."""


class WaitGivenUpError(psycopg.OperationalError):
    """The process was interrupted while it waited, and waits no longer."""


@dataclass(slots=True)
class _Process:
    """What all waits of this process share."""

    is_interrupted: Callable[[], bool] = field(default=lambda: False)
    when_silent: Callable[[str], None] = field(default=lambda _reason: None)
    is_hurried: bool = False
    """Whether it was interrupted: a person waits for its end."""


_process = _Process()


def hurry(*, is_hurried: bool = True) -> None:
    """Let a silent server count as lost after `STOPS_WITHIN` from now on."""
    _process.is_hurried = is_hurried


def connect_seconds() -> int:
    """Seconds that the server has for answering a new connection that is needed."""
    return STOPS_WITHIN if _process.is_hurried else CONNECT_SECONDS


@contextmanager
def given_up_when(is_interrupted: Callable[[], bool]) -> Generator[None]:
    """End long waits in the block with a `WaitGivenUpError` once `is_interrupted()`."""
    before, _process.is_interrupted = _process.is_interrupted, is_interrupted
    try:
        yield
    finally:
        _process.is_interrupted = before


@contextmanager
def when_silent(do: Callable[[str], None]) -> Generator[None]:
    """Call `do` with the reason in the block, in any thread, once a server counts as lost."""
    before, _process.when_silent = _process.when_silent, do
    try:
        yield
    finally:
        _process.when_silent = before


class WatchedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that looks into its own long waits.

    Raises:
        SilentServerError: from each method that waits, once the server is silent.
        WaitGivenUpError: likewise, see `given_up_when`.
    """

    url: str | None = None
    """Where the server is asked meanwhile; None: waits are as psycopg has them."""

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        """As psycopg's, which every statement, COPY and pipeline goes through."""
        if timeout is not None or self.url is None:
            return super().wait(gen, interval, timeout)
        watch = Watch(self.url, self.pgconn.backend_pid)
        try:
            return waiting.wait(_looking(gen, watch.look), self.pgconn.socket, interval=interval)
        except (SilentServerError, WaitGivenUpError):
            self.pgconn.finish()  # the answer may come at any time, or never
            raise
        except KeyboardInterrupt:
            self._stop(gen, interval)
            raise

    def _stop(self, gen: PQGen[Any], interval: float) -> None:
        """Have the server stop; end the connection where it does not, or is silent."""
        hurry()
        if self.closed or self.info.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            if answers(self.url or "", STOPS_WITHIN):
                self.cancel_safe(timeout=STOPS_WITHIN)
                waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=STOPS_WITHIN)
        except errors.QueryCanceled:
            return
        except (psycopg.Error, KeyboardInterrupt):
            pass
        self.pgconn.finish()


def _looking(gen: PQGen[Result], look: Callable[[], None]) -> PQGen[Result]:
    """`gen`, with a `look` each time that nothing has come for psycopg's interval."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready == waiting.READY_NONE:
                look()
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value


class Watch:
    """One wait. Looks into it once it is `EXPLAIN_AFTER` long."""

    def __init__(self, url: str, backend: int) -> None:
        """Begin the wait.

        Args:
            url: where the server is asked.
            backend: its process that owes the answer.
        """
        self._url, self._backend = url, backend
        self._heard = time.monotonic()
        self._long = self._heard + (TICK if _process.is_hurried else EXPLAIN_AFTER)
        self._next = self._long
        self._explained: list[tuple[str, int]] = []

    def look(self) -> None:
        """Find out what is waited for; to be called several times a second.

        Raises:
            SilentServerError: the server is frozen, or cannot be reached any more.
            WaitGivenUpError: see `given_up_when`.
        """
        now = time.monotonic()
        if now < self._long:
            return
        if _process.is_interrupted():
            raise WaitGivenUpError("interrupted while waiting for its answer")
        if now < self._next:
            return
        seconds = STOPS_WITHIN if _process.is_hurried else PROBE_SECONDS
        answer = _asked(self._url, self._backend, seconds)
        if answer is None or answer.is_cut_off:
            self._require_patience()
            self._next = time.monotonic() + EXPLAIN_AFTER
        else:
            self._explain(answer.blocking)
            self._heard = time.monotonic()
            self._next = self._heard + LOOK_AGAIN

    def _require_patience(self) -> None:
        silent = time.monotonic() - self._heard
        if silent >= (STOPS_WITHIN if _process.is_hurried else SILENT_AFTER):
            reason = f"it has not answered for {silent:.0f} seconds"
            _process.when_silent(reason)
            raise SilentServerError(reason)

    def _explain(self, blocking: list[Holder]) -> None:
        found = [(one.lock, one.backend) for one in blocking]
        if found and found != self._explained:
            logger.warning("waiting for %s", "; ".join(f"{one.lock}: {one}" for one in blocking))
        self._explained = found


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the server says of one of its processes."""

    blocking: list[Holder]
    is_cut_off: bool = False
    """Whether it waits for its client, which waits for it: nothing gets through between them."""


class _NoAnswerError(psycopg.OperationalError):
    """A new connection's statement took longer than it may."""


class _BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements have `PROBE_SECONDS` each."""

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        end = time.monotonic() + PROBE_SECONDS

        def look() -> None:
            if time.monotonic() >= end:
                raise _NoAnswerError

        return super().wait(_looking(gen, look), interval, timeout)


_CUT_OFF = "SELECT wait_event = 'ClientRead' FROM pg_stat_activity WHERE pid = %s"


@contextmanager
def in_psycopg2(url: str) -> Generator[None]:
    """Watch the waits of psycopg2, through which Dagster's storage goes, in the block likewise.

    They can then be interrupted, too: otherwise Python comes to its signals after the answer.

    Args:
        url: where the server is asked meanwhile.
    """
    from psycopg2 import extensions

    before = extensions.get_wait_callback()
    extensions.set_wait_callback(partial(_wait_in_psycopg2, url))
    try:
        yield
    finally:
        extensions.set_wait_callback(before)


def _wait_in_psycopg2(url: str, connection: Any) -> None:
    from psycopg2.extensions import POLL_OK, POLL_WRITE

    watch: Watch | None = None
    while (state := connection.poll()) != POLL_OK:
        wire = select.poll()  # `select` takes no descriptor over 1023, and a load may have more
        wire.register(connection.fileno(), select.POLLOUT if state == POLL_WRITE else select.POLLIN)
        if not wire.poll(1000 * TICK):
            watch = watch or Watch(url, connection.info.backend_pid)
            watch.look()


def answers(url: str, within: int) -> bool:
    """Whether the server answers a new connection within so many seconds, be it by refusing it."""
    return _asked(url, 0, within) is not None


def _asked(url: str, backend: int, seconds: int) -> _Answer | None:
    """What the server says of its process; None where it says nothing at all."""
    try:
        with _BoundedConnection.connect(
            url, autocommit=True, connect_timeout=seconds
        ) as connection:
            row = connection.execute(_CUT_OFF, (backend,)).fetchone()
            return _Answer(holders.blocking(connection, backend), bool(row and row[0]))
    except (errors.ConnectionTimeout, _NoAnswerError):
        return None
    except psycopg.OperationalError:
        return _Answer([])  # it has no room for another connection, or is starting
