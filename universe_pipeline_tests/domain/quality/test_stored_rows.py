"""Rules for stored rows: each with a row that breaks it, and one that just keeps it."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.rows import judge_rows, row_tests
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.support.made_bars import DAYS

CLEAN = {
    "date": DAYS[0],
    "symbol": "AAPL",
    "open": 10.0,
    "high": 11.0,
    "low": 9.0,
    "close": 10.5,
    "volume": 1000.0,
    "vwap": 10.2,
    "transactions": 12,
}
LATE = date(2026, 2, 23)


def broken(*changes: dict[str, Any]) -> dict[str, int]:
    """How many of the rows break each rule that is broken."""
    rows = [tuple((CLEAN | each).values()) for each in changes]
    bars = pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")
    return {each.rule.name: each.count for each in judge_rows(bars, Thresholds()) if each.count}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        ("symbol_form", {"symbol": "A B"}, {"symbol": "A.B"}),
        ("price_positive", {"low": 0.0}, {"low": 5.5}),
        ("price_positive", {"high": math.inf}, {"high": 12.0}),
        ("ohlc_order", {"high": 10.4}, {"high": 10.5}),
        ("volume_finite", {"volume": math.inf}, {"volume": 1e12}),
        ("transactions_agree_with_volume", {"transactions": 0}, {"transactions": 1}),
        ("transactions_agree_with_volume", {"transactions": None}, {"transactions": 1}),
        (
            "transactions_agree_with_volume",
            {"volume": 0.0},
            {"volume": 0.0, "vwap": None, "transactions": None},
        ),
        (
            "transactions_agree_with_volume",
            {"volume": -5.0},
            {"volume": 0.0, "transactions": 0},
        ),
        ("vwap_is_near_the_range", {"vwap": 11.23}, {"vwap": 11.21}),
        ("vwap_is_near_the_range", {"vwap": 8.81}, {"vwap": 8.83}),
        ("vwap_is_near_the_range", {"vwap": 0.0}, {"vwap": None}),
        (
            "prices_are_of_a_usual_size",
            {"open": 0.009, "high": 0.009, "low": 0.009, "close": 0.009, "vwap": 0.009},
            {"open": 0.01, "high": 0.01, "low": 0.01, "close": 0.01, "vwap": 0.01},
        ),
        (
            "prices_are_of_a_usual_size",
            {"open": 9e5, "high": 1_000_001.0, "low": 9e5, "close": 9e5, "vwap": 9e5},
            {"open": 9e5, "high": 1_000_000.0, "low": 9e5, "close": 9e5, "vwap": 9e5},
        ),
        ("early_volume_is_whole", {"volume": 1000.5}, {"volume": 1000.5, "date": LATE}),
    ],
)
def test_a_row_breaks_its_rule_and_its_neighbour_breaks_none(
    rule: str, bad: dict[str, Any], good: dict[str, Any]
):
    assert broken(CLEAN, good) == {}
    assert broken(CLEAN, bad)[rule] == 1


def test_a_broken_row_is_reported_with_its_values():
    bars = pl.DataFrame(
        [
            tuple((CLEAN | {"vwap": vwap, "symbol": name}).values())
            for name, vwap in [("FAR", 13.2), ("FARTHER", 22.0), ("NEAR", 11.0)]
        ],
        schema=DATED_BAR_SCHEMA,
        orient="row",
    )

    (found,) = [each for each in judge_rows(bars, Thresholds()) if each.count]

    assert [str(one) for one in found.worst] == [
        "2024-01-02 FARTHER: vwap 22.0, low 9.0, high 11.0",
        "2024-01-02 FAR: vwap 13.2, low 9.0, high 11.0",
    ]
    assert found.repair == "universe repair --symbols=FARTHER --start 2024-01-02 --end 2024-01-02"


def test_how_far_vwap_may_lie_outside_is_a_setting():
    far = {**CLEAN, "vwap": 11.5}
    bars = pl.DataFrame([tuple(far.values())], schema=DATED_BAR_SCHEMA, orient="row")

    assert sum(each.count for each in judge_rows(bars, Thresholds(vwap=0.05))) == 0
    assert sum(each.count for each in judge_rows(bars, Thresholds(vwap=0.04))) == 1


def test_of_many_offenders_all_are_counted_and_the_worst_are_reported():
    rows = [tuple((CLEAN | {"symbol": f"S{n:03}", "vwap": 12.0 + n}).values()) for n in range(120)]
    bars = pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")

    (found,) = [each for each in judge_rows(bars, Thresholds()) if each.count]

    assert found.count == 120
    assert [one.symbol for one in found.worst[:2]] == ["S119", "S118"]
    assert len(found.worst) == 50


PRICE = st.sampled_from([0.0, -1.0, 0.009, 0.01, 9.0, 10.0, 21.0, 1e6, 1e7, math.inf, math.nan])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(["A B", "", "x" * 33, "Ä"]),
        **dict.fromkeys(("open", "high", "low", "close"), PRICE),
        "volume": st.sampled_from([-1.0, 0.0, 0.5, math.inf, math.nan]),
        "vwap": st.none() | PRICE,
        "transactions": st.sampled_from([None, -1, 0]),
    },
)


@given(st.lists(CHANGES), st.lists(CHANGES, min_size=1))
@settings(deadline=None)
def test_a_glance_decides_as_a_closer_look(early: list[dict[str, Any]], late: list[dict[str, Any]]):
    rows = [tuple((CLEAN | each).values()) for each in early]
    rows += [tuple((CLEAN | each | {"date": LATE}).values()) for each in late]
    bars = pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")
    generous = Thresholds(vwap=2.0)

    for thresholds in (Thresholds(), generous):
        rules = row_tests(thresholds)
        closer = [(each.rule, bars.filter(each.broken).height) for each in rules]
        for kind in (pl.String, pl.Categorical):
            found = judge_rows(bars.cast({"symbol": kind}), thresholds)
            assert [(each.rule, each.count) for each in found] == closer


def test_without_bars_every_rule_is_kept():
    found = judge_rows(DATED_BAR_SCHEMA.to_frame(), Thresholds())

    assert [each.count for each in found] == [0] * 8
