"""The same bars by another way, compared value by value."""

from datetime import date

import polars as pl

from universe_pipeline.domain.quality.sources import differences, misadjusted
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline_tests.support.made_bars import DAYS, series

TODAY = date(2024, 6, 28)


def test_bars_that_differ_or_are_missing_are_reported_with_both_values():
    ours = series("A", [10.0, 11.0, None, 12.0], transactions=[5, 5, 5, None])
    theirs = series("A", [10.0, 11.5, 11.0, None], transactions=5, vwap=10.0)

    found = differences(ours.with_columns(vwap=10.0), theirs)

    assert [str(each) for each in found] == [
        (
            "2024-01-03 A: open 11.0 here, 11.5 there, high 11.0 here, 11.5 there, "
            "low 11.0 here, 11.5 there, close 11.0 here, 11.5 there"
        ),
        "2024-01-04 A: not stored, and the per-symbol endpoint has a bar",
        "2024-01-05 A: stored, and the per-symbol endpoint has no bar",
    ]


def test_equal_bars_have_no_difference():
    bars = series("A", [10.0, 11.0], vwap=None, transactions=None)

    assert differences(bars, bars) == []


def test_adjusted_bars_are_raw_ones_times_the_splits_after_them():
    splits = pl.DataFrame(
        [
            ("A", DAYS[2], 1.0, 10.0, None),
            ("A", DAYS[4], 1.0, 2.0, None),
            ("A", date(2024, 9, 2), 1.0, 3.0, None),
        ],
        schema=SPLIT_SCHEMA,
        orient="row",
    )
    raw = series("A", [200.0, 210.0, 21.5, 21.0, 10.6])
    right = series("A", [10.0, 10.5, 10.75, 10.5, 10.6])
    wrong = series("A", [10.0, 10.5, 21.5, 10.5, 10.6])

    assert misadjusted(raw, right, splits, TODAY) == []
    assert [str(each) for each in misadjusted(raw, wrong, splits, TODAY)] == [
        "2024-01-04 A: adjusted open 21.5, by the splits 10.7500"
    ]


def test_what_the_vendor_rounded_is_no_difference():
    splits = pl.DataFrame([("A", DAYS[1], 1.0, 3.0, None)], schema=SPLIT_SCHEMA, orient="row")

    found = misadjusted(series("A", [0.1]), series("A", [0.0333]), splits, TODAY)

    assert found == []
