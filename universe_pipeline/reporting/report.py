"""Makes the report, and writes it as one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from altair.utils.schemapi import debug_mode

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.whole_file import replacing
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
    with debug_mode(arg=False):  # Altair would check each part of a chart by its schema
        html, pictures = page.whole(stored, wanted)
    return Report(html, len(stored.days), stored.conditions, pictures)


def write(path: Path, html: str) -> int:
    """Write the page whole or not at all; its size in bytes.

    Raises:
        UsageError: as `require_ordinary`.
        OSError: it cannot be written; names `path`.
    """
    content = html.encode()
    with replacing(path) as file:
        file.write(content)
    return len(content)
