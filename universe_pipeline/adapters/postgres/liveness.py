"""Who still works on what: a lock in the database that its process holds.

The lock goes with the process (or machine, or connection), whatever ends it; no pid can say so.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress

import psycopg

from universe_pipeline.adapters.postgres.connection import Database


@contextmanager
def held(database: Database, what: str) -> Generator[bool]:
    """Hold the lock of `what` for the block; yields false when another process holds it."""
    connection = database.open()
    try:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (what,)
        ).fetchone()
        yield bool(row and row[0])
    finally:
        # Closing would let go too, but only when the server has noticed.
        with suppress(psycopg.OperationalError):  # a lost connection holds nothing
            connection.execute("SELECT pg_advisory_unlock_all()")
        connection.close()


def share(connection: psycopg.Connection, what: str) -> None:
    """Hold the lock of `what` together with others, for as long as `connection` lives."""
    connection.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (what,))


def is_held(connection: psycopg.Connection, what: str) -> bool:
    """Whether some process holds the lock; only looks, so as not to be in anybody's way."""
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0))
        """,
        (what,),
    ).fetchone()
    return bool(row and row[0])
