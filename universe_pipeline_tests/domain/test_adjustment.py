"""Adjustment of bars; numbers worked out by hand, or by exact fractions."""

from datetime import date, timedelta
from fractions import Fraction
from typing import TypeAlias

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.domain.adjustment import (
    EVENT_SCHEMA,
    STEP_SCHEMA,
    Adjustment,
    adjust,
    factors,
    steps,
)
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.domain.splits import events as events_of
from universe_pipeline_tests.support.hypothesis_profile import examples

TODAY = date(2026, 11, 23)
JUNE_2014, AUGUST_2020 = date(2014, 6, 9), date(2020, 8, 31)
FIRST = date(2024, 1, 2)

Event: TypeAlias = tuple[int, date, float, float]
Split: TypeAlias = tuple[str, date, float, float, str | None]

APPLE: tuple[Split, ...] = (
    ("AAPL", AUGUST_2020, 1, 4, "forward_split"),
    ("AAPL", JUNE_2014, 1, 7, "forward_split"),
)


def by_splits(bars: pl.DataFrame, *splits: Split, today: date = TODAY) -> pl.DataFrame:
    listed = pl.DataFrame(list(splits), schema=SPLIT_SCHEMA, orient="row")
    made = steps(events_of(listed), by="symbol")
    return adjust(bars, made, Adjustment.SPLITS, today, by="symbol")


def bars(*rows: tuple[str, date, float, float]) -> pl.DataFrame:
    """Bars by symbol, date, close and volume; open a dollar lower, no vwap, seven trades."""
    return pl.DataFrame(
        [
            (day, symbol, close - 1, close + 1, close - 2, close, volume, None, 7)
            for symbol, day, close, volume in rows
        ],
        schema=DATED_BAR_SCHEMA,
        orient="row",
    )


def security_bars(*rows: tuple[int | None, date, float]) -> pl.DataFrame:
    """Bars by security, date and close; each trades 100 shares."""
    plain = bars(*((str(security), day, close, 100.0) for security, day, close in rows))
    return plain.with_columns(security_id=pl.Series([row[0] for row in rows], dtype=pl.Int64))


def steps_of(*events: Event) -> pl.DataFrame:
    return steps(pl.DataFrame(list(events), EVENT_SCHEMA, orient="row"))


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_steps_multiply_up_from_the_first_action_and_end_where_the_next_begins():
    made = steps_of(
        (7, day(9), 0.5, 1.0), (7, day(3), 4.0, 1.0), (7, day(5), 1.0, 1.25), (2, day(4), 3.0, 1.0)
    )

    assert made.schema == STEP_SCHEMA
    assert made.rows() == [
        (2, day(4), None, 3.0, 1.0),
        (7, day(3), day(5), 4.0, 1.0),
        (7, day(5), day(9), 4.0, 1.25),
        (7, day(9), None, 2.0, 1.25),
    ]


def test_actions_of_one_day_are_one_step():
    made = steps_of((7, day(3), 4.0, 1.0), (7, day(3), 1.0, 1.25))

    assert made.rows() == [(7, day(3), None, 4.0, 1.25)]


def test_factors_multiply_back_from_the_newest_split():
    split = ("TRUE", JUNE_2014, 8.0, 1.0, None)
    before, between = JUNE_2014 - timedelta(days=1), AUGUST_2020 - timedelta(days=1)
    listed = pl.DataFrame([*APPLE, split], schema=SPLIT_SCHEMA, orient="row")
    traded = bars(("AAPL", before, 1, 1), ("AAPL", between, 1, 1), ("TRUE", before, 1, 1))

    made = steps(events_of(listed), by="symbol")
    found = factors(traded, made, Adjustment.SPLITS, TODAY, by="symbol")

    assert found.rows() == [(1 / 28, 28.0), (0.25, 4.0), (8.0, 0.125)]


def test_bars_before_the_execution_date_are_adjusted_and_that_session_is_not():
    as_traded = bars(
        ("AAPL", date(2014, 6, 6), 560.0, 1_000.0),
        ("AAPL", JUNE_2014, 92.0, 7_000.0),
        ("AAPL", date(2020, 8, 28), 500.0, 100.0),
        ("AAPL", AUGUST_2020, 129.0, 400.0),
        ("MSFT", date(2014, 6, 6), 41.0, 10.0),
    )

    found = by_splits(as_traded, *APPLE)

    assert found.schema == DATED_BAR_SCHEMA
    assert found.select("date", "symbol", "close", "volume", "transactions").rows() == [
        (date(2014, 6, 6), "AAPL", 20.0, 28_000.0, 7),
        (JUNE_2014, "AAPL", 23.0, 28_000.0, 7),
        (date(2020, 8, 28), "AAPL", 125.0, 400.0, 7),
        (AUGUST_2020, "AAPL", 129.0, 400.0, 7),
        (date(2014, 6, 6), "MSFT", 41.0, 10.0, 7),
    ]
    assert found.select("open", "high", "low", "vwap").row(2) == (124.75, 125.25, 124.5, None)


@pytest.mark.parametrize(("today", "close"), [(TODAY, 100.0), (date(2027, 2, 1), 50.0)])
def test_an_announced_split_counts_from_its_day_on(today: date, close: float):
    announced = ("A", date(2027, 2, 1), 1.0, 2.0, "forward_split")

    found = by_splits(bars(("A", date(2026, 11, 20), 100.0, 1.0)), announced, today=today)

    assert found["close"].to_list() == [close]


