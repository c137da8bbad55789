"""Bars, listings and actions, written straight into the tables."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.sessions import sessions_between

DAYS = sessions_between(date(2024, 4, 1), date(2024, 9, 30))
"""The sessions of two quarters, which the tests' database has tables for."""

LONG_AGO = datetime(2024, 10, 1, tzinfo=UTC)
NOW = datetime(2024, 10, 1, 22, 0, tzinfo=UTC)
"""An evening after the last of `DAYS`."""


def write_bars(
    connection: Connection,
    symbol: str,
    days: Iterable[date],
    moves: dict[date, float] | None = None,
    *,
    level: float = 100.0,
) -> None:
    """Bars that move a hundredth a day, up and down; their sessions were loaded long ago.

    Each of `moves` multiplies all prices from its day on.
    """
    rows, loads = list[tuple[object, ...]](), list[tuple[date, datetime]]()
    for n, day in enumerate(days):
        level *= (moves or {}).get(day, 1.0)
        prices = (level, level * 1.02, level / 1.02, level * (1.01 if n % 2 else 1.0))
        rows.append((day, symbol, *prices, 1e6 / 3, level * 1.003))
        loads.append((day, LONG_AGO))
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO daily_bars (date, symbol, open, high, low, close, volume, vwap,"
            " transactions, source) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 7, 'grouped')",
            rows,
        )
        cursor.executemany(
            "INSERT INTO session_loads (date, status, received, stored, rejected, revised,"
            " final, source, fetched_at) VALUES (%s, 'loaded', 1, 1, 0, 0, true, 'grouped', %s)"
            " ON CONFLICT DO NOTHING",
            loads,
        )


def list_security(
    connection: Connection, number: int, *listings: tuple[str, date, date | None]
) -> None:
    """A security under one symbol after the other: each from a day to before another, or to now."""
    connection.execute(
        "INSERT INTO securities (security_id, security_key, created_at) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, %s, %s)",
        (number, f"{listings[0][0]}@{listings[0][1]}", LONG_AGO),
    )
    for symbol, since, until in listings:
        connection.execute(
            "INSERT INTO listings (security_id, symbol, name, type, valid_from, valid_to,"
            " end_reason, evidence, believed_from)"
            " VALUES (%s, %s, '', 'CS', %s, %s, %s, 'figi', %s)",
            (number, symbol, since, until, None if until is None else "renamed", LONG_AGO),
        )


def list_split(
    connection: Connection,
    symbol: str,
    day: date,
    new: float,
    old: float = 1.0,
    at: datetime = LONG_AGO,
) -> None:
    """A split in the vendor's list, or another ratio for a listed one."""
    connection.execute(
        "INSERT INTO splits VALUES (%s, %s, %s, %s, NULL, %s, %s) ON CONFLICT (symbol,"
        " execution_date) DO UPDATE SET split_from = excluded.split_from,"
        " split_to = excluded.split_to, believed_from = excluded.believed_from",
        (symbol, day, old, new, at, at),
    )


def list_dividends(
    connection: Connection, symbol: str, day: date, *amounts: float, currency: str | None = "USD"
) -> None:
    """The vendor's dividends of a day, numbered; of an answer that had all since 2000."""
    connection.execute(
        "INSERT INTO dividend_snapshots VALUES"
        " (%s, '2000-01-01', NULL, 'test', 1, 1, 0, 0, 0, '') ON CONFLICT DO NOTHING",
        (LONG_AGO,),
    )
    for n, cash in enumerate(amounts, 1):
        connection.execute(
            "INSERT INTO dividends (symbol, ex_date, n, cash_amount, currency, fetched_at,"
            " believed_from) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (symbol, day, n, cash, currency, LONG_AGO, LONG_AGO),
        )
