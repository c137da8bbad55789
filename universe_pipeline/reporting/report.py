"""Makes the report, and writes it as one file."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.reporting import page
from universe_pipeline.reporting.reading import Wanted, read


@dataclass(frozen=True, slots=True)
class Report:
    """A report that is made."""

    html: str
    sessions: int
    conditions: Mapping[str, int]
    pictures: Mapping[str, str]
    """Some of its charts by name, as Markdown."""


def make_report(connection: Connection, wanted: Wanted) -> Report:
    """Read and draw the report.

    Raises:
        RangeError: as `read`.
    """
    stored = read(connection, wanted)
    if stored is None:
        return Report(page.empty(wanted), 0, {}, {})
    html, pictures = page.whole(stored, wanted)
    return Report(html, len(stored.days), stored.conditions, pictures)


def require_file(path: Path) -> None:
    """Refuse what the report cannot be written to, before any work is done.

    Raises:
        UsageError: a folder, something that is no ordinary file, or in a folder that is not there.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file in it, like {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no ordinary file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")


def write(path: Path, html: str) -> int:
    """Write the page whole or not at all; its size in bytes.

    Raises:
        OSError: it cannot be written; names `path`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    content = html.encode()
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from None
    return len(content)
