"""Rules for one symbol's bars beside each other: gaps, standstills, volumes, placeholders."""

import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.lines import Window
from universe_pipeline.domain.quality.rules import (
    CLOSES_MOVE,
    NO_GAPS,
    PLACEHOLDERS_CARRY,
    VOLUME_USUAL,
)
from universe_pipeline.domain.thresholds import Thresholds

USUAL = 20
"""So many bars before one say what is usual for its symbol."""

LISTING_GAP = 20
"""So many loaded sessions without a bar are no halt: a listing ended, another began."""

CRITICAL = 20
"""A standstill of so many bars is told again."""

_DEVIATIONS = 6.0
_LEAST_DEVIATION = 0.5  # of the logarithm: a volume that never varies may still double


def judge_series(
    window: Window, lines: pl.DataFrame, rejected: pl.DataFrame, thresholds: Thresholds
) -> list[Finding]:
    """Judge the judged bars of `lines` beside the ones before them.

    Args:
        window: the bars.
        lines: the same, lined up.
        rejected: `date` and `symbol` of rows that were not stored.
        thresholds: how many equal closes are told.
    """
    return [
        _gaps(window, lines, rejected),
        _standstills(window, lines, thresholds.stale),
        _volumes(window, lines),
        _placeholders(window, lines),
    ]


def _gaps(window: Window, lines: pl.DataFrame, rejected: pl.DataFrame) -> Finding:
    """Only where a series was unbroken: that a rarely traded one has no bar tells nothing."""
    gap = (pl.col("missing") > 0).fill_null(value=False)
    counted = lines.select(
        *("row", "same", "missing", "judged"),
        gaps=gap.cum_sum(),
        first=pl.col("at") - pl.col("here") - pl.col("missing"),
    )
    at_first = pl.when(~pl.col("same")).then("gaps").forward_fill()
    earlier = pl.max_horizontal(pl.col("gaps").shift(USUAL + 1).fill_null(0), at_first)
    unbroken = pl.col("gaps").shift(1) == earlier
    broken = window.of(counted.filter(gap & unbroken & pl.col("judged")))
    loaded = pl.Series("date", window.loaded, pl.Date)
    offending = broken.with_columns(back="date", date=loaded[broken["first"]])
    lost = (
        offending.select("date", "symbol", "back")
        .join(rejected, on="symbol", suffix="_lost")
        .filter(pl.col("date_lost").is_between("date", "back", closed="left"))
        .select("date", "symbol", lost=True)
        .unique()
    )
    reason = (
        pl.when("lost")
        .then(pl.lit("a row was rejected"))
        .when(pl.col("missing") >= LISTING_GAP)
        .then(pl.lit("as between two listings"))
        .otherwise(pl.lit("no trade, a halt, or a row that was not sent"))
    )
    return framed(
        NO_GAPS,
        offending.join(lost, on=["date", "symbol"], how="left"),
        weight=pl.col("close") * pl.col("volume"),
        detail=pl.format("no bar until {}, {} missing: {}", "back", "missing", reason),
    )


def _standstills(window: Window, lines: pl.DataFrame, stale: int) -> Finding:
    place = pl.int_range(pl.len())
    moved = (pl.col("close") != pl.col("before")).fill_null(value=True)
    since = place - pl.when(moved).then(place).forward_fill()
    runs = lines.select("row", "judged", bars=since + 1)
    offending = window.of(runs.filter(pl.col("judged") & pl.col("bars").is_in([stale, CRITICAL])))
    return framed(
        CLOSES_MOVE,
        offending,
        weight=pl.col("bars") * (1 + pl.col("volume").sign()),
        detail=pl.format("close {} for {} bars, volume {}", "close", "bars", "volume"),
    )


def _volumes(window: Window, lines: pl.DataFrame) -> Finding:
    """In two steps, since a deviation costs much and is needed for few symbols."""
    sizes = lines.select("row", "code", "judged", size=pl.col("volume").clip(0).log1p())
    sizes = sizes.with_columns(usual=of_bars_before(pl.col("size").rolling_mean(USUAL)))
    off = pl.col("size") - pl.col("usual")
    far = sizes.filter(pl.col("judged") & (off.abs() > _DEVIATIONS * _LEAST_DEVIATION))
    theirs = sizes.filter(pl.col("code").is_in(far["code"].unique().implode()))
    spread = of_bars_before(pl.col("size").rolling_std(USUAL)).clip(_LEAST_DEVIATION)
    wild = theirs.with_columns(off=off / spread).filter(
        pl.col("judged") & (pl.col("off").abs() > _DEVIATIONS)
    )
    return framed(
        VOLUME_USUAL,
        window.of(wild),
        weight=pl.col("off").abs(),
        detail=pl.format("volume {}, usually about {}", "volume", pl.col("usual").exp().round()),
    )


def of_bars_before(rolled: pl.Expr) -> pl.Expr:
    """What rolls over the twenty bars before, where all of them are of the same symbol."""
    return pl.when(pl.col("code") == pl.col("code").shift(USUAL)).then(rolled.shift(1))


def _placeholders(window: Window, lines: pl.DataFrame) -> Finding:
    carried = pl.col("judged") & (pl.col("volume") == 0) & (pl.col("close") != pl.col("before"))
    flat = pl.min_horizontal("open", "low") == pl.max_horizontal("open", "high", "close")
    return framed(
        PLACEHOLDERS_CARRY,
        window.of(lines.filter(carried).select("row", "before")).filter(flat),
        weight=(pl.col("close") / pl.col("before")).log().abs(),
        detail=pl.format("{} without a trade, {} the close before", "close", "before"),
    )
