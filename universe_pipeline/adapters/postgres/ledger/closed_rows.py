"""Old rows of the ledger that are closed: resolved failures, and refusals that were approved.

Nothing asks for them again. Open ones stay however old they are, as do all revisions.
"""

from dataclasses import dataclass
from datetime import datetime

from universe_pipeline.adapters.postgres.connection import Connection


@dataclass(frozen=True, slots=True)
class ClosedRows:
    """How many rows."""

    failures: int
    """Of `data_fetch_errors`."""
    refusals: int
    """Of `refused_answers`."""


_COUNT = """
    SELECT (SELECT count(*) FROM data_fetch_errors WHERE resolved_at < %(before)s),
           (SELECT count(*) FROM refused_answers WHERE stored_at < %(before)s)
    """

_DELETE = """
    WITH failures AS (
        DELETE FROM data_fetch_errors WHERE resolved_at < %(before)s RETURNING id
    ), refusals AS (
        DELETE FROM refused_answers WHERE stored_at < %(before)s RETURNING id
    )
    SELECT (SELECT count(*) FROM failures), (SELECT count(*) FROM refusals)
    """


def measure(connection: Connection, before: datetime) -> ClosedRows:
    """What `delete` would delete."""
    return _executed(connection, _COUNT, before)


def delete(connection: Connection, before: datetime) -> ClosedRows:
    """Delete the rows that were closed before a moment."""
    return _executed(connection, _DELETE, before)


def _executed(connection: Connection, query: str, before: datetime) -> ClosedRows:
    row = connection.execute(query.encode(), {"before": before}).fetchone()
    return ClosedRows(*(row or (0, 0)))
