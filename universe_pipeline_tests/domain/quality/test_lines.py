"""What is remembered of the bars before one, and for how long."""

import polars as pl

from universe_pipeline.domain.quality.lines import Histories
from universe_pipeline_tests.domain.quality.made import DAYS, calm, series


def remembered(since: int) -> pl.DataFrame:
    """The bars of session 30, where those before session `since` are forgotten."""
    histories = Histories(DAYS)
    daily = series("DAILY", calm(31))
    ended = series("ENDED", [9.0, 9.1, *[None] * 28, 9.2])
    bars = pl.concat([daily, ended, series("NEW", [5.0], start=30)]).sort("date")
    histories.line_up(bars.filter(pl.col("date") < DAYS[30]))

    histories.forget(DAYS[since])

    return histories.line_up(bars.filter(pl.col("date") == DAYS[30])).sort("symbol")


def test_of_every_symbol_the_last_bar_is_remembered_and_others_while_they_are_young():
    found = remembered(since=10)

    assert found["bars"].to_list() == [20, 1, 0]
    assert found["before"].to_list() == [10.1, 9.1, None]
    assert found["date_before"].to_list() == [DAYS[29], DAYS[1], None]
    assert found["close_there"].to_list() == [10.0, None, None]
    assert found["missing"].to_list() == [0, 28, None]


def test_what_is_usual_needs_twenty_bars_that_are_remembered():
    usual = [remembered(since)["usual_size"][0] for since in (10, 11)]

    assert [value is None for value in usual] == [False, True]


def test_any_number_of_symbols_is_remembered():
    many = pl.concat([series(f"S{n}", [10.0 + n, 11.0 + n]) for n in range(2_500)]).sort("date")
    histories = Histories(DAYS)

    found = [histories.line_up(many[start : start + 1_000]) for start in range(0, 5_000, 1_000)]

    lines = pl.concat(found).filter(pl.col("date") == DAYS[1])
    assert lines.height == 2_500
    assert (lines["close"] == lines["before"] + 1).all()
