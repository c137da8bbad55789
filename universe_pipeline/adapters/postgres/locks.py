"""Turns: what two processes must not do at once, the second one waits for."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg


@contextmanager
def turn(connection: psycopg.Connection, number: int) -> Generator[None]:
    """Wait until nobody else has the turn of that number, and have it for the block."""
    connection.execute("SELECT pg_advisory_lock(%s)", (number,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (number,))
