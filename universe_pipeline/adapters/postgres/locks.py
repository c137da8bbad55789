"""Advisory locks: what two processes must not do at once, the second one waits for."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date

import psycopg

_FIRST = 0x756E6973  # numbers that no other program takes: "un" and on

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
    SEALING_LOCK,
    VENDOR_LOCK,
    DIVIDENDS_LOCK,
    ACTIONS_LOCK,
    LISTINGS_LOCK,
    ALERTS_LOCK,
) = range(_FIRST, _FIRST + 15)
"""Of advisory locks; `SESSION_LOCKS` is the first half of one whose second is the session's day."""

URGENT = "urgent requests"
"""What urgent clients hold by `liveness`, all together; meanwhile no other takes a turn."""

DAEMON = "daemon"
"""What the host that runs Dagster's daemon holds by `liveness`: two would launch all runs twice."""

FOR_A_TRANSACTION = (
    QUARTERS_LOCK,
    ALL_SESSIONS_LOCK,
    COVERAGE_LOCK,
    ACTIONS_LOCK,
    LISTINGS_LOCK,
    ALERTS_LOCK,
)
"""Held until a transaction ends, as those of sessions are; the others are held by a connection."""

_NAMES = {
    SPLITS_LOCK: "splits",
    MIGRATION_LOCK: "migration",
    QUARTERS_LOCK: "quarters",
    ALL_SESSIONS_LOCK: "all sessions",
    COVERAGE_LOCK: "coverage",
    DISCOVERY_LOCK: "discovery",
    SEALING_LOCK: "sealing",
    VENDOR_LOCK: "vendor",
    DIVIDENDS_LOCK: "dividends",
    ACTIONS_LOCK: "actions",
    LISTINGS_LOCK: "listings",
    ALERTS_LOCK: "alerts",
}


_TWO_KEYS = 2


def name_of(first: int, second: int, kind: int) -> str | None:
    """The name of an advisory lock, from its three numbers in `pg_locks`; None if not one of these.

    Args:
        first: `classid`, the upper half of the key, or the first of two keys.
        second: `objid`, the lower half, or the second key.
        kind: `objsubid`, 2 for a lock of two keys, otherwise 1.
    """
    if kind == _TWO_KEYS:
        return f"session {date.fromordinal(second)}" if first == SESSION_LOCKS else None
    return _NAMES.get(second) if first == 0 else None


@contextmanager
def exclusive(connection: psycopg.Connection, number: int) -> Generator[None]:
    """Hold the advisory lock of that number for the block; wait for it first."""
    connection.execute("SELECT pg_advisory_lock(%s)", (number,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (number,))


def hold_until_commit(connection: psycopg.Connection, number: int) -> None:
    """Take the advisory lock of that number until the transaction ends; wait for it first."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
