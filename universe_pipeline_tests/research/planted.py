"""Securities, listings and steps written by hand."""

from collections.abc import Iterable
from datetime import date

from universe_pipeline.adapters.postgres.connection import Connection

Listing = tuple[int, str, str, date, date | None]
"""Security, symbol, type, first day, day after the last one (None: still listed)."""


def plant_listings(connection: Connection, listings: Iterable[Listing]) -> dict[int, int]:
    """Store listings; returns the id that each security was given."""
    ids: dict[int, int] = {}
    for security, symbol, kind, first, until in listings:
        if security not in ids:
            row = connection.execute(
                "INSERT INTO securities (security_key, created_at) VALUES (%s, now())"
                " RETURNING security_id",
                (f"{symbol}@{first}",),
            ).fetchone()
            assert row is not None
            ids[security] = row[0]
        connection.execute(
            "INSERT INTO listings (security_id, symbol, name, type, valid_from, valid_to,"
            " end_reason, evidence, believed_from)"
            " VALUES (%s, %s, '', %s, %s, %s, %s, 'bars', now())",
            (ids[security], symbol, kind, first, until, None if until is None else "unknown"),
        )
    return ids


def plant_step(
    connection: Connection, security_id: int, since: date, split: float, dividend: float
) -> None:
    """Store the products of a security from a day on; steps come in the order of their days."""
    connection.execute(
        "UPDATE adjustment_steps SET until = %s WHERE security_id = %s AND until IS NULL",
        (since, security_id),
    )
    connection.execute(
        "INSERT INTO adjustment_steps VALUES (%s, %s, NULL, %s, %s)",
        (security_id, since, split, dividend),
    )


def plant_dividend(connection: Connection, symbol: str, ex_date: date) -> None:
    """Store a dividend, of an answer that had all since 2000, and that it was judged."""
    connection.execute(
        "INSERT INTO dividend_snapshots VALUES"
        " (now(), '2000-01-01', NULL, 'test', 1, 1, 0, 0, 0, '') ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO action_verdicts (kind, symbol, action_date, verdict, judged_at, believed_from)"
        " VALUES ('dividend', %s, %s, 'unassigned', now(), now())",
        (symbol, ex_date),
    )
    connection.execute(
        "INSERT INTO dividends (symbol, ex_date, n, cash_amount, currency, fetched_at,"
        " believed_from) VALUES (%s, %s, 1, 0.5, 'USD', now(), now())",
        (symbol, ex_date),
    )
