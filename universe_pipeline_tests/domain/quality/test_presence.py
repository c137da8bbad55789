"""On which days symbols have bars."""

import polars as pl

from universe_pipeline.domain.quality.presence import Presence
from universe_pipeline_tests.support.made_bars import DAYS, lined_up, series


def test_spans_grow_with_every_window():
    lines = lined_up(
        series("A", [1.0, None, 1.0, None]),
        series("B", [None, 1.0, 1.0, 1.0]),
        series("LATE", [None, None, None, 1.0]),
    ).bars
    presence = Presence()

    for window in (DAYS[:2], DAYS[2:3], DAYS[3:4]):
        presence.add(lines.filter(pl.col("date").is_in(window)))

    assert presence.spans().sort("symbol").rows() == [
        ("A", DAYS[0], DAYS[2], 2),
        ("B", DAYS[1], DAYS[3], 3),
        ("LATE", DAYS[3], DAYS[3], 1),
    ]


def test_each_symbol_has_its_days():
    lines = lined_up(
        series("A", [1.0, None, 1.0]), series("B", [None, 1.0, 1.0]), series("C", [None, None, 1.0])
    ).bars
    presence = Presence()

    for day in DAYS[:3]:  # when the first is added, there is no C yet
        presence.add(lines.filter(pl.col("date") == day))
    symbols, there = presence.of(DAYS[:2])

    assert dict(zip(symbols, there.tolist(), strict=True)) == {
        "A": [True, False],
        "B": [False, True],
    }


def test_symbols_without_a_bar_have_no_span():
    lines = lined_up(series("A", [1.0]), series("B", [None, 1.0])).bars
    presence = Presence()

    presence.add(lines.filter(pl.col("symbol") == "B"))

    assert presence.spans().rows() == [("B", DAYS[1], DAYS[1], 1)]


def test_without_bars_there_are_none():
    assert Presence().spans().schema == {
        "symbol": pl.String,
        "first": pl.Date,
        "last": pl.Date,
        "bars": pl.UInt32,
    }
