"""Splits: which rows of the list count, and what they do to bars; numbers worked out by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.quality import DUPLICATE, UNDECODABLE
from universe_pipeline.domain.splits import (
    SPLIT_LIST,
    SPLIT_RULES,
    SPLIT_SCHEMA,
    events,
    is_unusual,
    validate,
)

TODAY = date(2026, 11, 23)
JUNE_2014, AUGUST_2020 = date(2014, 6, 9), date(2020, 8, 31)

Split = tuple[str, date, float | None, float | None, str | None]

APPLE: tuple[Split, ...] = (
    ("AAPL", AUGUST_2020, 1, 4, "forward_split"),
    ("AAPL", JUNE_2014, 1, 7, "forward_split"),
)


def listed(*rows: Split) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SPLIT_SCHEMA, orient="row")


def seen(rejected: tuple[Any, ...]) -> list[tuple[str, str | None, date | None]]:
    return [(row.rule, row.symbol, row.day) for row in rejected]


def test_the_rules_are_the_documented_ones():
    assert (UNDECODABLE, *(rule.name for rule in SPLIT_RULES), DUPLICATE) == (
        *("undecodable", "symbol_form", "sides_positive", "ratio_possible"),
        "duplicate",
    )


def test_usable_splits_are_kept_by_symbol_and_date_whatever_they_are():
    rows: list[Split] = [
        ("ZZZ", date(2027, 2, 1), 1, 2, "forward_split"),
        ("AGT", date(2026, 1, 5), 1, 1.0056, "stock_dividend"),
        ("OLD", date(2010, 3, 1), 2e6, 1, "reverse_split"),
        ("BCpC", date(2012, 8, 6), 3, 2, "a type of next year"),
        ("BCPC", date(2012, 8, 6), 3, 2, None),
    ]

    found = validate(listed(*rows))

    assert found.rejected == ()
    assert found.accepted.rows() == [rows[1], rows[4], rows[3], rows[2], rows[0]]


@pytest.mark.parametrize(
    ("split_from", "split_to", "rule"),
    [
        (None, 2.0, "sides_positive"),
        (1.0, None, "sides_positive"),
        (0.0, 2.0, "sides_positive"),
        (1.0, -2.0, "sides_positive"),
        (float("inf"), 1.0, "sides_positive"),
        (1.0, float("nan"), "sides_positive"),
        (1.0, 1.1e9, "ratio_possible"),
        (1e200, 1.0, "ratio_possible"),
    ],
)
def test_a_split_with_an_impossible_side_is_rejected_alone(
    split_from: float | None, split_to: float | None, rule: str
):
    bad = ("BAD", AUGUST_2020, split_from, split_to, "forward_split")

    found = validate(listed(bad, *APPLE))

    assert found.accepted.height == 2
    assert seen(found.rejected) == [(rule, "BAD", AUGUST_2020)]


@pytest.mark.parametrize("symbol", ["", "A B", "A" * 33, "\x1b[31mA"])
def test_a_symbol_that_no_bar_can_have_is_rejected(symbol: str):
    found = validate(listed((symbol, AUGUST_2020, 1, 4, None)))

    assert found.accepted.height == 0
    assert seen(found.rejected) == [("symbol_form", symbol, AUGUST_2020)]


def test_of_rows_that_agree_in_the_ratio_the_one_that_knows_its_type_is_kept():
    found = validate(
        listed(
            ("SHOP", date(2022, 6, 29), 1, 10, None),
            ("SHOP", date(2022, 6, 29), 2, 20, "forward_split"),
            ("SHOP", date(2022, 6, 29), 1, 10, "stock_dividend"),
        )
    )

    assert found.accepted.rows() == [("SHOP", date(2022, 6, 29), 2, 20, "forward_split")]
    assert [(row.rule, row.payload) for row in found.rejected] == [
        (
            "duplicate",
            {"ticker": "SHOP", "execution_date": "2022-06-29", "split_from": 1, "split_to": 10},
        ),
        (
            "duplicate",
            {
                "ticker": "SHOP",
                "execution_date": "2022-06-29",
                "split_from": 1,
                "split_to": 10,
                "adjustment_type": "stock_dividend",
            },
        ),
    ]


def test_of_rows_that_differ_in_the_ratio_none_is_kept():
    day = date(2022, 6, 29)

    found = validate(
        listed(("SHOP", day, 1, 10, None), ("SHOP", day, 1, 5, None), ("SHOP", TODAY, 1, 2, None))
    )

    assert found.accepted.rows() == [("SHOP", TODAY, 1, 2, None)]
    assert seen(found.rejected) == [("duplicate", "SHOP", day), ("duplicate", "SHOP", day)]


@pytest.mark.parametrize("one", [(1, 1), (2, 2), (10, 10)])
def test_a_ratio_of_one_contradicts_no_other_ratio(one: tuple[float, float]):
    day = date(2022, 6, 29)
    split = ("SHOP", day, 1, 2, None)

    found = validate(listed(("SHOP", day, *one, "forward_split"), split))

    assert found.accepted.rows() == [split]
    assert seen(found.rejected) == [("duplicate", "SHOP", day)]


def test_a_ratio_of_one_does_not_settle_which_of_two_others_is_right():
    day = date(2022, 6, 29)
    rows = [("SHOP", day, 1.0, ratio, None) for ratio in (1.0, 2.0, 3.0)]

    found = validate(listed(*rows))

    assert found.accepted.is_empty()
    assert len(found.rejected) == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_ratio_of_one_alone_is_a_split_like_any_other(times: int):
    row = ("SHOP", date(2022, 6, 29), 1, 1, None)

    found = validate(listed(*[row] * times))

    assert found.accepted.rows() == [row]
    assert len(found.rejected) == times - 1


@pytest.mark.parametrize("nothing", ["", "  ", "null", "None"])
def test_a_type_that_names_nothing_is_absent(nothing: str):
    found = validate(listed(("SHOP", TODAY, 1, 10, nothing)))

    assert found.accepted["adjustment_type"].to_list() == [None]


def test_a_split_has_its_symbol_and_day_for_a_key_in_the_order_of_the_list():
    found = SPLIT_LIST.keys(listed(*APPLE, ("A B", JUNE_2014, 1, 2, None)))

    assert found.to_list() == ["A B 2014-06-09", "AAPL 2014-06-09", "AAPL 2020-08-31"]


def test_an_unusable_row_does_not_make_a_usable_one_a_duplicate():
    found = validate(
        listed(("SHOP", TODAY, None, 10, None), ("SHOP", TODAY, 1, 10, "forward_split"))
    )

    assert found.accepted.rows() == [("SHOP", TODAY, 1, 10, "forward_split")]
    assert seen(found.rejected) == [("sides_positive", "SHOP", TODAY)]


def test_a_split_multiplies_the_shares_from_its_day_on():
    found = events(listed(*APPLE, ("TRUE", JUNE_2014, 8, 1, None)))

    assert found.rows() == [
        ("AAPL", AUGUST_2020, 4.0, 1.0),
        ("AAPL", JUNE_2014, 7.0, 1.0),
        ("TRUE", JUNE_2014, 0.125, 1.0),
    ]


@pytest.mark.parametrize(
    ("split_from", "split_to", "expected"),
    [
        *((1, 4, False), (8, 1, False), (2, 3, False), (20, 21, False), (1, 1000, False)),
        *((1, 1.5, False), (1, 1.281, True), (1000, 1281, True), (1, 2.002, True)),
    ],
)
def test_a_ratio_without_a_side_of_at_most_a_hundred_is_unusual(
    split_from: float, split_to: float, *, expected: bool
):
    assert is_unusual(split_from, split_to) is expected
