"""Which windows of dividends were read, were refused, and are beyond the plan."""

from datetime import date
from typing import Any

import psycopg

from universe_pipeline.adapters.postgres.ledger import fetch_errors
from universe_pipeline.adapters.postgres.ledger.refused_answers import refused_windows
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.windows import Read, Reading, Window, history_since


def reading(connection: psycopg.Connection, start: date) -> Reading:
    """What was read of the dividends, where bars are wanted from the day `start` on."""
    return Reading(
        history_since(start),
        _reads(connection),
        refused_windows(connection, Dataset.DIVIDENDS),
        fetch_errors.beyond_plan(connection, Dataset.DIVIDENDS),
    )


def _reads(connection: psycopg.Connection) -> list[Read]:
    """The windows that came in whole, each at its newest request.

    Where no dividend is stored there are none: empty answers alone prove nothing.
    """
    rows: list[Any] = connection.execute(
        "SELECT first_date, last_date, max(taken_at) FROM dividend_snapshots"
        " WHERE EXISTS (SELECT FROM dividends) GROUP BY 1, 2"
    ).fetchall()
    return [Read(Window(first, last), at) for first, last, at in rows]
