"""Rules for one row: which rows are rejected, and what is reported about stored ones.

Only rules of severity ERROR reject. What real data does is never rejected: a vwap outside
[low, high] (6.5 % of one real session, since vwap takes odd lots and extended hours), rows without
vwap and transactions, zero volume, fractional volume, exchange test tickers.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.bars import VENDOR_NAMES, RejectedRow
from universe_pipeline.domain.quality.findings import Finding, framed
from universe_pipeline.domain.quality.rules import (
    EARLY_VOLUME_WHOLE,
    OHLC_ORDER,
    PRICE_POSITIVE,
    PRICES_USUAL,
    SYMBOL_FORM,
    TRANSACTIONS_AGREE,
    VOLUME_FINITE,
    VWAP_NEAR,
    Rule,
)
from universe_pipeline.domain.thresholds import Thresholds

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule by the name that `rejected_bars.rule` holds; `broken` is true for rows breaking it."""

    name: str
    meaning: str
    broken: pl.Expr


UNDECODABLE = "undecodable"
"""The row's values do not have the documented types (given by the decoder)."""

DUPLICATE = "duplicate"
"""The symbol stands more than once in the answer."""

OFF_SESSION = "off_session"
"""The row has no time, or one of a day that is not a session asked for (given by the decoder)."""

_FORBIDDEN_IN_SYMBOL = r"[\s\p{C}]"
_LONGEST_SYMBOL = 32

_ODD_SYMBOL = (
    pl.col("symbol").is_null()
    | (pl.col("symbol").str.len_chars() == 0)
    | (pl.col("symbol").str.len_chars() > _LONGEST_SYMBOL)
    | pl.col("symbol").str.contains(_FORBIDDEN_IN_SYMBOL)
)

ROW_RULES = (
    RowRule(
        "symbol_form",
        "the symbol is 1 to 32 characters without white space or control characters",
        _ODD_SYMBOL,
    ),
    RowRule(
        "price_positive",
        "open, high, low and close are present, finite and above zero",
        ~pl.all_horizontal(
            pl.col(price).is_between(0, inf, closed="none").fill_null(value=False)
            for price in PRICES
        ),
    ),
    RowRule(
        "ohlc_order",
        "high is at least, and low at most, open and close",
        (pl.col("high") < pl.max_horizontal("open", "close", "low"))
        | (pl.col("low") > pl.min_horizontal("open", "close")),
    ),
    RowRule(
        "volume_finite",
        "volume is present and finite",
        ~pl.col("volume").is_finite().fill_null(value=False),
    ),
)
"""Tried in this order; a row is rejected under the first one that it breaks.

`undecodable`, `duplicate` and `off_session` complete the closed list of values of
`rejected_bars.rule`.
"""


@dataclass(frozen=True, slots=True)
class Validated:
    """Every row of an answer: `accepted` (same schema as given) or rejected with its rule."""

    accepted: pl.DataFrame
    rejected: tuple[RejectedRow, ...]


def validate(bars: pl.DataFrame, key: str = "symbol") -> Validated:
    """Separate rows that can be stored from those that break a row rule.

    Args:
        bars: `BAR_SCHEMA`, or `DATED_BAR_SCHEMA` with key "date".
        key: what must be unique. Of identical duplicates one is accepted and the others are
            rejected as `duplicate`; of differing ones all are rejected, because no row
            says which is right.
    """
    if _surely_keeps_all_rules(bars, key):
        return Validated(bars, ())  # as nearly every answer; the long way takes six times as long
    judged = bars.with_columns(_rule=_first_broken_rule(bars, key))
    return Validated(
        accepted=judged.filter(pl.col("_rule").is_null()).drop("_rule"),
        rejected=tuple(
            RejectedRow(row.pop("_rule"), row["symbol"], _as_sent(row), row.get("date"))
            for row in judged.filter(pl.col("_rule").is_not_null()).iter_rows(named=True)
        ),
    )


def _surely_keeps_all_rules(bars: pl.DataFrame, key: str) -> bool:
    """Whether no row breaks a rule, by a quick test; False also where only a full test can say.

    By numpy, whose calls take microseconds; an expression of Polars takes a hundred.
    """
    if bars.is_empty():
        return True
    if any(bars[name].null_count() for name in ("symbol", *PRICES, "volume")):
        return False
    opened, high, low, close, volume = (bars[name].to_numpy() for name in (*PRICES, "volume"))
    in_order = (low <= np.minimum(opened, close)) & (np.maximum(opened, close) <= high)
    return bool(
        low.min() > 0
        and high.max() < inf
        and in_order.all()
        and np.isfinite(volume).all()
        and _are_plain(bars["symbol"])
        and _are_surely_unique(bars[key])
    )


def _are_surely_unique(values: pl.Series) -> bool:
    hashes = np.sort(values.hash().to_numpy())
    return bool((hashes[1:] != hashes[:-1]).all())


def _are_plain(symbols: pl.Series) -> bool:
    """Whether they are short and of visible ASCII characters."""
    if symbols.is_empty() or symbols.null_count():
        return False
    text: str = symbols.str.join("").item()
    sizes = symbols.str.len_bytes()
    return (
        text.isascii()
        and text.isprintable()
        and " " not in text
        and bool(sizes.to_numpy().min() > 0 and sizes.to_numpy().max() <= _LONGEST_SYMBOL)
    )


