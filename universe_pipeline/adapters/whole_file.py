"""Files that are written whole or not at all. Standard library only, but for our errors."""

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible

OWNER_ONLY = 0o600
AS_USUAL = 0o666
"""Permissions of a new file, before the user's umask takes some away."""


def require_ordinary(path: Path) -> None:
    """Refuse what a file cannot be written to, or must not replace, before any work is done.

    Raises:
        UsageError: a folder, a device, a FIFO, a link to nothing, or in a folder that is missing.
    """
    shown = visible(path)
    if path.is_dir():
        raise UsageError(f"{shown} is a folder: name a file in it")
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{shown} is a link to nothing: remove it, or name another file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{shown} is not an ordinary file: name another")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {visible(path.parent)}")


@contextlib.contextmanager
def replacing(path: Path, mode: int = AS_USUAL) -> Generator[BinaryIO]:
    """A new file, which takes the place of `path` at the end of the block; none where it raises.

    It is on the disk before it has the name, so that a power failure leaves the old or the new
    content. Several processes may do this at once: the last to end wins. A link stays a link.

    Args:
        path: missing, or an ordinary file.
        mode: permissions of the new file, before the umask.

    Raises:
        UsageError: as `require_ordinary`.
        OSError: it cannot be written; names `path`.
    """
    require_ordinary(path)
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".universe-{secrets.token_hex(8)}.partial")
    try:
        # `x` as in open(2)'s O_EXCL: what is there under that name, if only a link, is not opened.
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        if error.filename not in (None, str(partial)):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
