"""What makes the running server reachable, and whether it still is. Standard library only.

Cleaners of /tmp, `rm`, `mv` and `chmod` leave the processes as they are; clients cannot find them.
"""

import os
import time
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.folder import PORT, ServerFolder, open_to_owner

_Mark = tuple[int, int]


class Place:
    """The server's files: those that its supervisor holds open, and those seen when it is ready."""

    def __init__(self, folder: ServerFolder, opened: dict[Path, int], patience: float) -> None:
        """`opened` has open files; for `patience` seconds the server may be ending by itself."""
        self.data, self.pid_file, self.socket = folder.data, folder.pid_file, folder.socket
        self.marks = {path: _mark(os.fstat(file)) for path, file in opened.items()}
        self.socket_file = self.socket / f".s.PGSQL.{PORT}"
        self.watched = (*opened, self.data, self.socket, self.socket_file)
        self.patience = patience
        self.is_ready = False
        self.lost_since: float | None = None

    def loss(self, pid: int) -> str:
        """What the server `pid` has lacked for longer than `patience`, or nothing."""
        missing = self._missing(pid)
        if missing is None:
            self.lost_since = None
            return ""
        now = time.monotonic()
        self.lost_since = self.lost_since or now
        lasts = now - self.lost_since >= self.patience
        return f"{missing} was removed, replaced or closed to its owner" if lasts else ""

    def has(self, path: Path) -> bool:
        """Whether `path` is the file that it was when first seen, and its owner may use it."""
        try:
            found = path.stat()
        except OSError:
            return path not in self.marks and not self.is_ready
        mark = self.marks.setdefault(path, _mark(found))
        return mark == _mark(found) and open_to_owner(found.st_mode)

    def _missing(self, pid: int) -> Path | None:
        try:
            said = self.pid_file.read_text(errors="replace")
        except OSError:
            said = ""
        # A killed server leaves a file that names itself. Its successor replaces that, then opens
        # the socket, in a folder that was empty.
        names_it = said.startswith(f"{pid}\n")
        came_up = self.socket_file.exists() or (names_it and "ready" in said)
        self.is_ready = self.is_ready or came_up
        if self.is_ready and not names_it:
            return self.pid_file
        return next((path for path in self.watched if not self.has(path)), None)


def _mark(found: os.stat_result) -> _Mark:
    return found.st_dev, found.st_ino
