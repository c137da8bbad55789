"""The small detached process that owns the embedded server, and stops it when it is unused.

`python -m universe_pipeline.adapters.embedded_postgres.supervisor`, started by `attachment.attach`
only. It restarts nothing: when the server ends, so does it, and the next `attach` starts another.
Standard library only until the server is starting, so that it starts quickly.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from universe_pipeline.adapters import appended_log
from universe_pipeline.adapters.embedded_postgres.account import account_for
from universe_pipeline.adapters.embedded_postgres.binaries import reachable_binaries
from universe_pipeline.adapters.embedded_postgres.causes import (
    cause,
    how_it_ended,
    lack_of_room,
    unusable,
    with_advice,
)
from universe_pipeline.adapters.embedded_postgres.cluster import Cluster, await_processes
from universe_pipeline.adapters.embedded_postgres.folder import (
    EXCLUSIVE,
    STOP,
    USED,
    ServerFolder,
    try_lock,
    unlock,
)
from universe_pipeline.adapters.embedded_postgres.place import Place
from universe_pipeline.domain.errors import EmbeddedServerError

TICK_SECONDS = 1.0
ENDING_SECONDS = 0.5
"""For so long files may be missing because the server is ending by itself."""

ENDINGS = ((signal.SIGINT, 120.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, None))
"""Fast shutdown, immediate shutdown (recovery follows), the kernel's: with seconds to wait."""


class Supervisor:
    """Watches the server of `folder`; stops it after `linger` seconds without any user."""

    def __init__(self, folder: ServerFolder, linger: float, port: int | None) -> None:
        self.folder, self.linger, self.port = folder, linger, port
        self.tick = min(TICK_SECONDS, max(linger, 0.05))
        self.server = await_processes(folder.open_lock(folder.server_lock), folder)
        self.users = folder.open_lock(folder.users_lock)
        # From here on, a server that answers is ours: see `ServerFolder.notify_supervisor`.
        self.requests = _open_requests(folder.requests)
        opened = {
            folder.server_lock: self.server,
            folder.users_lock: self.users,
            folder.requests: self.requests,
        }
        self.place = Place(folder, opened, ENDING_SECONDS)
        self.url = folder.url
        self.last_use = time.monotonic()
        self.pid = 0

    def start(self, binaries: Path) -> "subprocess.Popen[bytes]":
        """Start the server, out of `binaries` or, where they cannot be reached, a copy."""
        account = account_for(self.folder)
        reachable = reachable_binaries(binaries, account, self.folder)
        postgres = Cluster(self.folder, account, reachable, self.server).start(self.port)
        self.pid = postgres.pid
        return postgres

    def watch(self, postgres: "subprocess.Popen[bytes]") -> str:
        """Wait until the server has ended; the reason why we ended it, or nothing."""
        # With psycopg, which takes a while; but now, as the venv may be replaced while we run.
        from universe_pipeline.adapters.embedded_postgres.clients import has_clients

        signals = _signals_as_bytes()
        reason = ""
        while postgres.poll() is None and not reason:
            ready, _, _ = select.select([signals, self.requests], [], [], self.tick)
            ended = signals in ready and set(os.read(signals, 64)) - {signal.SIGCHLD}
            requests = os.read(self.requests, 4096) if self.requests in ready else b""
            reason = "a signal" if ended else self._reason_to_stop(requests, has_clients)
            appended_log.bound(self.folder.log)
        if reason:
            say(f"stopping the server: {reason}")
            self._end(postgres)
        if self.place.has(self.place.socket):
            shutil.rmtree(self.place.socket, ignore_errors=True)
        return reason

    def _reason_to_stop(self, requests: bytes, has_clients: Callable[[str], bool]) -> str:
        """Why the server should stop; if it is unused, users.lock stays ours until we exit."""
        if loss := self.place.loss(self.pid):
            return loss
        if not try_lock(self.users, EXCLUSIVE):
            self.last_use = time.monotonic()
            return ""
        if STOP in requests:
            return "asked to"
        if USED in requests or has_clients(self.url):
            self.last_use = time.monotonic()
        if time.monotonic() - self.last_use >= self.linger:
            return f"unused for {self.linger:.0f} s"
        unlock(self.users)
        return ""

    def _end(self, postgres: "subprocess.Popen[bytes]") -> None:
        # A fast shutdown writes pg_control by its absolute path, which in place of a deleted
        # folder is a successor's. An immediate one writes nothing.
        endings = ENDINGS if self.place.has(self.place.data) else ENDINGS[1:]
        for number, patience in endings:
            postgres.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                postgres.wait(patience)
                return


def _open_requests(path: Path) -> int:
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    # Also open for writing: without a writer, a read would find the end of the file.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _signals_as_bytes() -> int:
    """An open file in which SIGTERM, SIGINT and SIGCHLD arrive as bytes, so that none is missed."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, _already_noted)
    return reader


def _already_noted(_number: int, _frame: FrameType | None) -> None:
    """The byte says it; but an ignored signal would leave none."""


def say(line: str) -> None:
    """Write to the server's log."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    with contextlib.suppress(OSError):  # The disk may be full.
        sys.stderr.write(f"{now} supervisor: {line}\n")
        sys.stderr.flush()


def supervise(folder: ServerFolder, binaries: Path, linger: float, port: int | None) -> str:
    """Run the server to its end; why it ended as one line, or nothing if we or a kill ended it."""
    position = folder.log_size()
    try:
        supervisor = Supervisor(folder, linger, port)
        postgres = supervisor.start(binaries)
        if supervisor.watch(postgres):
            return ""
    except EmbeddedServerError as failed:
        return str(failed)
    except OSError as broken:
        return str(unusable(folder.home, broken))
    if postgres.returncode < 0:
        say(f"the server was {how_it_ended(postgres.returncode)}")
        return ""
    why = cause(folder.log_since(position)) or _unlogged(folder, postgres.returncode)
    return (
        f"the embedded PostgreSQL in {folder.path} ended: "
        f"{with_advice(why, folder.path)}; see {folder.log}"
    )


def _unlogged(folder: ServerFolder, code: int) -> str:
    lack = lack_of_room(folder.log.parent, folder.data)
    why = f"cannot log why: {lack}" if lack else "logged nothing (see log_min_messages)"
    return f"{how_it_ended(code)}, and it {why}"


def main() -> None:
    """Leave the starter, then supervise until the server has ended."""
    parser = argparse.ArgumentParser(prog="supervisor", description=__doc__)
    parser.add_argument("folder", type=Path, help="UNIVERSE_HOME/postgres, resolved")
    parser.add_argument("--binaries", type=Path, required=True, help="PostgreSQL's bin folder")
    parser.add_argument("--linger", type=float, required=True, help="seconds to run unused")
    parser.add_argument("--port", type=int, help="of loopback, where the server also answers")
    parser.add_argument("--reports", type=int, required=True, help="open file: why it failed")
    given = parser.parse_args()
    # The starter waits for its child only; init adopts this one, so that it never becomes a zombie.
    if os.fork() > 0:
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)  # Files that our starter's umask closes to ourselves would lock us out.
    failure = supervise(ServerFolder(given.folder), given.binaries, given.linger, given.port)
    if failure:
        say(failure)
        with contextlib.suppress(BrokenPipeError):
            os.write(given.reports, failure.encode())


if __name__ == "__main__":
    main()
