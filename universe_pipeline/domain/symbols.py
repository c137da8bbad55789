"""Securities of the reference lists: their shape, and which row speaks for a symbol."""

from dataclasses import dataclass

import polars as pl

SYMBOL_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "name": pl.String(),
        "type": pl.String(),
        "primary_exchange": pl.String(),
        "currency": pl.String(),
        "cik": pl.String(),
        "composite_figi": pl.String(),
        "share_class_figi": pl.String(),
        "active": pl.Boolean(),
        "delisted_date": pl.Date(),
        "last_updated_utc": pl.Datetime("us", "UTC"),
    }
)
"""A reference list. Only `symbol`, `name` and `active` are never null; `type` is an open set."""


@dataclass(frozen=True, slots=True)
class Universe:
    """Both reference lists after duplicates are resolved: one row a symbol."""

    symbols: pl.DataFrame
    """`SYMBOL_SCHEMA`, sorted by symbol, unique."""
    superseded: pl.DataFrame
    """`SYMBOL_SCHEMA`: the rows that another row of the same symbol speaks for."""


def resolve(listed: pl.DataFrame) -> Universe:
    """Choose the row that speaks for each symbol of `listed` (both lists, concatenated).

    An active row wins over a delisted one, then the newest `last_updated_utc`, then the row that
    knows its type, then the one that came first. The vendor does list symbols twice: THC with
    two CIKs in 2024, UST with and without one in 2025.
    """
    ranked = listed.with_row_index("_order").sort(
        "symbol",
        pl.col("active").fill_null(value=False),
        "last_updated_utc",
        pl.col("type").is_not_null(),
        "_order",
        descending=[False, True, True, True, False],
        nulls_last=True,
    )
    speaks = ranked["symbol"].is_first_distinct()
    columns = list(SYMBOL_SCHEMA)
    return Universe(
        symbols=ranked.filter(speaks).select(columns),
        superseded=ranked.filter(~speaks).select(columns),
    )
