"""Five years in the embedded server's own database, loaded by `universe historical`.

Memory and the cost of a session are looked at while it is loaded; reads and commands need it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from statistics import median

import psycopg

from benchmarks.figures import Figure, Target
from benchmarks.floor import open_floor
from benchmarks.reserve import own_memory
from benchmarks.stage import Stage

SPARE = 3
"""Newest sessions that are left to `universe daily`."""
YEARS = 5
BLOCK = 21
"""Sessions over which a cost is averaged before the median of a year is taken."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What is loaded, and what that took."""

    url: str
    sessions: Sequence[date]
    peak_mb: float
    """Of the loading process."""
    month_peak_mb: float

    @property
    def year(self) -> int:
        """Sessions in a year, or a fifth of what is there."""
        return len(self.sessions) // YEARS


def loaded(stage: Stage) -> Archive:
    """Load a month elsewhere, for comparison, and everything here."""
    sessions = stage.sessions[: stage.scale.archive]
    month = sessions[-stage.scale.month :]
    with stage.database(template="template0") as url:
        month_figures = stage.child("historical", month[0], month[-1], database_url=url)
    figures = stage.child("historical", sessions[0], sessions[-1])
    return Archive(stage.server_url, sessions, figures["peak_mb"], month_figures["peak_mb"])


def memory(stage: Stage, archive: Archive) -> list[Figure]:
    """Peak memory of a long load against a short one, and its last year against its first.

    As much COPY of encoded rows, without anything else, shows what of the latter is the disk's.
    """
    first, last = years_cost(archive.url, archive.year)
    year = archive.sessions[-archive.year :]
    with open_floor(stage, year) as floor, own_memory(stage.scale.reserve):
        floor_first, floor_last = floor.growth(year, YEARS)
    peak = archive.peak_mb
    return [
        Figure("memory", "peak over 5 years", peak, "MB", target=Target(350, of="value")),
        Figure(
            "memory", "the same", peak, "MB",
            archive.month_peak_mb, peak / archive.month_peak_mb, "a month", Target(1.1),
        ),
        Figure(
            "memory", "a session in year 5", 1000 * last, "ms",
            1000 * first, last / first, "year 1", Target(1.1),
        ),
        Figure(
            "memory", "COPY alone in year 5", 1000 * floor_last, "ms",
            1000 * floor_first, floor_last / floor_first, "year 1",
        ),
    ]  # fmt: skip


def years_cost(url: str, year: int) -> tuple[float, float]:
    """Seconds a session in the first and in the last year, from request to request.

    Args:
        url: the database.
        year: sessions of a year.
    """
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT fetched_at FROM session_loads ORDER BY date").fetchall()
    moments: list[datetime] = [at for (at,) in rows]
    return _cost(moments[:year]), _cost(moments[-year:])


def _cost(moments: Sequence[datetime]) -> float:
    step = min(BLOCK, len(moments) // 2)
    return median(
        (later - earlier).total_seconds() / step for earlier, later in pairwise(moments[::step])
    )
