"""Which processes hold a lock, for messages: nothing else relies on pids. Standard library only."""

import os
from pathlib import Path


def holders(*paths: Path) -> list[int]:
    """The processes that have one of the files open, as far as we may see (Linux)."""
    wanted = {mark for path in paths if (mark := _inode(path))}
    processes = [int(entry.name) for entry in _entries("/proc") if entry.name.isdigit()]
    return sorted(pid for pid in processes if pid != os.getpid() and wanted & _open_files(pid))


def is_stopped(pid: int) -> bool:
    """Whether that process was stopped, as by SIGSTOP, and so does nothing until SIGCONT."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] in {"T", "t"}
    except OSError:
        return False


def _open_files(pid: int) -> set[tuple[int, int]]:
    return {mark for entry in _entries(f"/proc/{pid}/fd") if (mark := _inode(Path(entry.path)))}


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []
