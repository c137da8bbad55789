"""Stored bars against the per-symbol endpoint: do both ways to a bar say the same?"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.loads import states
from universe_pipeline.adapters.postgres.reading import covered_symbols, symbol_bars
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA, Bars, Failed

VALUES = ("open", "high", "low", "close", "volume", "vwap", "transactions")


@dataclass(frozen=True, slots=True)
class Difference:
    """One bar (or one request) that does not agree."""

    symbol: str
    day: date
    text: str


def draw_symbols(connection: Connection, size: int, seed: int) -> list[str]:
    """Up to `size` symbols of the universe that have bars; the same for the same seed."""
    symbols = covered_symbols(connection)
    return random.Random(seed).sample(symbols, min(size, len(symbols)))  # noqa: S311  # no secret


def compare(
    client: PolygonClient, connection: Connection, symbol: str, sessions: Sequence[date]
) -> list[Difference]:
    """Every stored bar of `symbol` on `sessions` that the vendor has otherwise, or has not."""
    answer = client.symbol_daily(symbol, sessions[0], sessions[-1])
    if isinstance(answer, Failed):
        return [Difference(symbol, sessions[0], f"could not be compared: {answer.error}")]
    theirs = answer.frame if isinstance(answer, Bars) else DATED_BAR_SCHEMA.to_frame()
    ours = symbol_bars(connection, symbol, sessions)
    loaded = [
        day for day, state in states(connection, sessions).items() if state.status == "loaded"
    ]
    expected = theirs.filter(
        pl.col("date").is_in(loaded) | pl.col("date").is_in(ours["date"].to_list())
    )
    both = ours.join(expected, on="date", how="full", suffix="_theirs", coalesce=True)
    return [
        Difference(symbol, row["date"], text)
        for row in both.sort("date").iter_rows(named=True)
        if (text := _difference(row))
    ]


def _difference(row: dict[str, object]) -> str:
    if row["symbol"] is None:
        return "not stored, and the per-symbol endpoint has a bar"
    if row["symbol_theirs"] is None:
        return "stored, and the per-symbol endpoint has no bar"
    differing = (name for name in VALUES if row[name] != row[f"{name}_theirs"])
    return ", ".join(
        f"{name} {row[name]} here, {row[f'{name}_theirs']} there" for name in differing
    )
