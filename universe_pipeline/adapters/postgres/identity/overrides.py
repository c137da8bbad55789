"""`listing_overrides`: the owner's word, and the listings that it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

from universe_pipeline.adapters.postgres.locks import LISTINGS_LOCK, hold_until_commit
from universe_pipeline.domain.listings.judging import Override


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `listings`, with its security's key."""

    security_id: int
    security_key: str
    symbol: str
    name: str
    type: str | None
    primary_exchange: str | None
    valid_from: date
    valid_to: date | None
    end_reason: str | None
    evidence: str
    last_bar: date | None
    """The symbol's newest session with a bar: of a listing without an end, its own."""


_ROWS = """
    SELECT l.security_id, s.security_key, l.symbol, l.name, l.type, l.primary_exchange,
           l.valid_from, l.valid_to, l.end_reason, l.evidence, c.last_date
    FROM listings l JOIN securities s USING (security_id)
    LEFT JOIN data_coverage c ON c.symbol = l.symbol
    WHERE (%(symbol)s::text IS NULL
           OR security_id IN (SELECT security_id FROM listings WHERE symbol = %(symbol)s))
      AND (%(security_id)s::bigint IS NULL OR security_id = %(security_id)s)
      AND (l.evidence = 'unknown' OR NOT %(unknown)s)
    ORDER BY min(valid_from) OVER (PARTITION BY security_id), security_id, valid_from
    """


def listings(
    connection: psycopg.Connection, symbol: str | None = None, *, unknown: bool = False
) -> list[Row]:
    """Listings by security and time.

    Args:
        connection: to read.
        symbol: only those of securities that ever bore it.
        unknown: only those that nothing ties to a security.
    """
    return _rows(connection, symbol=symbol, unknown=unknown)


def security(connection: psycopg.Connection, security_id: int) -> Sequence[Row]:
    """The listings of one security, in order."""
    return _rows(connection, security_id=security_id)


def _rows(
    connection: psycopg.Connection,
    *,
    symbol: str | None = None,
    security_id: int | None = None,
    unknown: bool = False,
) -> list[Row]:
    given = {"symbol": symbol, "security_id": security_id, "unknown": unknown}
    return [Row(*row) for row in connection.execute(_ROWS, given)]


def add(
    connection: psycopg.Connection, override: Override, reason: str, made_by: str | None
) -> None:
    """Keep the owner's word; in a transaction."""
    hold_until_commit(connection, LISTINGS_LOCK)
    other, other_day = override.other or (None, None)
    connection.execute(
        "INSERT INTO listing_overrides"
        " (kind, symbol, day, other_symbol, other_day, reason, made_by, made_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp())",
        (
            "split" if other is None else "join",
            override.symbol,
            override.day,
            other,
            other_day,
            reason,
            made_by,
        ),
    )
