"""Rules for one symbol's bars beside each other: gaps, standstills, volumes, placeholders."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.lines import FAR
from universe_pipeline.domain.quality.rules import (
    CLOSES_MOVE,
    NO_GAPS,
    PLACEHOLDERS_CARRY,
    VOLUME_USUAL,
)
from universe_pipeline.domain.thresholds import Thresholds

LISTING_GAP = 20
"""So many loaded sessions without a bar are no halt: a listing ended, another began."""

CRITICAL = 20
"""A standstill of so many bars is told again."""

_DEVIATIONS = 6.0
_LEAST_DEVIATION = FAR / _DEVIATIONS  # of the logarithm: what never varies may still double


def judge_series(
    lines: pl.DataFrame, sessions: Sequence[date], rejected: pl.DataFrame, thresholds: Thresholds
) -> list[Finding]:
    """Judge bars beside the ones before them.

    Args:
        lines: the striking ones, lined up.
        sessions: NYSE sessions, in order.
        rejected: `date` and `symbol` of rows that were not stored.
        thresholds: how many equal closes are told.
    """
    return [
        _gaps(lines, sessions, rejected),
        _standstills(lines, thresholds.stale),
        _volumes(lines),
        _placeholders(lines),
    ]


def _gaps(lines: pl.DataFrame, sessions: Sequence[date], rejected: pl.DataFrame) -> Finding:
    """Only where a series was unbroken: that a rarely traded one has no bar tells nothing."""
    broken = lines.filter((pl.col("missing") > 0) & pl.col("unbroken"))
    days = pl.Series(sessions, dtype=pl.Date)
    offending = broken.with_columns(
        pl.col("symbol").cast(pl.String),
        back="date",
        date=days[days.search_sorted(broken["date_before"], side="right")],  # the first missing
    )
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


def _standstills(lines: pl.DataFrame, stale: int) -> Finding:
    return framed(
        CLOSES_MOVE,
        lines.filter(pl.col("run").is_in([stale, CRITICAL])),
        weight=pl.col("run") * (1 + pl.col("volume").sign()),
        detail=pl.format("close {} for {} bars, volume {}", "close", "run", "volume"),
    )


def _volumes(lines: pl.DataFrame) -> Finding:
    off = (pl.col("size") - pl.col("usual_size")) / pl.col("spread").clip(_LEAST_DEVIATION)
    usual = pl.col("usual_size").exp().round()
    return framed(
        VOLUME_USUAL,
        lines.filter(off.abs() > _DEVIATIONS),
        weight=off.abs(),
        detail=pl.format("volume {}, usually about {}", "volume", usual),
    )


def _placeholders(lines: pl.DataFrame) -> Finding:
    carried = (pl.col("volume") == 0) & (pl.col("close") != pl.col("before"))
    flat = pl.min_horizontal("open", "low") == pl.max_horizontal("open", "high", "close")
    return framed(
        PLACEHOLDERS_CARRY,
        lines.filter(carried & flat),
        weight=(pl.col("close") / pl.col("before")).log().abs(),
        detail=pl.format("{} without a trade, {} the close before", "close", "before"),
    )
