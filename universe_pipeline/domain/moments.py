"""Moments that machines compare, all of them the database's time; and how long a list is used."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

Now: TypeAlias = Callable[[], datetime]
"""Gives the time (UTC, timezone-aware): the database's, or in a test any."""

FRESH_FOR = timedelta(hours=24)
"""A list of the vendor's that is younger than this is not asked for again."""


def is_fresh(taken_at: datetime | None, now: datetime) -> bool:
    """Whether a list need not be asked for again at `now`; one of the future says nothing."""
    return taken_at is not None and timedelta() <= now - taken_at < FRESH_FOR
