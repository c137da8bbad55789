"""`data_fetch_errors`: a row for every failure that outlived its retries."""

from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.errors import VendorError


@dataclass(frozen=True, slots=True)
class OpenFailure:
    """A failure that no later load has resolved."""

    occurred_at: datetime
    endpoint: str
    symbol: str | None
    day: date | None
    kind: str
    http_status: int | None
    message: str
    attempts: int
    retryable: bool


def record_failure(
    connection: psycopg.Connection,
    error: VendorError,
    *,
    symbol: str | None = None,
    day: date | None = None,
    run_id: str | None = None,
) -> None:
    """Write one row, at once."""
    connection.execute(
        """
        INSERT INTO data_fetch_errors
            (endpoint, symbol, date, kind, http_status, message, attempts, retryable, run_id)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            storable(error.endpoint),
            None if symbol is None else storable(symbol),
            day,
            error.kind.value,
            error.http_status,
            storable(error.message),
            error.attempts,
            error.retryable,
            run_id,
        ),
    )


def resolve_reference_failures(connection: psycopg.Connection) -> None:
    """A discovery has succeeded: failures of the reference lists are history."""
    connection.execute(
        "UPDATE data_fetch_errors SET resolved_at = now()"
        " WHERE symbol IS NULL AND date IS NULL AND resolved_at IS NULL"
    )


_OPEN = """
    SELECT occurred_at, endpoint, symbol, date, kind, http_status, message, attempts, retryable
    FROM data_fetch_errors WHERE resolved_at IS NULL
    """


def open_failures(connection: psycopg.Connection) -> list[OpenFailure]:
    """Every open failure, oldest first."""
    rows = connection.execute(_OPEN + " ORDER BY id")
    return [OpenFailure(*row) for row in rows]


def failures_of_run(connection: psycopg.Connection, run_id: str) -> list[OpenFailure]:
    """The open failures that one run left, oldest first."""
    rows = connection.execute(_OPEN + " AND run_id = %s ORDER BY id", (run_id,))
    return [OpenFailure(*row) for row in rows]
