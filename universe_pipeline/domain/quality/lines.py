"""Bars lined up: symbol by symbol in the order of their dates, each with the one before it.

Everything here is about many bars at once, so the lines hold numbers alone: a code instead of the
symbol, and the place of the bar among those given, where the rest of it is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA


@dataclass(frozen=True, slots=True)
class Window:
    """Bars of sessions to be judged, with what came before them."""

    bars: pl.DataFrame
    """`DATED_BAR_SCHEMA`, in the order of their dates."""
    judged: Sequence[date]
    """The days whose bars are judged; the others are there to be compared with."""
    loaded: Sequence[date]
    """Every loaded session from the first bar's day on, in order."""

    @property
    def days(self) -> pl.Series:
        """The dates that have bars, in order."""
        return self.bars["date"].unique().sort()

    def of(self, lines: pl.DataFrame) -> pl.DataFrame:
        """`lines` with the bars that they are about: all columns of both."""
        bars = self.bars[lines["row"]]
        return bars.hstack(lines.select(pl.exclude(DATED_BAR_SCHEMA.names())))


def codes(symbols: pl.Series) -> pl.Series:
    """`symbols` as quick to compare as numbers, and comparable with one another."""
    return symbols.cast(pl.Categorical)


def line_up(window: Window) -> pl.DataFrame:
    """A row a bar, ordered by symbol and date.

    `row` is its place in the window's bars, `day` that of its date among the window's days, `at`
    the number of loaded sessions up to it, and `here` whether its own is one of them. `same` says
    that the bar before is of the same symbol: then `before`, `volume_before`, `day_before`,
    `missing` (loaded sessions in between) and `move` are about it, otherwise null. `last` marks
    the last bar of its symbol.
    """
    bars = window.bars
    code = codes(bars["symbol"])
    by_symbol = pl.Series(np.argsort(code.to_physical().to_numpy(), kind="stable"))
    lines = pl.DataFrame(
        {
            "row": by_symbol,
            "code": code[by_symbol],
            "day": _days(window)[by_symbol],
            "close": bars["close"][by_symbol],
            "volume": bars["volume"][by_symbol],
        }
    )
    return (
        lines.hstack(_of_days(window)[lines["day"]])
        .with_columns(
            same=(pl.col("code") == pl.col("code").shift(1)).fill_null(value=False),
            last=(pl.col("code") != pl.col("code").shift(-1)).fill_null(value=True),
        )
        .with_columns(
            before=_of_same(pl.col("close").shift(1)),
            volume_before=_of_same(pl.col("volume").shift(1)),
            day_before=_of_same(pl.col("day").shift(1)),
            missing=_of_same(pl.col("at") - pl.col("here") - pl.col("at").shift(1)),
        )
        .with_columns(move=(pl.col("close") / pl.col("before")).log())
    )


def _of_same(value: pl.Expr) -> pl.Expr:
    return pl.when("same").then(value)


def _days(window: Window) -> pl.Series:
    """The place of each bar's date among the window's days."""
    lengths = window.bars["date"].rle().struct.field("len")
    return pl.Series(np.repeat(np.arange(len(lengths), dtype=np.int32), lengths.to_numpy()))


def _of_days(window: Window) -> pl.DataFrame:
    days, loaded = window.days, pl.Series("date", window.loaded, pl.Date)
    return pl.DataFrame(
        {
            "at": loaded.search_sorted(days, side="right").cast(pl.Int32),
            "here": days.is_in(loaded.implode()).cast(pl.Int32),
            "judged": days.is_in(pl.Series("date", window.judged, pl.Date).implode()),
        }
    )
