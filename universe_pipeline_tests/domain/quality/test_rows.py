"""Row rules: what is rejected, under which name, and what real data may do unharmed."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA, RejectedRow
from universe_pipeline.domain.quality import (
    DUPLICATE,
    OFF_SESSION,
    ROW_RULES,
    UNDECODABLE,
    Validated,
    validate,
)

Row = tuple[Any, ...]

CLEAN: Row = ("CLEAN", 10.0, 11.0, 9.0, 10.5, 1000.0, 10.2, 12)
"""A row that no rule touches: stands next to rows that break a rule."""


def row(symbol: str | None = "AAPL", **changes: Any) -> Row:
    values = dict(zip(BAR_SCHEMA, CLEAN, strict=True)) | {"symbol": symbol} | changes
    return tuple(values.values())


def judged(*rows: Row) -> Validated:
    return validate(pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row"))


def test_the_list_of_rules_is_closed():
    assert (UNDECODABLE, DUPLICATE, OFF_SESSION, *(rule.name for rule in ROW_RULES)) == (
        "undecodable",
        "duplicate",
        "off_session",
        "symbol_form",
        "price_positive",
        "ohlc_order",
        "volume_finite",
    )


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("symbol_form", row(None)),
        ("symbol_form", row("")),
        ("symbol_form", row("A B")),
        ("symbol_form", row(" AAPL")),
        ("symbol_form", row("AAPL\n")),
        ("symbol_form", row("AA\tPL")),
        ("symbol_form", row("AA\u00a0PL")),
        ("symbol_form", row("AA\x00PL")),
        ("symbol_form", row("\x00")),
        ("symbol_form", row("AA\x7fPL")),
        ("symbol_form", row("AA\u200bPL")),
        ("symbol_form", row("X" * 33)),
        ("symbol_form", row("Ä" * 33)),
        ("price_positive", row(open=None)),
        ("price_positive", row(high=None)),
        ("price_positive", row(low=None)),
        ("price_positive", row(close=None)),
        ("price_positive", row(low=0.0)),
        ("price_positive", row(low=-1.0)),
        ("price_positive", row(open=math.nan)),
        ("price_positive", row(high=math.inf)),
        ("price_positive", row(close=-math.inf)),
        ("ohlc_order", row(high=10.4)),  # below the close
        ("ohlc_order", row(open=11.5)),  # above the high
        ("ohlc_order", row(low=10.1)),  # above the open
        ("ohlc_order", row(close=8.0)),  # below the low
        ("ohlc_order", row(high=8.0, low=9.0, open=8.0, close=8.0)),
        ("volume_finite", row(volume=None)),
        ("volume_finite", row(volume=math.nan)),
        ("volume_finite", row(volume=math.inf)),
    ],
)
def test_a_row_is_rejected_alone_under_the_rule_that_it_breaks(rule: str, bad: Row):
    found = judged(CLEAN, bad)

    assert found.accepted.rows() == [CLEAN]
    assert [(each.rule, each.symbol) for each in found.rejected] == [(rule, bad[0])]


@pytest.mark.parametrize(
    "good",
    [
        row("BCpC"),
        row("brk.b"),
        row("AAC.WS"),
        row("Ä"),
        row("X" * 32),
        row("Ä" * 32),
        row("7"),
        row(vwap=12.0),  # above the high: vwap takes odd lots and extended hours
        row(vwap=8.0),
        row(vwap=8.9e12),
        row(vwap=None),
        row(volume=0.0, vwap=None, transactions=None),
        row(volume=0.25),
        row(volume=213849.305802),
        row(open=10.0, high=10.0, low=10.0, close=10.0),
        row(open=0.0001, high=0.0001, low=0.0001, close=0.0001),
        row(open=9.0, high=1_500_000.0, low=9.0, close=1_500_000.0),
        row(transactions=0),
    ],
)
def test_what_real_data_does_is_accepted(good: Row):
    found = judged(CLEAN, good)

    assert found.accepted.rows() == [CLEAN, good]
    assert found.rejected == ()


def test_symbols_that_look_like_missing_values_are_symbols():
    names = ["NA", "NAN", "NaN", "TRUE", "NULL", "null", "None", "-"]

    found = judged(*(row(name) for name in names))

    assert found.accepted["symbol"].to_list() == names


def test_symbols_that_differ_in_case_are_two():
    found = judged(row("BCpC"), row("BCPC"))

    assert found.accepted["symbol"].to_list() == ["BCpC", "BCPC"]


def test_of_identical_rows_one_is_kept():
    found = judged(row("BAUG"), CLEAN, row("BAUG"), row("BAUG"))

    assert found.accepted.rows() == [row("BAUG"), CLEAN]
    assert [(each.rule, each.symbol) for each in found.rejected] == [("duplicate", "BAUG")] * 2


def test_of_identical_rows_without_trades_one_is_kept():
    idle = row("ZTST", volume=0.0, vwap=None, transactions=None)

    found = judged(idle, idle)

    assert found.accepted.rows() == [idle]


@pytest.mark.parametrize("change", [{"close": 10.6}, {"vwap": None}, {"transactions": 13}])
def test_of_differing_rows_none_is_kept(change: dict[str, Any]):
    found = judged(row("BAUG"), CLEAN, row("BAUG"), row("BAUG", **change))

    assert found.accepted.rows() == [CLEAN]
    assert [each.rule for each in found.rejected] == ["duplicate"] * 3


def test_a_broken_row_is_reported_by_its_rule_and_spoils_its_duplicate():
    found = judged(row("BAUG"), row("BAUG", close=None))

    assert found.accepted.is_empty()
    assert [each.rule for each in found.rejected] == ["duplicate", "price_positive"]


def test_the_payload_has_the_vendors_names_without_what_is_missing():
    found = judged(row("A B", close=None, vwap=None))

    assert found.rejected == (
        RejectedRow(
            "symbol_form",
            "A B",
            {"T": "A B", "o": 10.0, "h": 11.0, "l": 9.0, "v": 1000.0, "n": 12},
        ),
    )


def test_an_empty_answer_is_accepted_empty():
    found = judged()

    assert found.accepted.schema == BAR_SCHEMA
    assert (found.accepted.height, found.rejected) == (0, ())


def test_one_symbols_bars_repeat_by_date():
    days = [date(2024, 7, 1), date(2024, 7, 2), date(2024, 7, 2)]
    bars = pl.DataFrame([(day, *CLEAN) for day in days], schema=DATED_BAR_SCHEMA, orient="row")

    found = validate(bars, key="date")

    assert found.accepted.rows() == [(days[0], *CLEAN), (days[1], *CLEAN)]
    assert [each.rule for each in found.rejected] == ["duplicate"]


PRICE = st.sampled_from([None, -1.0, 0.0, 9.0, 10.0, 11.0, math.nan, math.inf])
ROW = st.tuples(
    st.sampled_from([None, "", "A", "a", "A B"]),
    *(PRICE, PRICE, PRICE, PRICE),
    st.sampled_from([None, 0.0, 1.5, math.nan]),
    st.sampled_from([None, 5.0]),
    st.sampled_from([None, 3]),
)


@given(st.lists(ROW, max_size=6))
@settings(max_examples=200, deadline=None)
def test_every_row_is_accepted_or_rejected_as_a_person_would(rows: list[Row]):
    found = judged(*rows)

    fates = [_fate(place, rows) for place in range(len(rows))]
    accepted = [each for each, fate in zip(rows, fates, strict=True) if fate is None]
    rejected = [fate for fate in fates if fate is not None]
    assert found.accepted.rows() == accepted
    assert [each.rule for each in found.rejected] == rejected


def _fate(place: int, rows: list[Row]) -> str | None:
    """The rules once more, row by row."""
    symbol, *prices, volume, _, _ = rows[place]
    if symbol in (None, "", "A B"):
        return "symbol_form"
    if any(price is None or not math.isfinite(price) or price <= 0 for price in prices):
        return "price_positive"
    opened, high, low, closed = prices
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        return "ohlc_order"
    if volume is None or not math.isfinite(volume):
        return "volume_finite"
    same = [other for other in rows if other[0] == symbol]
    differ = any(repr(other) != repr(rows[place]) for other in same)
    first = next(n for n, other in enumerate(rows) if other[0] == symbol)
    return "duplicate" if differ or place != first else None
