"""Rules for how a symbol's price moves from bar to bar: jumps, splits, scale, spikes, identity.

A split is effective before the open of its execution date: a price before it times
split_from / split_to is comparable with one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import polars as pl

from universe_pipeline.domain.quality.findings import Finding, framed, joined
from universe_pipeline.domain.quality.history import FAR_MOVE, LARGE, WICK
from universe_pipeline.domain.quality.rules import (
    CLOSES_NEAR,
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    RANGES_NARROW,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
    WICKS_SHORT,
    Rule,
)
from universe_pipeline.domain.quality.series import LISTING_GAP
from universe_pipeline.domain.thresholds import Thresholds

SEARCHED = 20
"""So many sessions around a split's date its move is looked for."""

_TOLERANCE = log(1.2)
"""How far a day's trading may take a price from a split's ratio, however small that is."""
_HALF, _MOST = 0.5, 0.75
"""Parts of a split's logarithm: a price that lacks under a half of it has followed the split, in a
restless symbol also with somewhat more; one that lacks more than the second part has not."""
_OPEN_TOLERANCE = 0.03
"""How far an open may be from n:1 to look like a split."""
_SIDES = np.array([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50])
_HUNDRED = log(100)
_RESTLESS = 10.0
"""So many times the usual move is a jump also in a restless symbol."""
_SPIKE, _BACK = log(1.3), log(1.1)
_OTHER_PRICE = log(1.5)

_NEWS = 3.0
"""So many times the dollars of before show that people traded on something: at most that in ten of
twelve real splits of 2015 to 2017 that no list had, over that in 33 of 38 crashes and takeovers."""
_MUCH_NEWS = 10.0
"""The same, where the day's range is narrow: thin symbols trade three times as much by chance."""
_NARROW = 1.1
"""High over low of a day without surprises; between them lie most days of splits and spin-offs."""
_FEW_DOLLARS = 10_000.0
"""Under so many dollars a session, a trade or two set the price (of warrants and rights at cents):
their dollars say nothing."""
_A_DOLLAR = 1.0
"""Under it prices lie a hundredth of a cent apart (SEC rule 612), and a few cents are a wick."""

_CANDIDATE = ("symbol", "date", "session_index", "kind", "size", "close", "before")


@dataclass(frozen=True, slots=True)
class Moves:
    """Large moves of judged bars, and bars at which a split took effect."""

    findings: list[Finding]
    unshown: pl.DataFrame
    """Splits that the prices did not follow: `symbol`, `date`, `session_index`, `factor` (of all
    `splits` of that gap together, a logarithm), `usual` (how far the symbol moves)."""
    unexplained: pl.DataFrame
    """Large moves of symbols with splits that none explains: `symbol`, `date`, `session_index`,
    `off`, `off_open`."""
    far: pl.DataFrame
    """Moves over threefold that news may explain, unless they come back: `_CANDIDATE`."""
    returns: pl.DataFrame
    """Where moves over threefold came back: `symbol`, and `session_index` of the move."""