def test_without_splits_bars_stay_as_they_are():
    as_traded = bars(("A", date(2026, 11, 20), 100.0, 1.0))

    assert by_splits(as_traded).equals(as_traded)


def test_total_return_reinvests_dividends_and_takes_volume_by_splits_only():
    made = steps_of((1, day(2), 2.0, 1.0), (1, day(3), 1.0, 100 / 98))
    traded = security_bars((1, day(1), 198.0), (1, day(2), 100.0), (1, day(3), 98.0))

    found = adjust(traded, made, Adjustment.TOTAL_RETURN, day(9))

    assert found["close"].to_list() == [198 * 0.5 * (1 / (100 / 98)), 100 / (100 / 98), 98.0]
    assert found["close"].to_list() == pytest.approx([97.02, 98.0, 98.0], rel=1e-15)
    assert found["volume"].to_list() == [200.0, 100.0, 100.0]
    assert found["transactions"].to_list() == [7, 7, 7]


def test_none_leaves_prices_and_volumes_as_traded():
    traded = security_bars((1, day(1), 198.0), (1, day(2), 100.0))

    found = adjust(traded, steps_of((1, day(2), 2.0, 1.1)), Adjustment.NONE, day(9))

    assert found.equals(traded)


def test_bars_after_the_as_of_day_are_left_out_and_later_actions_do_not_count():
    made = steps_of((1, day(2), 2.0, 1.0), (1, day(5), 5.0, 1.0))
    traded = security_bars((1, day(1), 200.0), (1, day(3), 100.0), (1, day(5), 20.0))

    found = adjust(traded, made, Adjustment.SPLITS, day(4))

    assert found.select("date", "close").rows() == [(day(1), 100.0), (day(3), 100.0)]


def test_each_security_has_its_own_actions_and_a_bar_without_one_has_none():
    made = steps_of((1, day(2), 2.0, 1.0), (3, day(3), 4.0, 1.0))
    traded = security_bars(
        (3, day(1), 8.0), (None, day(1), 8.0), (2, day(1), 8.0), (1, day(1), 8.0)
    )

    found = adjust(traded, made, Adjustment.SPLITS, day(9))

    assert found["close"].to_list() == [2.0, 8.0, 8.0, 4.0]


DAYS = st.integers(0, 60).map(day)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Splits and dividends of two securities; several may share a day."""
    return [_event(draw) for _ in range(draw(st.integers(0, 25)))]


def _event(draw: st.DrawFn) -> Event:
    security, when = draw(st.integers(1, 2)), draw(DAYS)
    if draw(st.booleans()):
        return security, when, draw(st.integers(1, 60)) / draw(st.integers(1, 60)), 1.0
    return security, when, 1.0, 1 / (1 - draw(st.floats(0.001, 0.4)))


def every_day(until: date) -> pl.DataFrame:
    """A bar of each security on each day up to `until`."""
    count = (until - FIRST).days + 1
    return security_bars(*((n, day(k), 50.0 + k) for k in range(count) for n in (1, 2)))


@given(events=histories(), as_of=DAYS)
@examples(60)
def test_factors_are_the_products_of_the_actions_after_the_bar_up_to_the_as_of_day(
    events: list[Event], as_of: date
):
    traded = every_day(as_of)

    found = factors(traded, steps_of(*events), Adjustment.TOTAL_RETURN, as_of)

    for (security, when), (price, volume) in zip(
        traded.select("security_id", "date").iter_rows(), found.iter_rows(), strict=True
    ):
        later = [one for one in events if one[0] == security and when < one[1] <= as_of]
        shares = money = Fraction(1)
        for _, _, split, dividend in later:
            shares *= Fraction(split)
            money *= Fraction(split) * Fraction(dividend)
        if not later:
            assert (price, volume) == (1.0, 1.0)
        assert abs(Fraction(price) * money - 1) < 1e-13
        assert abs(Fraction(volume) / shares - 1) < 1e-13


@given(events=histories(), as_of=DAYS, adjustment=st.sampled_from(Adjustment))
@examples(60)
def test_no_later_action_changes_a_bar_as_of_an_earlier_day(
    events: list[Event], as_of: date, adjustment: Adjustment
):
    traded, until_then = every_day(day(60)), [one for one in events if one[1] <= as_of]

    found = adjust(traded, steps_of(*events), adjustment, as_of)

    assert found.equals(adjust(traded, steps_of(*until_then), adjustment, as_of))


@given(events=histories(), days=st.tuples(DAYS, DAYS))
@examples(60)
def test_total_returns_of_two_as_of_days_differ_by_one_constant(
    events: list[Event], days: tuple[date, date]
):
    earlier, later = sorted(days)
    made, traded = steps_of(*events), every_day(earlier)

    closes = [
        adjust(traded, made, Adjustment.TOTAL_RETURN, as_of).select(
            "security_id", pl.col("close").alias(name)
        )
        for as_of, name in ((earlier, "a"), (later, "b"))
    ]

    quotients = closes[0].with_columns(closes[1]["b"]).with_columns(q=pl.col("b") / pl.col("a"))
    spread = quotients.group_by("security_id").agg(pl.col("q").max() / pl.col("q").min() - 1)
    assert spread["q"].max() < 1e-13  # pyright: ignore[reportOperatorIssue]  # a number
