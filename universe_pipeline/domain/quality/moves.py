"""Rules for how a symbol's price moves from bar to bar: jumps, splits, scale, spikes, identity.

A split is effective before the open of its execution date: a price before it times
split_from / split_to is comparable with one after it.
"""

from dataclasses import dataclass
from math import log

import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.lines import Window, codes
from universe_pipeline.domain.quality.rules import (
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
)
from universe_pipeline.domain.quality.series import LISTING_GAP, USUAL, of_bars_before
from universe_pipeline.domain.thresholds import Thresholds

SEARCHED = 20
"""So many loaded sessions around a split's date its move is looked for."""

_LARGE = log(1.25)
"""Smaller moves and splits are not looked at: a day's trading may do that."""
_TOLERANCE = log(1.2)
"""How far a day's trading may take a close from a split's ratio."""
_OPEN_TOLERANCE = 0.03
"""How far an open may be from n:1 to look like a split."""
_SIDES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50)
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


def judge_moves(
    window: Window, lines: pl.DataFrame, splits: pl.DataFrame, thresholds: Thresholds
) -> Moves:
    """Judge the moves to the judged bars of `lines`.

    Args:
        window: the bars.
        lines: the same, lined up.
        splits: `symbol`, `execution_date`, `split_from`, `split_to`.
        thresholds: what counts as a jump.
    """
    usual = of_bars_before(pl.col("move").abs().rolling_mean(USUAL, min_samples=1))
    large = lines.select("row", "at", "before", "move", "missing", "judged", usual=usual).filter(
        (pl.col("move").abs() > _LARGE) & pl.col("judged")
    )
    factors = _factors(window, lines, splits)
    moved = (
        window.of(large)
        .join(factors.select("row", "factor"), on="row", how="left")
        .with_columns(factor=pl.col("factor").fill_null(0.0))
        .with_columns(
            off=pl.col("move") - pl.col("factor"),
            off_open=(pl.col("open") / pl.col("before")).log() - pl.col("factor"),
        )
        .filter(pl.col("off").abs() > _LARGE)
    )
    unshown = _unshown(window.of(factors.filter("judged")))
    findings = [*_classified(moved, thresholds), _spikes(window, lines, factors)]
    return Moves(
        findings,
        unshown.select("symbol", "date", "at", "factor"),
        moved.join(splits, on="symbol", how="semi").select("symbol", "date", "at", "off"),
    )


def _factors(window: Window, lines: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """The lines at which splits took effect, with the logarithm of their ratio as `factor`."""
    days = window.days
    timely = splits.filter(pl.col("execution_date").is_between(days.min(), days.max()))
    coded = timely.select(
        "execution_date",
        code=codes(timely["symbol"]),
        ratio=(pl.col("split_from") / pl.col("split_to")).log(),
    )
    theirs = lines.filter(pl.col("same") & pl.col("code").is_in(coded["code"].unique().implode()))
    dated = theirs.with_columns(
        date=window.bars["date"][theirs["row"]], last=days[theirs["day_before"]]
    )
    effective = dated.join(coded, on="code").filter(
        (pl.col("last") < pl.col("execution_date")) & (pl.col("execution_date") <= pl.col("date"))
    )
    factors = effective.group_by("row").agg(factor=pl.col("ratio").sum())
    return theirs.join(factors, on="row").select(
        "row", "at", "before", "move", "missing", "judged", "factor"
    )


def _unshown(split: pl.DataFrame) -> pl.DataFrame:
    """Of bars at which a split took effect, those whose price did not follow it."""
    off_open = (pl.col("open") / pl.col("before")).log() - pl.col("factor")
    off_close = pl.col("move") - pl.col("factor")
    return split.filter(
        (pl.col("factor").abs() > _LARGE)
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
    times = pl.col("off_open").abs().exp()
    nearest = pl.min_horizontal((times / side - 1).abs() for side in _SIDES)
    size = pl.col("off").abs()
    listing = pl.col("missing") >= LISTING_GAP
    kind = (
        pl.when(listing & (size > _OTHER_PRICE))
        .then(pl.lit(ONE_COMPANY.name))
        .when(listing)
        .then(None)
        .when((size - _HUNDRED).abs() < _LARGE)
        .then(pl.lit(SCALE_KEPT.name))
        .when((nearest < _OPEN_TOLERANCE) & (size > _OTHER_PRICE))
        .then(pl.lit(SPLITS_KNOWN.name))
        .when((size > log(1 + thresholds.jump)) & (size > _RESTLESS * pl.col("usual").fill_null(0)))
        .then(pl.lit(JUMPS_EXPLAINED.name))
    )
    judged = moved.with_columns(_kind=kind)
    detail = pl.format("close {} after {}", "close", "before")
    return [
        framed(rule, judged.filter(pl.col("_kind") == rule.name), size, detail)
        for rule in (JUMPS_EXPLAINED, SPLITS_KNOWN, SCALE_KEPT, ONE_COMPANY)
    ]


def _spikes(window: Window, lines: pl.DataFrame, factors: pl.DataFrame) -> Finding:
    """A spike is told when the bar after it is judged, under the day of the spike."""
    there, back = pl.col("move").shift(1), pl.col("move")
    spikes = lines.select(
        "judged",
        "code",
        row=pl.col("row").shift(1),
        back_row="row",
        there=there,
        total=there + back,
        before=pl.col("before").shift(1),
        after="close",
        chained=pl.col("same") & pl.col("same").shift(1),
    ).filter(
        pl.col("judged")
        & pl.col("chained")
        & (pl.col("there").abs() > _SPIKE)
        & (pl.col("total").abs() < _BACK)
    )
    split = factors["row"].implode()
    spikes = spikes.filter(~pl.col("row").is_in(split) & ~pl.col("back_row").is_in(split))
    return framed(
        NO_SPIKES,
        window.of(spikes),
        weight=pl.col("there").abs(),
        detail=pl.format("close {} between {} and {}", "close", "before", "after"),
    )
