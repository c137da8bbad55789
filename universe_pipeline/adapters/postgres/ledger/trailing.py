"""The loaded sessions before one, which say how many rows are usual."""

from collections.abc import Callable
from datetime import date

import psycopg

from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS


def trailing_median(connection: psycopg.Connection, session: date) -> Callable[[], float | None]:
    """Ask how many rows the twenty loaded sessions before usually hold; None with fewer of them.

    What is returned gives the answer: it can be asked for together with others in a pipeline.
    """
    asked = connection.execute(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY rows) FROM (
            SELECT greatest(answered, stored) AS rows FROM session_loads
            WHERE date < %(session)s AND date > %(session)s - %(days)s AND status = 'loaded'
            ORDER BY date DESC LIMIT %(sessions)s
        ) before
        HAVING count(*) = %(sessions)s
        """,
        {"session": session, "days": TRAILING_DAYS, "sessions": TRAILING},
    )

    def median() -> float | None:
        row = asked.fetchone()
        return None if row is None else float(row[0])

    return median


def trailing_sessions(connection: psycopg.Connection, session: date) -> list[date]:
    """The up to twenty loaded sessions before that say what is usual, the newest first."""
    rows = connection.execute(
        "SELECT date FROM session_loads"
        " WHERE date < %(session)s AND date > %(session)s - %(days)s AND status = 'loaded'"
        " ORDER BY date DESC LIMIT %(sessions)s",
        {"session": session, "days": TRAILING_DAYS, "sessions": TRAILING},
    )
    return [row[0] for row in rows]
