"""A verification of five years, compared with the quickest reading of its rows into Polars."""

import time
from itertools import groupby

import psycopg

from benchmarks.archive import Archive
from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage
from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.bars.quarters import quarter_of


def verification(stage: Stage, archive: Archive) -> list[Figure]:
    """Every rule over every bar: `universe verify`, its report included."""
    read = _read(archive)
    figures = stage.child("verify")
    seconds = figures["wall"]
    return [
        Figure(
            "verify", "every rule over 5 years", seconds, "s",
            read, seconds / read, "reading", Target(2),
        ),
        Figure("verify", "peak memory", figures["peak_mb"], "MB", target=Target(350, of="value")),
    ]  # fmt: skip


def _read(archive: Archive) -> float:
    """Seconds for all bars, quarter by quarter, in columns."""
    started = time.perf_counter()
    with psycopg.connect(archive.url, autocommit=True) as connection:
        for _, days in groupby(archive.sessions, key=quarter_of):
            quarter = list(days)
            packed.read(connection, quarter[0], quarter[-1])
    return time.perf_counter() - started
