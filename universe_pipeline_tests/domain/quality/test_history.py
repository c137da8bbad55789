"""What is remembered of the bars before one, and for how long; which are candidates of rules."""

import polars as pl

from universe_pipeline.domain.quality.history import RollingState
from universe_pipeline_tests.support.made_bars import (
    DAYS,
    NO_SPLITS,
    calm,
    series,
    split_daily,
)


def remembered(since: int) -> pl.DataFrame:
    """The bars of session 30, where those before session `since` are forgotten."""
    daily = series("DAILY", calm(31))
    ended = series("ENDED", [9.0, 9.1, *[None] * 28, 9.2])
    bars = pl.concat([daily, ended, series("NEW", [5.0], start=30)]).sort("date")
    histories = RollingState(split_daily(bars))
    histories.line_up(bars.filter(pl.col("date") < DAYS[30]), DAYS)

    histories.forget(DAYS[since])

    return histories.line_up(bars.filter(pl.col("date") == DAYS[30]), DAYS).candidates.sort(
        "symbol"
    )


def test_of_every_symbol_the_last_bar_is_remembered_and_others_while_they_are_young():
    found = remembered(since=10)

    assert found["symbol"].to_list() == ["DAILY", "ENDED"]
    assert found["bars"].to_list() == [20, 1]
    assert found["before"].to_list() == [10.1, 9.1]
    assert found["date_before"].to_list() == [DAYS[29], DAYS[1]]
    assert found["missing"].to_list() == [0, 28]
    assert [value is None for value in found["move_before"]] == [False, True]


def test_what_is_usual_needs_twenty_bars_that_are_remembered():
    usual = [remembered(since)["usual_size"][0] for since in (10, 11)]

    assert [value is None for value in usual] == [False, True]


def test_only_bars_that_a_rule_may_be_about_are_candidates():
    volume = [*[1000.0] * 24, 1e6]
    bars = pl.concat(
        [
            series("CALM", calm(25)),
            series("IDLE", calm(25), volume=[*[1000.0] * 24, 0.0]),
            series("LATE", calm(23, None, 10.0)),
            series("MOVED", calm(24, 13.0)),
            series("SPLIT", calm(25)),
            series("STANDS", calm(24, 10.1)),
            series("WILD", calm(25), volume=volume),
        ]
    ).sort("date")
    splits = pl.DataFrame([("SPLIT", DAYS[24], 1.0, 2.0)], schema=NO_SPLITS.schema, orient="row")

    found = RollingState(splits).line_up(bars, DAYS).candidates

    assert found["date"].unique().to_list() == [DAYS[24]]
    assert found["symbol"].sort().to_list() == ["IDLE", "LATE", "MOVED", "SPLIT", "STANDS", "WILD"]


def test_any_number_of_symbols_is_remembered():
    many = pl.concat([series(f"S{n}", [10.0 + n, 11.0 + n]) for n in range(2_500)]).sort("date")
    histories = RollingState(split_daily(many))

    found = [
        histories.line_up(many[start : start + 1_250], DAYS).candidates
        for start in range(0, 5_000, 1_250)
    ]

    lines = pl.concat(found)
    assert lines.height == 2_500
    assert (lines["close"] == lines["before"] + 1).all()
