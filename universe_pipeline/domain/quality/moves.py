"""Rules for how a symbol's price moves from bar to bar: jumps, splits, scale, spikes, identity.

A split is effective before the open of its execution date: a price before it times
split_from / split_to is comparable with one after it.
"""

from dataclasses import dataclass
from math import inf, log

import numpy as np
import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.lines import LARGE
from universe_pipeline.domain.quality.rules import (
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
)
from universe_pipeline.domain.quality.series import LISTING_GAP
from universe_pipeline.domain.thresholds import Thresholds

SEARCHED = 20
"""So many loaded sessions around a split's date its move is looked for."""

_TOLERANCE = log(1.2)
"""How far a day's trading may take a close from a split's ratio."""
_OPEN_TOLERANCE = 0.03
"""How far an open may be from n:1 to look like a split."""
_SIDES = np.array([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50])
_HUNDRED = log(100)
_RESTLESS = 10.0
"""So many times the usual move is a jump also in a restless symbol."""
_SPIKE, _BACK = log(1.3), log(1.1)
_OTHER_PRICE = log(1.5)


@dataclass(frozen=True, slots=True)
class Moves:
    """Large moves of judged bars, and bars at which a split took effect."""

    findings: list[Finding]
    unshown: pl.DataFrame
    """Splits that the prices did not follow: `symbol`, `date`, `at`, `factor`."""
    unexplained: pl.DataFrame
    """Large moves of symbols with splits that none explains: `symbol`, `date`, `at`, `off`."""


def judge_moves(lines: pl.DataFrame, splits: pl.DataFrame, thresholds: Thresholds) -> Moves:
    """Judge the moves to bars.

    Args:
        lines: the striking ones, lined up.
        splits: `symbol`, `execution_date`, `split_from`, `split_to`.
        thresholds: what counts as a jump.
    """
    coded = splits.select(
        pl.col("symbol").cast(lines.schema["symbol"]),
        "execution_date",
        ratio=(pl.col("split_from") / pl.col("split_to")).log(),
    )
    split = _split(lines, coded)
    moved = (
        lines.filter(pl.col("move").abs() > LARGE)
        .join(split.select("row", "factor"), on="row", how="left")
        .with_columns(factor=pl.col("factor").fill_null(0.0))
        .with_columns(
            off=pl.col("move") - pl.col("factor"),
            off_open=(pl.col("open") / pl.col("before")).log() - pl.col("factor"),
        )
        .filter(pl.col("off").abs() > LARGE)
    )
    return Moves(
        [*_classified(moved, thresholds), _spikes(lines, coded)],
        _unshown(split).select("symbol", "date", "at", "factor"),
        moved.join(coded, on="symbol", how="semi").select("symbol", "date", "at", "off"),
    )


def _split(lines: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """The lines at which splits took effect, with the logarithm of their ratio as `factor`."""
    factors = (
        lines.select("row", "symbol", "date", "date_before")
        .join(splits, on="symbol")
        .filter(_is_in_force("date_before"))
        .group_by("row")
        .agg(factor=pl.col("ratio").sum())
    )
    return lines.join(factors, on="row")


def _is_in_force(since: str) -> pl.Expr:
    """Whether a split's day is after that of the column `since`, up to the bar's."""
    return pl.col("execution_date").is_between(since, "date", closed="right")


def _unshown(split: pl.DataFrame) -> pl.DataFrame:
    """Of bars at which a split took effect, those whose price did not follow it."""
    off_open = (pl.col("open") / pl.col("before")).log() - pl.col("factor")
    off_close = pl.col("move") - pl.col("factor")
    return split.filter(
        (pl.col("factor").abs() > LARGE)
        & (pl.col("missing") < LISTING_GAP)
        & (pl.min_horizontal(off_open.abs(), off_close.abs()) > _TOLERANCE)
    )


def judge_splits(unshown: pl.DataFrame, unexplained: pl.DataFrame) -> Finding:
    """Judge the splits that prices did not follow, by where else they moved like them."""
    near = (
        unshown.join(unexplained, on="symbol", suffix="_moved")
        .filter(
            ((pl.col("at") - pl.col("at_moved")).abs() <= SEARCHED)
            & ((pl.col("off") - pl.col("factor")).abs() < _TOLERANCE)
        )
        .group_by("symbol", "date")
        .agg(pl.col("date_moved").first())
    )
    told = unshown.join(near, on=["symbol", "date"], how="left")
    where = (
        pl.when(pl.col("date_moved").is_null())
        .then(pl.lit("the price did not move"))
        .otherwise(pl.format("the price moved on {} instead", "date_moved"))
    )
    ratio = (-pl.col("factor")).exp().round(4)
    return framed(
        SPLITS_SHOWN,
        told,
        weight=pl.col("factor").abs(),
        detail=pl.format("a split of {} for 1: {}", ratio, where),
    )


def _classified(moved: pl.DataFrame, thresholds: Thresholds) -> list[Finding]:
    """Each large move under the one rule that says most about it."""
    times = np.exp(moved["off_open"].abs().to_numpy())
    nearest = pl.lit(pl.Series(np.abs(times[:, np.newaxis] / _SIDES - 1).min(axis=1, initial=inf)))
    size = pl.col("off").abs()
    usual = pl.col("usual_move").fill_null(0)
    listing = pl.col("missing") >= LISTING_GAP
    kind = (
        pl.when(listing & (size > _OTHER_PRICE))
        .then(pl.lit(ONE_COMPANY.name))
        .when(listing)
        .then(None)
        .when((size - _HUNDRED).abs() < LARGE)
        .then(pl.lit(SCALE_KEPT.name))
        .when((nearest < _OPEN_TOLERANCE) & (size > _OTHER_PRICE))
        .then(pl.lit(SPLITS_KNOWN.name))
        .when((size > log(1 + thresholds.jump)) & (size > _RESTLESS * usual))
        .then(pl.lit(JUMPS_EXPLAINED.name))
    )
    judged = moved.with_columns(_kind=kind)
    detail = pl.format("close {} after {}", "close", "before")
    return [
        framed(rule, judged.filter(pl.col("_kind") == rule.name), size, detail)
        for rule in (JUMPS_EXPLAINED, SPLITS_KNOWN, SCALE_KEPT, ONE_COMPANY)
    ]


def _spikes(lines: pl.DataFrame, splits: pl.DataFrame) -> Finding:
    """A spike is told when the bar after it is judged, under the day of the spike."""
    back = pl.col("there") + pl.col("move")
    spikes = lines.filter((pl.col("there").abs() > _SPIKE) & (back.abs() < _BACK))
    split = spikes.join(splits, on="symbol").filter(_is_in_force("date_there"))
    spikes = spikes.join(split, on="row", how="anti")
    return framed(
        NO_SPIKES,
        spikes.with_columns(date="date_before"),
        weight=pl.col("there").abs(),
        detail=pl.format("close {} between {} and {}", "before", "close_there", "close"),
    )
