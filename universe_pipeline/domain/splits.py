"""Splits: which rows of the vendor's list can be used, and how many shares they make of one.

A split takes effect before the open of its execution date: that session's bar is already of the
new shares. `verdicts` says which splits count, `adjustment` what follows for bars.
"""

from fractions import Fraction
from typing import Any

import polars as pl

from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.blanks import value
from universe_pipeline.domain.quality import (
    DUPLICATE,
    ROW_RULES,
    RowRule,
    Validated,
)
from universe_pipeline.domain.reference_lists import ReferenceList
from universe_pipeline.domain.tables import Role, frame_schema

SPLIT_SCHEMA = frame_schema("splits", Role.KEY, Role.VALUE)
"""Splits, announced ones included: `splits` up to `adjustment_type`, an open set (forward_split,
reverse_split, stock_dividend), which is null where the vendor's older endpoint was asked."""

SPLIT_LIST = ReferenceList(
    "splits",
    SPLIT_SCHEMA,
    key=("symbol", "execution_date"),
    order=("execution_date", "symbol"),
)

_VENDOR_NAMES = ("ticker", "execution_date", "split_from", "split_to", "adjustment_type")

_LARGEST_RATIO = 1e9
"""2,000,000 for 1 has been seen; a product of several must still be a number."""

_SIDES = (pl.col("split_from"), pl.col("split_to"))
_ONE = ["symbol", "execution_date"]

SPLIT_RULES = (
    next(rule for rule in ROW_RULES if rule.name == "symbol_form"),
    RowRule(
        "sides_positive",
        "both sides are there, finite and above zero",
        pl.any_horizontal(side.is_null() | ~side.is_finite() | (side <= 0) for side in _SIDES),
    ),
    RowRule(
        "ratio_possible",
        "neither side is more than a billion times the other",
        pl.max_horizontal(*_SIDES) / pl.min_horizontal(*_SIDES) > _LARGEST_RATIO,
    ),
)
"""Tried in this order; a row is rejected under the first one that it breaks.

`undecodable` and `duplicate` complete the closed list of values of `rejected_splits.rule`.
"""


def validate(listed: pl.DataFrame) -> Validated:
    """Separate the rows that can be stored from those that break a rule.

    Of several rows of one symbol and date that agree in the ratio, one is accepted (one that knows
    its type, if any does) and the others are rejected as `duplicate`. Of those that differ none is
    accepted, because no row says which is right. A ratio of 1 changes no price and contradicts no
    other ratio: next to one, it is the duplicate.

    Args:
        listed: `SPLIT_SCHEMA`, all pages of a list.
    """
    judged = listed.with_row_index("_order").with_columns(
        value("adjustment_type"), _rule=_first_broken_rule()
    )
    usable = judged.filter(pl.col("_rule").is_null()).sort(
        pl.col("adjustment_type").is_null(), "_order"
    )
    ratio = pl.col("split_from") / pl.col("split_to")
    candidates = usable.filter((ratio != 1) | (ratio == 1).all().over(_ONE))
    kept = candidates.filter(
        (ratio.n_unique().over(_ONE) == 1) & pl.struct(_ONE).is_first_distinct()
    )
    repeated = usable.join(kept, on="_order", how="anti").with_columns(_rule=pl.lit(DUPLICATE))
    rejected = pl.concat([judged.filter(pl.col("_rule").is_not_null()), repeated]).sort("_order")
    return Validated(
        accepted=kept.select(SPLIT_SCHEMA.names()).sort(_ONE),
        rejected=tuple(
            RejectedRow(row["_rule"], row["symbol"], _as_sent(row), row["execution_date"])
            for row in rejected.iter_rows(named=True)
        ),
    )


def events(splits: pl.DataFrame) -> pl.DataFrame:
    """What splits (`SPLIT_SCHEMA`) do to the shares of their symbols, for `adjustment.steps`.

    Returns:
        `symbol`, `date`, `split`, `dividend`, as `adjustment.EVENT_SCHEMA` describes them.
    """
    return splits.select(
        "symbol",
        date="execution_date",
        split=pl.col("split_to") / pl.col("split_from"),
        dividend=pl.lit(1.0),
    )


def is_unusual(split_from: float, split_to: float) -> bool:
    """Whether no side of the reduced ratio is at most 100, as of a spin-off listed as a split."""
    ratio = Fraction(str(split_to)) / Fraction(str(split_from))
    return min(ratio.numerator, ratio.denominator) > _LARGEST_SIDE


_LARGEST_SIDE = 100


def _first_broken_rule() -> pl.Expr:
    return pl.coalesce(pl.when(rule.broken).then(pl.lit(rule.name)) for rule in SPLIT_RULES)


def _as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """The row under the vendor's names, without what it left out; the day as text."""
    named = row | {"ticker": row["symbol"], "execution_date": row["execution_date"].isoformat()}
    return {name: named[name] for name in _VENDOR_NAMES if named[name] is not None}
