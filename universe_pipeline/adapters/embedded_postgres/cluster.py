"""PostgreSQL's data directory: made whole or not at all, and started. Standard library only.

Everything here is done while holding server.lock: no process of an earlier server is alive.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.account import Account
from universe_pipeline.adapters.embedded_postgres.binaries import postgresql_version
from universe_pipeline.adapters.embedded_postgres.causes import (
    DAMAGED,
    cause,
    how_it_ended,
    lack_of_room,
    with_advice,
)
from universe_pipeline.adapters.embedded_postgres.folder import (
    EXCLUSIVE,
    NAME,
    PORT,
    ServerFolder,
    require_owner,
    try_lock,
)
from universe_pipeline.adapters.embedded_postgres.loopback import RULES
from universe_pipeline.adapters.embedded_postgres.processes import holders, is_stopped
from universe_pipeline.adapters.whole_file import sync_folder
from universe_pipeline.domain.errors import EmbeddedServerError

ORPHAN_SECONDS = 60.0
"""How long processes of a killed server may take to end."""

INITDB = (
    f"--username={NAME}",
    # No other account can enter the socket's folder, and there is no TCP.
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
    "--set=max_connections=100",
    "--set=max_wal_size=2GB",
    "--set=timezone=UTC",
    "--set=log_timezone=UTC",
)
"""What a new cluster begins with; its postgresql.conf may be edited afterwards."""


class Cluster:
    """The server of `folder`, run by `account` with the programs in `binaries`.

    Every process inherits `server_lock`, an open and locked file.
    """

    def __init__(
        self, folder: ServerFolder, account: Account, binaries: Path, server_lock: int
    ) -> None:
        self.folder, self.account = folder, account
        self.binaries, self.server_lock = binaries, server_lock

    def start(self, port: int | None = None) -> "subprocess.Popen[bytes]":
        """Start the server, which ends by a fast shutdown when this process dies (Linux).

        Args:
            port: of loopback, where it also answers; None: on its socket only.

        Raises:
            EmbeddedServerError: the data cannot be made, belong to another user, or are of another
                major version.
        """
        if not (self.folder.data / "PG_VERSION").exists():
            self._initialize()
        self._require_readable()
        data_lock = await_processes(self.folder.open_data_lock(), self.folder)
        self._prepare_socket()
        drop_pid_of_stranger(self.folder)
        command = [
            *(self.binaries / "postgres", "-D", self.folder.data),
            *self._place_of_answers(port),
            *("-c", f'unix_socket_directories="{self.folder.socket}"'),
            *("-c", "unix_socket_permissions=0700", "-c", "logging_collector=off"),
            *("-c", "log_destination=stderr"),
        ]
        return self.account.start(
            command,
            output=sys.stderr.fileno(),
            keeps=(self.server_lock, data_lock),
            dies_by=signal.SIGINT,
        )

    def _place_of_answers(self, port: int | None) -> tuple[str, ...]:
        """Settings by which the server answers on its socket, which keeps its name, and on `port`.

        PostgreSQL names its socket after its port.
        """
        if port is None:
            return ("-c", "listen_addresses=", "-c", f"port={PORT}")
        rules = self.folder.data / "loopback_hba.conf"
        rules.write_text(RULES)
        os.chown(rules, self.account.uid, self.account.gid)
        if port != PORT:
            (self.folder.socket / f".s.PGSQL.{PORT}").symlink_to(f".s.PGSQL.{port}")
        return (
            *("-c", "listen_addresses=127.0.0.1", "-c", f"port={port}"),
            *("-c", f"hba_file={rules}"),
        )

    def _initialize(self) -> None:
        """A kill at any point leaves no data directory; the next start begins again."""
        if self.folder.data.exists() and any(self.folder.data.iterdir()):
            raise EmbeddedServerError(
                f"{self.folder.data} is no PostgreSQL data directory (no PG_VERSION): move it away"
            )
        new = self.folder.path / "data.new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        os.chown(new, self.account.uid, self.account.gid)
        initdb = [self.binaries / "initdb", "-D", new]
        self._finish([*initdb, *INITDB, f"--set=shared_buffers={_shared_buffers()}", "--no-sync"])
        self._finish(
            [
                *(self.binaries / "postgres", "--single", "-F", "-D", new),
                *("-c", "exit_on_error=on", "postgres"),
            ],
            text=f"CREATE DATABASE {NAME}",
        )
        # Nothing before this waits for the disk, as nothing before the renaming counts.
        self._finish([*initdb, "--sync-only"])
        new.rename(self.folder.data)
        sync_folder(self.folder.path)

    def _require_readable(self) -> None:
        theirs = (self.folder.data / "PG_VERSION").read_text(errors="replace").strip()
        ours = postgresql_version()
        if not theirs.isdigit():
            raise EmbeddedServerError(
                f"{self.folder.data / 'PG_VERSION'} names no version; "
                f"{DAMAGED.format(data=self.folder.data)}"
            )
        if theirs != ours.partition(".")[0]:
            raise EmbeddedServerError(
                f"{self.folder.data} is of PostgreSQL {theirs}, which this release's PostgreSQL "
                f"{ours} cannot read: back it up with the release that made it (`universe backup "
                "FILE`), move that folder away, and restore it with this one (`universe restore "
                "FILE`)"
            )

    def _prepare_socket(self) -> None:
        socket = self.folder.socket
        for stale in self.folder.path.glob("socket-*"):
            shutil.rmtree(stale)
        with contextlib.suppress(FileExistsError):
            socket.mkdir(mode=0o700)
        require_owner(socket, self.account.uid, os.geteuid())
        os.chown(socket, self.account.uid, self.account.gid, follow_symlinks=False)
        socket.chmod(0o700)
        for stale in socket.iterdir():
            stale.unlink()

    def _finish(self, command: list[str | Path], text: str = "") -> None:
        process = self.account.start(
            command, stdin=subprocess.PIPE, output=subprocess.PIPE, keeps=(self.server_lock,)
        )
        said = process.communicate(text.encode())[0].decode(errors="replace")
        if process.returncode != 0:
            with contextlib.suppress(OSError):  # The disk may be full.
                sys.stderr.write(said)
            why = cause(said) or lack_of_room(self.folder.path) or how_it_ended(process.returncode)
            raise EmbeddedServerError(
                f"the embedded PostgreSQL could not make its data in {self.folder.data}: "
                f"{with_advice(why, self.folder.path)}; see {self.folder.log}"
            )


def _shared_buffers() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{max(16, min(256, memory // 8 // 2**20))}MB"


def await_processes(lock: int, folder: ServerFolder) -> int:
    """Take `lock`, waiting for the processes of an earlier server that hold it to end.

    Raises:
        EmbeddedServerError: they do not.
    """
    deadline = time.monotonic() + ORPHAN_SECONDS
    while not try_lock(lock, EXCLUSIVE):
        pids = holders(folder.server_lock, folder.data / "PG_VERSION")
        stopped = [pid for pid in pids if is_stopped(pid)]
        if stopped or time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"processes of an earlier server still work on {folder.data}: end them by "
                f"`kill -KILL {' '.join(map(str, stopped or pids))}`"
            )
        time.sleep(0.02)
    return lock


def drop_pid_of_stranger(folder: ServerFolder) -> None:
    """Remove a postmaster.pid that would make PostgreSQL take another process for itself.

    After a crash of the machine the pid may be another process's, or the file empty. A server that
    was started by hand on the data keeps its file, and PostgreSQL refuses by itself.
    """
    file, data = folder.pid_file, folder.data
    if not file.exists():
        return
    first = file.read_text(errors="replace").partition("\n")[0].strip()
    if not first.lstrip("-").isdigit() or not _serves(abs(int(first)), data):
        file.unlink()


def _serves(pid: int, data: Path) -> bool:
    """Whether that process is, or was when it died, a PostgreSQL of `data`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True  # PostgreSQL sees by itself that it is dead, and looks for its children.
    except PermissionError:
        return False
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == data
        except OSError:
            return False
    listed = subprocess.run(  # noqa: S603 - our own command, no shell
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return "postgres" in listed and str(data) in listed