def _first_broken_rule(bars: pl.DataFrame, key: str) -> pl.Expr:
    repeated = pl.col(key).is_duplicated()
    differs = pl.struct(bars.columns).n_unique().over(key) > 1
    duplicate = repeated & (differs | ~pl.col(key).is_first_distinct())
    verdicts = [pl.when(rule.broken).then(pl.lit(rule.name)) for rule in ROW_RULES]
    return pl.coalesce(*verdicts, pl.when(duplicate).then(pl.lit(DUPLICATE)))


def _as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """The row under the vendor's names, without the keys that it left out."""
    named = {vendor: row[ours] for vendor, ours in VENDOR_NAMES.items() if ours in row}
    return {vendor: value for vendor, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RowTest:
    """A rule with what finds its offenders among stored bars (`DATED_BAR_SCHEMA`)."""

    rule: Rule
    broken: pl.Expr
    weight: pl.Expr
    detail: pl.Expr


_TRADES = pl.col("transactions").fill_null(0)
_PRICES_TEXT = pl.format("open {}, high {}, low {}, close {}", *PRICES)

FRACTIONS_SINCE = date(2026, 2, 23)
"""From this session on the consolidated tape reports fractions of a share."""

_CENT, _MILLION = 0.01, 1e6


def _stored(rule: Rule) -> RowTest:
    """Whether what is stored keeps a rule that rejects."""
    broken = next(each.broken for each in ROW_RULES if each.name == rule.name)
    return RowTest(rule, broken, pl.lit(0.0), pl.format("{}, volume {}", _PRICES_TEXT, "volume"))


@cache
def row_tests(thresholds: Thresholds) -> tuple[RowTest, ...]:
    """The rules for stored rows, one by one."""
    above, below = pl.col("vwap") / pl.col("high") - 1, 1 - pl.col("vwap") / pl.col("low")
    outside = pl.max_horizontal(above, below)
    return (
        *(_stored(rule) for rule in (SYMBOL_FORM, PRICE_POSITIVE, OHLC_ORDER, VOLUME_FINITE)),
        RowTest(
            TRANSACTIONS_AGREE,
            (pl.col("volume") < 0) | (_TRADES < 0) | ((pl.col("volume") > 0) != (_TRADES > 0)),
            pl.col("volume").abs(),
            pl.format("volume {}, transactions {}", "volume", _TRADES),
        ),
        RowTest(
            VWAP_NEAR,
            (pl.col("vwap") <= 0) | (outside > thresholds.vwap),
            outside,
            pl.format("vwap {}, low {}, high {}", "vwap", "low", "high"),
        ),
        RowTest(
            PRICES_USUAL,
            (pl.col("low") < _CENT) | (pl.col("high") > _MILLION),
            pl.max_horizontal(pl.col("high") / _MILLION, _CENT / pl.col("low")),
            _PRICES_TEXT,
        ),
        RowTest(
            EARLY_VOLUME_WHOLE,
            (pl.col("date") < FRACTIONS_SINCE) & (pl.col("volume") % 1 != 0),
            pl.col("volume"),
            pl.format("volume {}", "volume"),
        ),
    )


def judge_rows(bars: pl.DataFrame, thresholds: Thresholds) -> list[Finding]:
    """Judge stored bars (`DATED_BAR_SCHEMA`; symbols may be categories) one by one."""
    doubtful = bars[np.flatnonzero(~_surely_plausible(bars, thresholds))]
    misnamed = _misnamed(bars)
    return [
        _judged(each, misnamed if each.rule is SYMBOL_FORM else doubtful)
        for each in row_tests(thresholds)
    ]


def _judged(test: RowTest, bars: pl.DataFrame) -> Finding:
    if bars.is_empty():  # as mostly: even to filter none takes a third of a millisecond
        return Finding(test.rule)
    offending = bars.filter(test.broken)
    return framed(test.rule, offending, test.weight, test.detail)


def _misnamed(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars whose symbol is none."""
    symbols = bars["symbol"].unique()  # there are fewer than bars
    named = symbols.cast(pl.String)
    if _are_plain(named):
        return bars.clear()
    odd = symbols.filter(named.to_frame().select(_ODD_SYMBOL).to_series())
    offending = bars.filter(pl.col("symbol").is_in(odd.implode()))
    return offending.with_columns(pl.col("symbol").cast(pl.String))


def _surely_plausible(bars: pl.DataFrame, thresholds: Thresholds) -> npt.NDArray[np.bool_]:
    """Which bars keep all rules for values, by a quick test; False also if only a full test says.

    By numpy, as above. Comparisons with NaN are False.
    """
    opened, high, low, close, volume = (bars[name].to_numpy() for name in (*PRICES, "volume"))
    vwap, trades = bars["vwap"].to_numpy(), bars["transactions"].fill_null(0).to_numpy()
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    early = bars["date"].search_sorted(FRACTIONS_SINCE)
    with np.errstate(all="ignore"):  # stored values may be anything
        plausible = (low <= bottom) & (top <= high) & (low >= _CENT) & (high <= _MILLION)
        is_near = (vwap / high - 1 <= thresholds.vwap) & (1 - vwap / low <= thresholds.vwap)
        plausible &= (is_near & (vwap > 0)) | bars["vwap"].is_null().to_numpy()
        plausible &= (volume >= 0) & (volume < inf) & ((volume > 0) == (trades > 0))
        plausible[:early] &= volume[:early] == np.floor(volume[:early])
    return plausible & (trades >= 0)
