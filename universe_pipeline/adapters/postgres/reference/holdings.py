"""Who bore a symbol when: the listings that a read of chosen symbols needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.packing import Numbers, Pack, query, texts, unpack

_HOLDINGS = """
    WITH asked AS (
        SELECT security_id FROM listings WHERE symbol = ANY (%(symbols)s)
        UNION SELECT coalesce(merged_into, security_id) FROM securities
        WHERE security_id = ANY (%(ids)s)
    )
    SELECT l.symbol, l.valid_from, l.valid_to, l.security_id, s.security_key
    FROM asked JOIN listings l USING (security_id) JOIN securities s USING (security_id)
    ORDER BY l.security_id, l.valid_from
    """

_PACKS = (
    Pack(("security_id",), "string_agg(int8send(security_id), '')", ">i8"),
    Pack(("first",), "string_agg(int4send(held_from - '1970-01-01'), '')", ">i4"),
    Pack(("until",), "string_agg(int4send(held_until - '1970-01-01'), '')", ">i4"),
)

OF_SYMBOL = """
    listings WHERE security_id IN (SELECT security_id FROM listings WHERE symbol = %(symbol)s)
    """
"""The listings of the securities that ever bore a symbol, as after FROM."""

_UNKNOWN = """
    SELECT asked FROM unnest(%s::text[]) AS asked
    WHERE NOT EXISTS (SELECT FROM symbols WHERE symbol = asked)
      AND NOT EXISTS (SELECT FROM data_coverage WHERE symbol = asked)
      AND NOT EXISTS (SELECT FROM daily_bars WHERE symbol = asked)
    """

_ALL = f"""
    SELECT {", ".join(f"coalesce({pack.sql}, '')" for pack in _PACKS)},
           coalesce(string_agg(textsend(symbol), '\\x00'::bytea), ''), array_agg(type)
    FROM (
        SELECT symbol, type, security_id, greatest(valid_from, %(first)s) AS held_from,
               least(valid_to, %(last)s::date + 1) AS held_until
        FROM listings
        UNION ALL
        SELECT symbol, type, 0, %(first)s, %(last)s::date + 1 FROM symbols
        WHERE NOT (SELECT EXISTS (SELECT FROM listings))
    ) AS held WHERE held_from < held_until
    """
"""Until listings are built, the types of today, as in `universe_bars`."""


@dataclass(frozen=True, slots=True)
class Holders:
    """Every listing of some days: a row each."""

    symbols: pl.Series
    types: Sequence[str | None]
    ids: Numbers
    """Security ids; 0 until listings are built."""
    first: Numbers
    """Days since 1970-01-01."""
    until: Numbers
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A security under one symbol."""

    symbol: str
    first: date
    until: date | None
    """Exclusive; None: still listed."""
    security_id: int
    security_key: str


def holdings(
    connection: psycopg.Connection, symbols: Sequence[str], ids: Sequence[int]
) -> list[Holding]:
    """Every listing of the securities that ever bore one of `symbols`, or have one of `ids`.

    By security and day. A merged security means its successor.
    """
    given = {"symbols": list(symbols), "ids": list(ids)}
    return [Holding(*row) for row in connection.execute(_HOLDINGS, given, prepare=True)]


def holders(connection: psycopg.Connection, first: date, last: date) -> Holders:
    """Who bore any symbol from `first` to `last`."""
    with connection.cursor(binary=True) as cursor:
        given = {"first": first, "last": last}
        row: Any = cursor.execute(query(_ALL), given, prepare=True).fetchone()
    *packed, symbols, types = row
    found = unpack(_PACKS, packed)
    return Holders(
        texts(symbols) if types else pl.Series([], dtype=pl.String),
        types or [],
        found["security_id"],
        found["first"],
        found["until"],
    )


def successors(connection: psycopg.Connection, ids: Sequence[int]) -> dict[int, int]:
    """The security that each of `ids` is by now; an unknown one is absent."""
    rows = connection.execute(
        "SELECT security_id, coalesce(merged_into, security_id) FROM securities"
        " WHERE security_id = ANY (%s)",
        (list(ids),),
    )
    return dict(rows.fetchall())


def unknown_symbols(connection: psycopg.Connection, symbols: Sequence[str]) -> list[str]:
    """Those of `symbols` that no reference list has and no bar."""
    return [symbol for (symbol,) in connection.execute(_UNKNOWN, (list(symbols),))]


def any_listing(connection: psycopg.Connection) -> bool:
    """Whether listings were built."""
    row = connection.execute("SELECT EXISTS (SELECT FROM listings)").fetchone()
    return row == (True,)


def choose_types(connection: psycopg.Connection, types: Sequence[str]) -> None:
    """Let the universe be of `types` until the transaction ends."""
    connection.execute("SELECT set_config('universe.types', %s, true)", (",".join(types),))