def judge_moves(lines: pl.DataFrame, splits: pl.DataFrame, thresholds: Thresholds) -> Moves:
    """Judge the moves to bars.

    Args:
        lines: the candidates, lined up.
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
        .with_columns(off=_off("close"), off_open=_off("open"))
        .filter(pl.col("off").abs() > LARGE)
    )
    large = _classified(moved, thresholds)
    doubted, explained = large.filter("doubtful"), large.filter(~pl.col("doubtful"))
    is_far = pl.col("size") > FAR_MOVE
    spikes = _spikes(lines, coded)
    lively = _spike_finding(CLOSES_NEAR, spikes.filter(~pl.col("doubtful")))
    return Moves(
        [
            *_move_findings(doubted),
            _spike_finding(NO_SPIKES, spikes.filter("doubtful")),
            joined(CLOSES_NEAR, [_move_finding(CLOSES_NEAR, explained.filter(~is_far)), lively]),
            *_wicks(lines),
        ],
        _unshown(split).select(
            "symbol",
            "date",
            "session_index",
            "factor",
            "splits",
            usual=pl.col("usual_move").fill_null(0),
        ),
        moved.join(coded, on="symbol", how="semi").select(
            "symbol", "date", "session_index", "off", "off_open"
        ),
        explained.filter(is_far).select(_CANDIDATE),
        lines.filter("returned").select("symbol", session_index="left_index"),
    )


def _off(price: str) -> pl.Expr:
    """Distance, in logarithms, of a price from the close before, adjusted for splits in between."""
    return (pl.col(price) / pl.col("before")).log() - pl.col("factor")


def _split(lines: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """The lines at which `splits` took effect, with the logarithm of their ratio as `factor`."""
    factors = (
        lines.select("row", "symbol", "date", "date_before")
        .join(splits, on="symbol")
        .filter(_is_in_force("date_before"))
        .group_by("row")
        .agg(factor=pl.col("ratio").sum(), splits=pl.len())
    )
    return lines.join(factors, on="row")


def _is_in_force(since: str) -> pl.Expr:
    """Whether a split's day is after that of the column `since`, up to the bar's."""
    return pl.col("execution_date").is_between(since, "date", closed="right")


def _follows(off: pl.Expr, usual: pl.Expr) -> pl.Expr:
    """Whether a price that is `off` a split has followed it, or gone further.

    It lacks under half of the split's logarithm, or a day's trading where that is more; what the
    symbol usually moves may be added.
    """
    size = pl.col("factor").abs()
    allowed = pl.max_horizontal(_HALF * size, pl.lit(_TOLERANCE)) + usual
    most = pl.max_horizontal(_MOST * size, pl.lit(_TOLERANCE))
    return -off * pl.col("factor").sign() <= pl.min_horizontal(allowed, most)


def _unshown(split: pl.DataFrame) -> pl.DataFrame:
    """Of bars at which a split took effect, those whose price did not follow it."""
    usual = pl.col("usual_move").fill_null(0)
    return split.filter(
        (pl.col("factor").abs() > LARGE)
        & (pl.col("missing") < LISTING_GAP)
        & ~(_follows(_off("open"), usual) | _follows(_off("close"), usual))
    )


def judge_splits(unshown: pl.DataFrame, unexplained: pl.DataFrame) -> Finding:
    """Judge the splits that prices did not follow, by where else they moved like them."""
    rest = pl.min_horizontal(*((pl.col(off) - pl.col("factor")).abs() for off in _OFF))
    tolerance = pl.max_horizontal(_HALF * pl.col("factor").abs(), pl.lit(_TOLERANCE))
    near = (
        unshown.join(unexplained, on="symbol", suffix="_moved")
        .filter(
            ((pl.col("session_index") - pl.col("session_index_moved")).abs() <= SEARCHED)
            & (rest < tolerance + pl.col("usual"))
        )
        .group_by("symbol", "date")
        .agg(pl.col("date_moved").sort_by(rest, "date_moved").first())
    )
    placed = unshown.join(near, on=["symbol", "date"], how="left")
    where = (
        pl.when(pl.col("date_moved").is_null())
        .then(pl.lit("the price did not move"))
        .otherwise(pl.format("the price moved on {} instead", "date_moved"))
    )
    return framed(
        SPLITS_SHOWN,
        placed,
        weight=pl.col("factor").abs(),
        detail=pl.format("{}: {}", _ratio_text(), where),
    )


_OFF = ("off", "off_open")


def _ratio_text() -> pl.Expr:
    """A `factor` as people write it: 10 for 1, 1 for 60, 1.0056 for 1."""
    sides = pl.col("factor").abs().exp().round_sig_figs(6)
    number = (
        pl.when(sides == sides.round())
        .then(sides.cast(pl.Int64).cast(pl.String))
        .otherwise(sides.cast(pl.String))
    )
    ratio = (
        pl.when(pl.col("factor") > 0)
        .then(pl.format("1 for {}", number))
        .otherwise(pl.format("{} for 1", number))
    )
    return (
        pl.when(pl.col("splits") == 1)
        .then(pl.format("a split of {}", ratio))
        .otherwise(pl.format("{} splits, together {}", "splits", ratio))
    )


def _classified(moved: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """Each large move under the one rule that says most about it, and whether data is at fault."""
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
    judged = moved.with_columns(kind=kind, size=size).filter(pl.col("kind").is_not_null())
    return judged.with_columns(doubtful=~pl.col("kind").is_in(_OF_NEWS) | _is_doubtful())


_OF_NEWS = (JUMPS_EXPLAINED.name, SPLITS_KNOWN.name)
"""Rules for moves that news may explain."""


def _is_doubtful() -> pl.Expr:
    """Whether a large move is a fault of the data: the trading shows no sign of news.

    A missed split, a spin-off, a wrong scale or another instrument's price leave the dollars
    traded as they were, or let fewer shares trade at more; news brings many more of both. A bar
    without a trade has a price without trading. A price that jumps and comes straight back was an
    error. A move that undoes the one before it needs no news of its own.
    """
    is_idle = (pl.col("volume") == 0) | (pl.col("volume_before") == 0)
    is_liquid = pl.col("before") * pl.col("volume_before") >= _FEW_DOLLARS
    is_wide = pl.col("high") / pl.col("low") > _NARROW
    times = _dollars_times()
    shares_rose = pl.col("volume") > pl.col("volume_before") * (-pl.col("factor")).exp()
    is_news = shares_rose & (times > pl.when(is_wide).then(_NEWS).otherwise(_MUCH_NEWS))
    before = pl.col("move_before").fill_null(0)
    undoes = (before.abs() > LARGE) & ((pl.col("off") + before).abs() < before.abs())
    return is_idle | pl.col("returned") | (is_liquid & ~is_news & ~undoes)


def _dollars_times() -> pl.Expr:
    """The day's dollars, as a multiple of the fewer of the bar before and of the week before."""
    before = pl.col("before") * pl.min_horizontal("volume_before", "volume_lately")
    return pl.col("close") * pl.col("volume") / before


