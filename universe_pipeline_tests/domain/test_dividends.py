"""Dividends: which rows can be used, which are the same, and how a day's rows are numbered."""

from datetime import date
from itertools import permutations
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.dividends import (
    DIVIDEND_RULES,
    DIVIDEND_SCHEMA,
    OUTSIDE_WINDOW,
    SENT_SCHEMA,
    validate,
)
from universe_pipeline.domain.quality import DUPLICATE, UNDECODABLE
from universe_pipeline.domain.windows import Window

EX = date(2004, 11, 15)
WINDOW = Window(date(2004, 1, 1), date(2004, 12, 31))

Row = dict[str, Any]
REGULAR: Row = {
    "symbol": "MSFT",
    "ex_date": EX,
    "cash_amount": 0.08,
    "currency": "USD",
    "distribution_type": "recurring",
    "frequency": 4,
    "declaration_date": date(2004, 9, 15),
    "record_date": date(2004, 11, 17),
    "pay_date": date(2004, 12, 2),
}
SPECIAL = REGULAR | {"cash_amount": 3.0, "distribution_type": "special", "frequency": 0}


def sent(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), SENT_SCHEMA)


def seen(rejected: tuple[Any, ...]) -> list[tuple[str, str | None, date | None]]:
    return [(row.rule, row.symbol, row.day) for row in rejected]


def test_the_rules_are_the_documented_ones() -> None:
    assert (UNDECODABLE, OUTSIDE_WINDOW, *(rule.name for rule in DIVIDEND_RULES), DUPLICATE) == (
        *("undecodable", "outside_window", "symbol_form", "cash_positive", "currency_form"),
        "duplicate",
    )


def test_two_dividends_of_a_day_stay_and_are_numbered() -> None:
    found = validate(sent(SPECIAL, REGULAR), WINDOW)

    assert found.rejected == ()
    assert found.accepted.schema == DIVIDEND_SCHEMA
    numbered = found.accepted.select("n", "cash_amount", "distribution_type").rows()
    assert numbered == [(1, 0.08, "recurring"), (2, 3.0, "special")]


def test_equal_rows_count_once_whatever_their_dates() -> None:
    later = REGULAR | {"declaration_date": date(2004, 9, 16)}
    unknown = REGULAR | {"declaration_date": None, "pay_date": None}

    found = validate(sent(unknown, later, REGULAR, SPECIAL), WINDOW)

    assert found.accepted["declaration_date"].to_list() == [date(2004, 9, 15)] * 2
    assert [(row.rule, row.payload.get("declaration_date")) for row in found.rejected] == [
        ("duplicate", None),
        ("duplicate", "2004-09-16"),
    ]


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_neither_numbers_nor_choice_depend_on_the_order(order: tuple[int, ...]) -> None:
    rows = [
        REGULAR,
        SPECIAL,
        REGULAR | {"pay_date": None},
        REGULAR | {"currency": "CAD"},
        REGULAR | {"distribution_type": None},
    ]

    found = validate(sent(*(rows[place] for place in order)), WINDOW)

    assert found.accepted.select("n", "cash_amount", "currency", "distribution_type").rows() == [
        (1, 0.08, "CAD", "recurring"),
        (2, 0.08, "USD", "recurring"),
        (3, 0.08, "USD", None),
        (4, 3.0, "USD", "special"),
    ]
    assert found.accepted["pay_date"].null_count() == 0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"cash_amount": None}, "cash_positive"),
        ({"cash_amount": 0.0}, "cash_positive"),
        ({"cash_amount": -0.5}, "cash_positive"),
        ({"cash_amount": 1e6}, "cash_positive"),
        ({"cash_amount": float("nan")}, "cash_positive"),
        ({"cash_amount": float("inf")}, "cash_positive"),
        ({"currency": "US$"}, "currency_form"),
        ({"currency": "dollar"}, "currency_form"),
        ({"symbol": "A B"}, "symbol_form"),
        ({"symbol": ""}, "symbol_form"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected_alone(change: Row, rule: str) -> None:
    bad = REGULAR | {"symbol": "BAD"} | change

    found = validate(sent(bad, REGULAR), WINDOW)

    assert found.accepted.height == 1
    assert seen(found.rejected) == [(rule, bad["symbol"], EX)]


@pytest.mark.parametrize(("currency", "kept"), [("usd", "USD"), (" EUR", "EUR"), (None, None)])
def test_a_currency_is_three_letters_or_unknown(currency: str | None, kept: str | None) -> None:
    found = validate(sent(REGULAR | {"currency": currency}), WINDOW)

    assert found.accepted["currency"].to_list() == [kept]


@pytest.mark.parametrize("cash", [1e-9, 0.005975, 999_999.99])
def test_small_and_large_amounts_are_kept(cash: float) -> None:
    assert validate(sent(REGULAR | {"cash_amount": cash}), WINDOW).accepted.height == 1


@pytest.mark.parametrize("day", [date(2003, 12, 31), date(2005, 1, 1)])
def test_a_row_of_a_day_that_was_not_asked_for_is_rejected_without_it(day: date) -> None:
    found = validate(sent(REGULAR | {"ex_date": day}), WINDOW)

    assert seen(found.rejected) == [("outside_window", "MSFT", None)]
    assert found.rejected[0].payload["ex_dividend_date"] == day.isoformat()


def test_announced_rows_belong_to_a_window_without_an_end() -> None:
    row = REGULAR | {"ex_date": date(2027, 11, 5)}

    assert validate(sent(row), Window(date(2026, 10, 1), None)).accepted.height == 1


def test_a_rejected_row_is_kept_as_it_came() -> None:
    found = validate(sent(REGULAR | {"cash_amount": 0.0, "frequency": None}), WINDOW)

    assert found.rejected[0].payload == {
        "ticker": "MSFT",
        "ex_dividend_date": "2004-11-15",
        "cash_amount": 0.0,
        "currency": "USD",
        "distribution_type": "recurring",
        "declaration_date": "2004-09-15",
        "record_date": "2004-11-17",
        "pay_date": "2004-12-02",
    }


def test_an_empty_answer_is_valid() -> None:
    found = validate(sent(), WINDOW)

    assert (found.accepted.height, found.rejected) == (0, ())
    assert found.accepted.schema == DIVIDEND_SCHEMA
