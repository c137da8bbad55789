"""Rules for the sequence of one symbol's bars: gaps, standstills, volumes, placeholders."""

from collections.abc import Sequence
from datetime import date
from math import pi

import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.history import FAR
from universe_pipeline.domain.quality.rules import (
    CLOSES_CHANGE,
    CLOSES_MOVE,
    NO_GAPS,
    PLACEHOLDERS_CARRY,
    TRADED_DAILY,
    VOLUME_USUAL,
)
from universe_pipeline.domain.thresholds import TRAILING, Thresholds

LISTING_GAP = 20
"""From so many loaded sessions without a bar on, it is a new listing and not a halt."""

CRITICAL = 20
"""After so many bars, a standstill is reported a second time."""

_TRADED_ALL_DAY = 1e6
"""Dollars a session from which on a symbol trades in every session, apart from halts."""

_CHANCE, _AGAIN = 1e-5, 4
"""Closes so likely to be the same four more times stand still by themselves: of ten thousand
symbols some in a year."""

_TICK = 0.01
"""USD between closes, mostly also under a dollar."""

_UNSEEN, _OF_UNSEEN = 2, 0.02
"""A symbol is expected to move as most do, until it was seen to: as if it had done so twice."""

_DEVIATIONS = 6.0
_LEAST_DEVIATION = FAR / _DEVIATIONS  # of the logarithm: what never varies may still double


def judge_series(
    lines: pl.DataFrame, sessions: Sequence[date], rejected: pl.DataFrame, thresholds: Thresholds
) -> list[Finding]:
    """Judge bars by the bars before them.

    Args:
        lines: the candidates, lined up.
        sessions: NYSE sessions, in order.
        rejected: `date` and `symbol` of rows that were not stored.
        thresholds: how many equal closes are reported.
    """
    return [
        *_gaps(lines, sessions, rejected),
        *_standstills(lines, thresholds.stale),
        _volumes(lines),
        _placeholders(lines),
    ]


def _gaps(
    lines: pl.DataFrame, sessions: Sequence[date], rejected: pl.DataFrame
) -> tuple[Finding, Finding]:
    """Find missing bars of unbroken series only: a rarely traded symbol often has no bar.

    A warning where the symbol trades all day, or its row was rejected.
    """
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
    judged = offending.join(lost, on=["date", "symbol"], how="left")
    dollars = pl.col("before") * pl.col("volume_lately")
    is_odd = pl.col("lost").fill_null(value=False) | (dollars >= _TRADED_ALL_DAY)
    weight = pl.col("close") * pl.col("volume")
    detail = pl.format("no bar until {}, {} missing: {}", "back", "missing", reason)
    return (
        framed(NO_GAPS, judged.filter(is_odd), weight, detail),
        framed(TRADED_DAILY, judged.filter(~is_odd), weight, detail),
    )


def _standstills(lines: pl.DataFrame, stale: int) -> tuple[Finding, Finding]:
    """A warning where all bars have trades, and the symbol usually moves by many ticks.

    That a close is the one before has about the chance of one tick among the density of its moves
    (normal ones, of which the mean size is known).
    """
    seen = pl.col("bars").clip(2, TRAILING) - 2
    moves = (pl.col("moved_lately") * seen + _OF_UNSEEN * _UNSEEN) / (seen + _UNSEEN)
    same = (_TICK / (pi * pl.col("close") * moves)).clip(0.0, 1.0)
    is_odd = pl.col("traded_run").is_in([stale, CRITICAL]) & (
        same ** (pl.col("traded_run") - 1).clip(_AGAIN) < _CHANCE
    )
    weight = pl.col("run") * (1 + pl.col("volume").sign())
    detail = pl.format("close {} for {} bars, volume {}", "close", "run", "volume")
    still = lines.filter(pl.col("run").is_in([stale, CRITICAL]) & ~is_odd)
    return (
        framed(CLOSES_MOVE, lines.filter(is_odd), weight, detail),
        framed(CLOSES_CHANGE, still, weight, detail),
    )


def _volumes(lines: pl.DataFrame) -> Finding:
    """In shares and in dollars: a split changes the one, and a crash the other."""
    deviation = pl.col("size_deviation").clip(_LEAST_DEVIATION)
    off = (pl.col("size") - pl.col("usual_size")) / deviation
    is_far = pl.min_horizontal(off.abs(), (off + pl.col("move") / deviation).abs()) > _DEVIATIONS
    usual = pl.col("usual_size").exp().round()
    is_traded = (pl.col("volume") > 0) | (pl.col("before") * usual >= _TRADED_ALL_DAY)
    return framed(
        VOLUME_USUAL,
        lines.filter(is_far & is_traded),
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
