"""The small process between `universe up` and Dagster's services: they end when `up` ends.

Run as a file (`python -I guard.py LOCK COMMAND …`), so that it imports no more than it needs. Its
stdin is a pipe that only `up` writes to, and never does: it ends when `up` is gone, even when `up`
was killed. It prints the process group that it guards, for `up`.
"""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

GRACE_SECONDS = 10.0
"""For a run in flight to finish its session; what is still there then is killed."""

KILLED_SECONDS = 5.0
TICK_SECONDS = 0.5
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run a command until stdin or it ends; then end every process of its group."""
    lock, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGTERM, _exit)
    _adopt_orphans()
    services = subprocess.Popen(  # noqa: S603  # what `up` says
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        start_new_session=True,
    )
    try:
        with suppress(BrokenPipeError):
            os.write(sys.stdout.fileno(), f"{services.pid}\n".encode())
        while services.pid not in set(_reaped()):
            if select.select([sys.stdin], [], [], TICK_SECONDS)[0]:
                break
    finally:
        fcntl.flock(lock, fcntl.LOCK_SH)  # says that the services are about to be gone
        _end(services.pid)


def _exit(_number: int, _frame: object) -> None:
    sys.exit()


def _adopt_orphans() -> None:
    """Become the parent of what loses its own: in a container no other process collects it."""
    with suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reaped() -> Iterator[int]:
    """Children that have ended: until they are waited for, they count as living."""
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            yield pid


def _end(group: int) -> None:
    """Interrupt every process of the group, so that runs finish their session; then kill."""
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, KILLED_SECONDS)):
        _signal(group, number)
        deadline = time.monotonic() + patience
        while _lives(group) and time.monotonic() < deadline:
            time.sleep(0.05)


def _lives(group: int) -> bool:
    list(_reaped())
    return _signal(group, 0)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
