"""Advisory locks: what two processes must not do at once, the second one waits for."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

_FIRST = 0x756E6973  # numbers that nobody else takes: "un" and on

# All in one place, and by counting: no two can be the same.
(
    SPLITS_LOCK,
    _,
    _,
    MIGRATION_LOCK,
    QUARTERS_LOCK,
    SESSION_LOCKS,
    ALL_SESSIONS_LOCK,
    COVERAGE_LOCK,
    DISCOVERY_LOCK,
    SETTLING_LOCK,
    VENDOR_LOCK,
) = range(_FIRST, _FIRST + 11)
"""Of advisory locks; `SESSION_LOCKS` is the first half of one whose second is the session's day."""


@contextmanager
def turn(connection: psycopg.Connection, number: int) -> Generator[None]:
    """Wait until nobody else has the turn of that number, and have it for the block."""
    connection.execute("SELECT pg_advisory_lock(%s)", (number,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (number,))