def _move_findings(moves: pl.DataFrame) -> list[Finding]:
    """Large moves, each under its rule."""
    return [
        _move_finding(rule, moves.filter(pl.col("kind") == rule.name))
        for rule in (JUMPS_EXPLAINED, SPLITS_KNOWN, SCALE_KEPT, ONE_COMPANY)
    ]


def _move_finding(rule: Rule, moves: pl.DataFrame) -> Finding:
    return framed(rule, moves, pl.col("size"), pl.format("close {} after {}", "close", "before"))


def judge_returns(far: Sequence[pl.DataFrame], returns: Sequence[pl.DataFrame]) -> list[Finding]:
    """Judge the moves over threefold by whether they came back: then no news explains them."""
    moves, back = pl.concat(far), pl.concat(returns)
    doubted = moves.join(back, on=["symbol", "session_index"], how="semi")
    explained = moves.join(back, on=["symbol", "session_index"], how="anti")
    return [*_move_findings(doubted), _move_finding(CLOSES_NEAR, explained)]


def _spikes(lines: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Bars after spikes, dated by the spike, with whether the spike is an error of the data."""
    back = pl.col("move_before") + pl.col("move")
    spikes = lines.filter((pl.col("move_before").abs() > _SPIKE) & (back.abs() < _BACK))
    split = spikes.join(splits, on="symbol").filter(_is_in_force("date_two_before"))
    return spikes.join(split, on="row", how="anti").with_columns(
        date="date_before", doubtful=_is_doubtful_spike()
    )


def _is_doubtful_spike() -> pl.Expr:
    """Whether a price that was back at once is one of the data.

    It was far away or without a trade, or its symbol is calm, and no more of it was traded.
    """
    size = pl.col("move_before").abs()
    is_idle = (pl.col("volume_before") == 0) | (pl.col("volume_two_before") == 0)
    dollars = pl.col("close_two_before") * pl.col("volume_two_before")
    usual = pl.col("close_two_before") * pl.min_horizontal("volume_two_before", "volume_lately")
    is_quiet = pl.col("before") * pl.col("volume_before") <= _NEWS * usual
    is_liquid = (dollars >= _FEW_DOLLARS) & (pl.col("close_two_before") >= _A_DOLLAR)
    return (
        is_idle
        | (size > FAR_MOVE)
        | (is_liquid & is_quiet & (size > _RESTLESS * pl.col("moved_lately")))
    )


def _spike_finding(rule: Rule, spikes: pl.DataFrame) -> Finding:
    return framed(
        rule,
        spikes,
        weight=pl.col("move_before").abs(),
        detail=pl.format("close {} between {} and {}", "before", "close_two_before", "close"),
    )


def _wicks(lines: pl.DataFrame) -> tuple[Finding, Finding]:
    """Wicks: a warning at a dollar or more with usual trading (so no news), else information."""
    top, bottom = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    wick = pl.max_horizontal(pl.col("high") / top, bottom / pl.col("low"))
    is_odd = (bottom >= _A_DOLLAR) & ~(_dollars_times() > _NEWS)
    wide = lines.filter(wick > WICK)
    detail = pl.format("open {}, high {}, low {}, close {}", "open", "high", "low", "close")
    return (
        framed(WICKS_SHORT, wide.filter(is_odd), wick, detail),
        framed(RANGES_NARROW, wide.filter(~is_odd), wick, detail),
    )
