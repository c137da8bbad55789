"""Dagster's services as one process group: webserver, daemon and code location on loopback.

Between `up` and the services stands a guard (`guard.py`), which ends them when `up` is gone.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.locks import DAEMON
from universe_pipeline.adapters.whole_file import replacing
from universe_pipeline.domain.errors import UniverseError, UsageError

WORKSPACE = """\
load_from:
  - python_module:
      module_name: universe_pipeline.definitions
      location_name: "{location}"
"""

HOST = "127.0.0.1"
READY_SECONDS = 120
GUARD = Path(__file__).with_name("guard.py")
DEV = "universe_pipeline.orchestration.execution.dev"
LOCK = "services.lock"
COLORED = "colored"
"""The format of Dagster's log, of those that it has, unless the log is JSON."""

NOTICED_SECONDS = 1.0
"""A guard, and the database, need a moment to notice that an `up` was killed."""


class ServicesError(UniverseError):
    """Dagster's services did not come up, or one of them ended."""


@contextmanager
def dagster_services(
    home: Path,
    port: int,
    environment: Mapping[str, str],
    log: Path,
    log_format: str = COLORED,
) -> Generator[subprocess.Popen[bytes]]:
    """Run the services for the block; at its end every process of theirs is gone.

    Gives the guard, which ends by itself when the services do.

    Raises:
        UsageError: services of this folder run already.
    """
    workspace = home / "workspace.yaml"
    with replacing(workspace, 0o644) as file:  # it names code that Dagster runs
        file.write(WORKSPACE.format(location=environment["UNIVERSE_LOCATION"]).encode())
    dagster = [sys.executable, "-m", DEV, "-w", str(workspace), "--log-format", log_format]
    with _sole(home) as lock, log.open("ab") as output:
        guard = subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, "-I", str(GUARD), str(lock), *dagster, "-h", HOST, "-p", str(port)],
            env={**environment, "DAGSTER_HOME": str(home)},
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            pass_fds=[lock],
            start_new_session=True,
        )
        try:
            yield guard
        finally:
            _end(guard)


def _end(guard: subprocess.Popen[bytes]) -> None:
    group, _ = guard.communicate()  # closes its stdin, and waits
    if guard.returncode != 0 and group:  # it was killed, and could not do its duty
        with suppress(ProcessLookupError):
            os.killpg(int(group), signal.SIGKILL)


def await_predecessor(home: Path) -> None:
    """Let the services of an `up` that was killed come to their end.

    Raises:
        UsageError: their `up` is alive.
    """
    if (home / LOCK).exists():
        with _sole(home):
            pass


@contextmanager
def sole_daemon(database: Database) -> Generator[None]:
    """Hold the daemon's lock in the database for the block: a Dagster instance has one daemon.

    Raises:
        UsageError: another process holds it, on this host or another.
        LockLostError: another process took it while the database was away.
    """
    deadline = time.monotonic() + NOTICED_SECONDS
    while True:
        with liveness.hold_lock(database, DAEMON) as hold:
            if hold:
                yield
                return
            holder = hold.holder() or "another process"
        if time.monotonic() > deadline:
            raise UsageError(f"the database has a daemon already, of {holder}: end that one first")
        time.sleep(0.1)


@contextmanager
def _sole(home: Path) -> Generator[int]:
    """Hold the folder's lock for the block, as an open file: it is held until all have closed it.

    The guard shares the lock of an `up` that is gone while it still ends the services.
    """
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + NOTICED_SECONDS
        while not _lock(lock, fcntl.LOCK_EX):
            if _lock(lock, fcntl.LOCK_SH):
                deadline = time.monotonic() + NOTICED_SECONDS  # they are ending
            if time.monotonic() > deadline:
                raise UsageError(f"another `universe up` is running on {home}")
            time.sleep(0.1)
        yield lock
    finally:
        os.close(lock)


def _lock(file: int, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
