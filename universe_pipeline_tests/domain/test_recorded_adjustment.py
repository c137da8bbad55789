"""Published factors and adjusted prices, from published raw prices and amounts.

Collected only with `--recorded FOLDER`, which holds `published/lean_factor_file_aapl.csv` (LEAN's
factor file of AAPL: day, price factor, split factor, raw close; 7, 8 and 4 places) and
`published/yahoo_crsp_example.csv` (Yahoo's worked example, with prices to the cent).
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from universe_pipeline.domain.adjustment import Adjustment, factors, steps
from universe_pipeline.domain.verdicts import ACTION_SCHEMA, BAR_SCHEMA, Kind, judge

SPLITS = {date(2005, 2, 28): (1, 2), date(2014, 6, 9): (1, 7), date(2020, 8, 31): (1, 4)}
AMOUNTS = {
    2.65: "2012-08-09 2012-11-07 2013-02-07",
    3.05: "2013-05-09 2013-08-08 2013-11-06 2014-02-06",
    3.29: "2014-05-08",
    0.47: "2014-08-07 2014-11-06 2015-02-05",
    0.52: "2015-05-07 2015-08-06 2015-11-05 2016-02-04",
    0.57: "2016-05-05 2016-08-04 2016-11-03 2017-02-09",
    0.63: "2017-05-11 2017-08-10 2017-11-10 2018-02-09",
    0.73: "2018-05-11 2018-08-10 2018-11-08 2019-02-08",
    0.77: "2019-05-10 2019-08-09 2019-11-07 2020-02-07",
    0.82: "2020-05-08 2020-08-07",
    0.205: "2020-11-06 2021-02-05",
}
"""Apple's dividends a share, as declared, by ex-date (investor.apple.com)."""
AS_OF = date(2021, 3, 1)


def made_steps(
    prices: pl.DataFrame,
    splits: Mapping[date, tuple[float, float]],
    dividends: Mapping[date, float],
    as_of: date,
) -> pl.DataFrame:
    """The steps of one security by what the verdicts apply."""
    rows = [
        *(
            (Kind.SPLIT, "A", day, 1, 1, *ratio, None, False, False, True)
            for day, ratio in splits.items()
        ),
        *(
            (Kind.DIVIDEND, "A", day, 1, 1, None, None, cash, False, False, True)
            for day, cash in dividends.items()
        ),
    ]
    actions = pl.DataFrame(rows, ACTION_SCHEMA, orient="row")
    verdicts = judge(actions, prices, as_of).drop_nulls("applied_on")
    is_split = pl.col("kind") == Kind.SPLIT
    return steps(
        verdicts.select(
            "security_id",
            date="applied_on",
            split=pl.when(is_split).then("multiplier").otherwise(1.0),
            dividend=pl.when(is_split).then(1.0).otherwise("multiplier"),
        )
    )


def test_the_factor_file_of_lean_is_reproduced_at_each_of_its_rows(recorded: Path):
    lines = (recorded / "published/lean_factor_file_aapl.csv").read_text().split()
    rows = [
        (datetime.strptime(day, "%Y%m%d").date(), *map(float, numbers))  # noqa: DTZ007  # no time
        for day, *numbers in (line.split(",") for line in lines)
    ]
    rows = [row for row in rows if date(2003, 9, 10) <= row[0] <= AS_OF]
    prices = pl.DataFrame(
        [(1, day, close, close) for day, _, _, close in rows], BAR_SCHEMA, orient="row"
    )
    dividends = {
        date.fromisoformat(day): cash for cash, days in AMOUNTS.items() for day in days.split()
    }

    made = made_steps(prices, SPLITS, dividends, AS_OF)
    bars = prices.rename({"series": "security_id"})
    total = factors(bars, made, Adjustment.TOTAL_RETURN, AS_OF)["price_factor"]
    splits = factors(bars, made, Adjustment.SPLITS, AS_OF)["price_factor"]

    assert len(rows) == 38
    assert len(dividends) == 35
    assert (total / splits).to_list() == pytest.approx([row[1] for row in rows], abs=1e-7)
    assert splits.to_list() == pytest.approx([row[2] for row in rows], abs=1e-7)


A_YEAR = timedelta(weeks=52)
"""The example is of 2003-02, before the calendar begins; the same weekdays a year later."""


def test_the_example_of_yahoo_is_reproduced_to_the_cent(recorded: Path):
    example = pl.read_csv(
        recorded / "published/yahoo_crsp_example.csv", schema_overrides={"date": pl.Date}
    ).with_columns(pl.col("date") + A_YEAR)
    prices = example.select(
        series=pl.lit(1, pl.Int64), date="date", open="close", close=pl.col("close")
    )
    splits = {
        day: (1.0, float(text.partition(":")[0]))
        for day, text in example.select("date", "split").drop_nulls().iter_rows()
    }
    cash = dict(example.select("date", "dividend").drop_nulls().iter_rows())
    as_of = date(2004, 2, 27)

    made = made_steps(prices, splits, cash, as_of)
    factor = factors(
        prices.rename({"series": "security_id"}), made, Adjustment.TOTAL_RETURN, as_of
    )["price_factor"]

    adjusted = (example["close"] * factor).to_list()
    assert adjusted == pytest.approx(example["adjusted_close"].to_list(), abs=0.01)
