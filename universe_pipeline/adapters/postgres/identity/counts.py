"""How many securities and listings there are."""

from dataclasses import dataclass

import psycopg


@dataclass(frozen=True, slots=True)
class Identities:
    """How many there are."""

    securities: int
    """With a listing."""
    listings: int
    unknown: int
    """Listings that nothing ties to a security."""


def identities(connection: psycopg.Connection) -> Identities:
    """Count what is stored."""
    return Identities(
        *connection.execute(
            "SELECT count(DISTINCT security_id), count(*),"
            " count(*) FILTER (WHERE evidence = 'unknown') FROM listings"
        ).fetchall()[0]
    )
