"""Adjustment: bars as traded -> bars in the shares of a day, on request with dividends reinvested.

A security's corporate actions multiply up from its first one on:

| product | factor of one action | over the actions |
|---|---|---|
| C(D) | new shares for an old one, `split_to / split_from` | executed up to the day D |
| H(D) | close before / (close before - cash) | with an ex-date up to the day D |

Both are 1 before the first action. A bar of the day D is read as of the day A by quotients, so that
a factor is exactly 1.0 where nothing happened between D and A:

| adjustment | prices, vwap | volume |
|---|---|---|
| `none` | as traded | as traded |
| `splits` | x C(D) / C(A) | x C(A) / C(D) |
| `total_return` | x C(D) / C(A) x H(D) / H(A) | x C(A) / C(D) |

An action takes effect before the open of its day, and that day's bar needs no adjustment for it.
`total_return` reinvests the cash at the price that the close before has without it, as Yahoo, LEAN
and the vendor do; CRSP reinvests at the close of the ex-date, which differs in second order.
Nothing is rounded. The SQL function `bars_adjusted` computes the same, bit by bit.
"""

from datetime import date
from enum import StrEnum

import polars as pl

from universe_pipeline.domain.quality.rows import PRICES
from universe_pipeline.domain.tables import frame_schema

STEP_SCHEMA = frame_schema("adjustment_steps")
"""The products of a security from the day `since` to before the day `until`: `split` is C,
`dividend` is H."""

EVENT_SCHEMA = pl.Schema(
    {"security_id": pl.Int64, "date": pl.Date, "split": pl.Float64, "dividend": pl.Float64}
)
"""What actions multiply C and H by from their day on; 1 where one leaves it as it is."""


class Adjustment(StrEnum):
    """What bars are adjusted for."""

    NONE = "none"
    """Nothing: prices and volumes as traded."""
    SPLITS = "splits"
    """Splits: prices and volumes in the shares of the as-of day."""
    TOTAL_RETURN = "total_return"
    """Splits and dividends; volumes by splits only."""


def steps(events: pl.DataFrame, by: str = "security_id") -> pl.DataFrame:
    """Multiply up the factors of corporate actions.

    Args:
        events: `EVENT_SCHEMA`, its first column named `by`.
        by: the column that names the security.

    Returns:
        `STEP_SCHEMA`, its first column named `by`: one row a security and day with an action, by
        security and day.
    """
    ordered = events.sort(by, "date", "split", "dividend")
    products = ordered.select(
        by,
        since="date",
        split=pl.col("split").cum_prod().over(by),
        dividend=pl.col("dividend").cum_prod().over(by),
    )
    of_days = products.unique([by, "since"], keep="last", maintain_order=True)
    until = pl.col("since").shift(-1).over(by)
    return of_days.select(by, "since", until.alias("until"), "split", "dividend")


def factors(
    bars: pl.DataFrame,
    steps: pl.DataFrame,
    adjustment: Adjustment,
    as_of: date,
    by: str = "security_id",
) -> pl.DataFrame:
    """Compute what bars are multiplied by.

    Args:
        bars: `by`, `date`; none after `as_of`. A bar without a security has the factors 1.
        steps: as `steps` returns them.
        adjustment: for what.
        as_of: in whose shares; later actions do not count.
        by: the column that names the security.

    Returns:
        `price_factor`, `volume_factor` (Float64), a row for each bar, in the order of the bars.
    """
    known = steps.filter(pl.col("since") <= as_of).sort("since").drop("until")
    newest = known.group_by(by, maintain_order=True).last().drop("since")
    on_day = (
        bars.select(by, "date")
        .with_row_index("_order")
        .sort("date")
        .join_asof(
            known,
            left_on="date",
            right_on="since",
            by=by,
            strategy="backward",
            check_sortedness=False,
        )
    )
    products = (
        on_day.join(newest, on=by, how="left", suffix="_as_of")
        .sort("_order")
        .with_columns(pl.col("^(split|dividend)(_as_of)?$").fill_null(1.0))
    )
    price = {
        Adjustment.NONE: pl.lit(1.0),
        Adjustment.SPLITS: _SPLIT,
        Adjustment.TOTAL_RETURN: _SPLIT * (pl.col("dividend") / pl.col("dividend_as_of")),
    }[adjustment]
    volume = pl.lit(1.0) if adjustment is Adjustment.NONE else _SHARES
    return products.select("_order", price_factor=price, volume_factor=volume).drop("_order")


_SPLIT = pl.col("split") / pl.col("split_as_of")
_SHARES = pl.col("split_as_of") / pl.col("split")


def adjust(
    bars: pl.DataFrame,
    steps: pl.DataFrame,
    adjustment: Adjustment,
    as_of: date,
    by: str = "security_id",
) -> pl.DataFrame:
    """Adjust the bars up to `as_of`; later ones are left out.

    Args:
        bars: `by` and the columns of `DATED_BAR_SCHEMA`, as traded.
        steps: as `steps` returns them.
        adjustment: for what.
        as_of: in whose shares; later actions do not count.
        by: the column that names the security.

    Returns:
        The columns of `bars`, in the order of the bars.
    """
    raw = bars.filter(pl.col("date") <= as_of)
    found = factors(raw, steps, adjustment, as_of, by)
    return raw.with_columns(
        pl.col(*PRICES, "vwap") * found["price_factor"],
        pl.col("volume") * found["volume_factor"],
    )
