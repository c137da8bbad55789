"""The embedded server's folder: what lies where, its locks, its address. Standard library only.

Three flocks say which processes live; the kernel releases them on any death. No pid is trusted:

    users.lock       shared by every attached process; the supervisor may stop the server only
                     while it holds this one exclusively
    supervisor.lock  held by the supervisor: its starter takes it and hands it down
    server.lock      inherited by every process of the server, so free only when all are gone

All processes of the server hold data/PG_VERSION as well: if the rest is removed or
replaced, still no second server works on the same data.
"""

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from universe_pipeline.domain.errors import EmbeddedServerError

NAME = "universe"
"""The database and its only role."""

PORT = 5432
"""Only names the socket. It stands in the URL, because a PGPORT in the environment would win."""

LONGEST_SOCKET = 103
"""Bytes of a unix socket's path: 107 on Linux, 103 on macOS."""

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX

USED, STOP = b"u", b"s"
"""Requests to the supervisor: a process was attached, if only for a moment; stop if none is."""


def try_lock(lock: int, mode: int) -> bool:
    """Take the flock of the open file `lock` now, or say False."""
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(lock: int) -> None:
    """Release the flock of the open file `lock`."""
    fcntl.flock(lock, fcntl.LOCK_UN)


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """`path` is UNIVERSE_HOME/postgres with all symbolic links resolved."""

    path: Path

    @classmethod
    def below(cls, home: Path) -> "ServerFolder":
        """The server's folder of that home; nothing is created."""
        return cls(Path(os.path.realpath(home)) / "postgres")

    @property
    def home(self) -> Path:
        """The folder that the user chose."""
        return self.path.parent

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory; exists only when complete."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What the supervisor and the server say."""
        return self.path / "log" / "server.log"

    @property
    def users_lock(self) -> Path:
        """Shared by every attached process."""
        return self.path / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor."""
        return self.path / "supervisor.lock"

    @property
    def server_lock(self) -> Path:
        """Inherited by every process of the server."""
        return self.path / "server.lock"

    @property
    def requests(self) -> Path:
        """A FIFO that the supervisor reads as soon as no orphan of a killed server is alive."""
        return self.path / "stop"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own lock file, without which it ends by itself within a minute."""
        return self.data / "postmaster.pid"

    @property
    def socket(self) -> Path:
        """The folder of the server's socket: its own for each incarnation of this folder.

        A server whose folder was deleted removes its socket when it ends, by path. Named after
        the inode that all its processes hold open, this is never the socket of a successor. A
        server that an older release has started is found by this name, too.
        """
        inode = self.server_lock.stat().st_ino
        inside = self.path / f"socket-{inode}"
        fits = len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET
        # Both have a meaning in lists of hosts or of socket folders; drivers expect UTF-8.
        if fits and not set(str(inside)) & {",", '"'} and _is_text(inside):
            return inside
        digest = sha256(os.fsencode(self.path) + b"\0%d" % inode).hexdigest()[:16]
        # One place for all processes, with any TMPDIR; see `require_owner`.
        return Path("/tmp") / f"universe_pipeline-{digest}"  # noqa: S108 - as said above

    @property
    def url(self) -> str:
        """The database's URL, as libpq and SQLAlchemy understand it."""
        return f"postgresql://{NAME}@:{PORT}/{NAME}?host={quote(os.fsencode(self.socket))}"

    def create(self) -> None:
        """Make the folder. An account that runs the server for root must be able to pass it."""
        if not self.home.is_dir():
            self.home.mkdir(parents=True, exist_ok=True)
            _let_owner_in(self.home)
        if not self.path.is_dir():
            self.path.mkdir(exist_ok=True)
            self.path.chmod(0o711)
        if not self.log.parent.is_dir():
            self.log.parent.mkdir(exist_ok=True)
            self.log.parent.chmod(0o700)

    def open_lock(self, path: Path) -> int:
        """A new open file of that lock: flocks belong to open files, not to processes."""
        return _open(path, os.O_RDWR | os.O_NOFOLLOW)

    def open_data_lock(self) -> int:
        """A new open file of the data themselves, which stays theirs when locks are removed."""
        return os.open(self.data / "PG_VERSION", os.O_RDWR | os.O_NOFOLLOW)

    def names(self, path: Path, lock: int) -> bool:
        """Whether `path` still is the open file `lock`, not deleted and not replaced."""
        try:
            found = path.stat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(lock))

    def notify_supervisor(self, request: bytes) -> bool:
        """Send USED or STOP; False if no supervisor reads `requests`.

        Without one the server is gone, or on its way out though it may still answer.
        """
        try:
            requests = os.open(self.requests, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        with contextlib.suppress(OSError), os.fdopen(requests, "wb", buffering=0) as opened:
            opened.write(request)
        return True

    def looks_whole(self) -> bool:
        """Whether all is there by which a server is reached; its supervisor ends it otherwise."""
        try:
            socket, requests = self.socket.stat().st_mode, self.requests.stat().st_mode
        except OSError:
            return False
        is_usable = stat.S_ISFIFO(requests) and open_to_owner(socket) and open_to_owner(requests)
        return is_usable and self.pid_file.exists()

    def open_log(self) -> BinaryIO:
        """The log, for appending; others may not read it, since it can show rows."""
        return os.fdopen(_open(self.log, os.O_WRONLY | os.O_APPEND), "ab")

    def log_since(self, position: int) -> str:
        """The log from that byte on, or whole where it was cut since; empty when there is none."""
        try:
            with self.log.open("rb") as log:
                size = os.fstat(log.fileno()).st_size
                log.seek(position if position <= size else 0)
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def log_size(self) -> int:
        """Bytes in the log."""
        return self.log.stat().st_size if self.log.exists() else 0


def _is_text(path: Path) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in str(path))


def _open(path: Path, flags: int) -> int:
    opened = os.open(path, flags | os.O_CREAT, 0o600)
    with contextlib.suppress(PermissionError):  # Another account's.
        _let_owner_in(opened)
    return opened


def open_to_owner(mode: int) -> bool:
    """Whether the mode of a file or folder lets its owner use it."""
    return mode & _owners_rights(mode) == _owners_rights(mode)


def _owners_rights(mode: int) -> int:
    return stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR | stat.S_IWUSR


def _let_owner_in(made: Path | int) -> None:
    """Not by the umask: a lock that its owner cannot open again would lock out everything."""
    found = os.stat(made).st_mode  # noqa: PTH116 - of an open file as well
    if not open_to_owner(found):
        os.chmod(made, stat.S_IMODE(found | _owners_rights(found)))  # noqa: PTH101 - as above


def require_owner(socket: Path, *owners: int) -> None:
    """Refuse a socket folder that another user put there, which /tmp allows to all.

    Raises:
        EmbeddedServerError: it is not a folder of one of the `owners` (user ids).
    """
    found = socket.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise EmbeddedServerError(
            f"{socket} belongs to another user (uid {found.st_uid}), so the embedded PostgreSQL "
            "cannot put its socket there: have it removed, or set UNIVERSE_HOME to a shorter path"
        )
