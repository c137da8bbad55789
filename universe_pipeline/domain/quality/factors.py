"""The vendor's adjustment factors against the actions that are applied.

The vendor's factor of an event multiplies prices before it, for the event itself and all later
ones up to today. The quotient of two that follow each other is what one event does, so that one
wrong event is found on its own day and on no earlier one.
"""

import polars as pl

from universe_pipeline.domain.quality.findings import Violation
from universe_pipeline.domain.verdicts import Kind

FACTOR_SCHEMA = pl.Schema({"date": pl.Date, "factor": pl.Float64})
"""The vendor's cumulative factors of one symbol and kind of action; several rows a day may be."""

APPLIED_SCHEMA = pl.Schema({"date": pl.Date, "multiplier": pl.Float64})
"""What the applied actions of a symbol's days multiply C or H by, as `adjustment` names them."""

_RELATIVE = 1e-5
_ROUNDING = 1e-6
"""The vendor rounds its factors to six decimals, which is much of a small one."""


def factor_differences(
    symbol: str, kind: Kind, given: pl.DataFrame, applied: pl.DataFrame
) -> list[Violation]:
    """The days whose actions the vendor takes for others than those that are applied.

    Args:
        symbol: whose.
        kind: of both.
        given: `FACTOR_SCHEMA`.
        applied: `APPLIED_SCHEMA`; days that stand only in one of the two are not judged, as of
            announced ones.
    """
    by_day = (
        given.filter(pl.col("factor") > 0)
        .group_by("date")
        .agg(pl.col("factor").min())
        .sort("date")
        .with_columns(later=pl.col("factor").shift(-1, fill_value=1.0))
    )
    compared = by_day.join(applied, on="date").with_columns(
        theirs=pl.col("factor") / pl.col("later"), ours=1 / pl.col("multiplier")
    )
    tolerance = _RELATIVE + _ROUNDING / pl.min_horizontal("factor", "later")
    differing = compared.filter((pl.col("theirs") / pl.col("ours") - 1).abs() > tolerance)
    return [
        Violation(day, symbol, f"{kind} factor {theirs:.6f} there, {ours:.6f} here")
        for day, theirs, ours in differing.sort("date").select("date", "theirs", "ours").iter_rows()
    ]
