"""Rules for prices from bar to bar: each with a planted case beside one that keeps the rule."""

from datetime import date

import polars as pl
import pytest

from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.lines import Lines
from universe_pipeline.domain.quality.moves import judge_moves, judge_splits
from universe_pipeline.domain.quality.rules import (
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
)
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.domain.quality.made import (
    DAYS,
    NO_SPLITS,
    calm,
    lined_up,
    offenders,
    series,
    told,
)


def splits(*rows: tuple[str, date, float, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=NO_SPLITS.schema, orient="row")


def judged(given: Lines, known: pl.DataFrame = NO_SPLITS, jump: float = 0.5) -> list[Finding]:
    found = judge_moves(given.striking, known, Thresholds(jump=jump))
    return [*found.findings, judge_splits(found.unshown, found.unexplained)]


def all_kept(found: list[Finding]) -> bool:
    return not any(each.count for each in found)


def test_a_close_that_moves_by_more_than_half_is_a_jump():
    found = judged(
        lined_up(
            series("UP", calm(20, 16.7)),  # 10.1 before
            series("DOWN", calm(20, 6.05)),
            series("NEARLY", calm(20, 15.1)),
        )
    )

    assert offenders(found, JUMPS_EXPLAINED) == [(20, "DOWN"), (20, "UP")]
    assert told(found, JUMPS_EXPLAINED) == ["close 6.05 after 10.1", "close 16.7 after 10.1"]


def test_how_far_a_close_may_move_is_a_setting():
    calmer = lined_up(series("UP", calm(20, 13.2)))

    assert offenders(judged(calmer, jump=0.3), JUMPS_EXPLAINED) == [(20, "UP")]
    assert all_kept(judged(calmer))


def test_a_symbol_that_always_moves_much_may_jump():
    restless = series("RESTLESS", [*[10.0, 10.7] * 11, 17.0])  # 7 % a day; 59 % is not ten times it

    assert all_kept(judged(lined_up(restless)))


@pytest.mark.parametrize(
    ("split_from", "split_to", "after"),
    [(1, 10, 1.02), (1, 2, 5.1), (2, 3, 6.6), (20, 1, 210.0), (3, 2, 15.6)],
)
def test_a_split_explains_its_move(split_from: float, split_to: float, after: float):
    given = lined_up(series("SPLIT", calm(20, after, after * 1.01)))

    found = judged(given, splits(("SPLIT", DAYS[20], split_from, split_to)))

    assert all_kept(found)


def test_a_split_of_another_symbol_explains_nothing():
    given = lined_up(series("SPLIT", calm(20, 1.01)), series("OTHER", calm(21)))

    found = judged(given, splits(("split", DAYS[20], 1, 10)))

    assert offenders(found, SPLITS_KNOWN) == [(20, "SPLIT")]


def test_a_split_on_a_day_without_a_bar_explains_the_next_one():
    given = lined_up(series("SPLIT", calm(20, None, None, 1.01)))

    assert all_kept(judged(given, splits(("SPLIT", DAYS[21], 1, 10))))


def test_two_splits_at_once_are_taken_together():
    given = lined_up(series("TWICE", calm(20, None, 0.98)))

    found = judged(given, splits(("TWICE", DAYS[20], 1, 2), ("TWICE", DAYS[21], 1, 5)))

    assert all_kept(found)


def test_an_open_at_a_whole_fraction_of_the_close_before_looks_like_a_split():
    found = judged(
        lined_up(
            series("HALVED", calm(20, 5.2), open=[*[10.0] * 20, 5.0]),  # 2.02 : 1
            series("TIMES", calm(20, 101.0)),
            series("BETWEEN", calm(20, 4.2), open=[*[10.0] * 20, 4.0]),  # 2.5 : 1
        )
    )

    assert offenders(found, SPLITS_KNOWN) == [(20, "HALVED"), (20, "TIMES")]
    assert offenders(found, JUMPS_EXPLAINED) == [(20, "BETWEEN")]


def test_a_hundredfold_price_is_an_error_of_scale_both_ways():
    cents = series("CENTS", calm(20, 1005.0, 1007.0, 10.0))

    found = judged(lined_up(cents, series("OK", calm(23))))

    assert offenders(found, SCALE_KEPT) == [(20, "CENTS"), (22, "CENTS")]


def test_a_hundred_to_one_split_is_none():
    given = lined_up(series("REVERSE", calm(20, 1005.0)))

    assert all_kept(judged(given, splits(("REVERSE", DAYS[20], 100, 1))))


def test_a_move_that_is_back_in_the_next_bar_is_a_spike():
    found = judged(
        lined_up(
            series("SPIKE", calm(20, 13.5, 10.1)),
            series("STAYS", calm(20, 13.5, 13.4)),
            series("SMALL", calm(20, 12.9, 10.1)),
        )
    )

    assert offenders(found, NO_SPIKES) == [(20, "SPIKE")]
    assert told(found, NO_SPIKES) == ["close 13.5 between 10.1 and 10.1"]


def test_a_spike_is_told_with_the_bar_that_shows_it():
    spike = series("SPIKE", calm(20, 13.5, 10.1))

    assert offenders(judged(lined_up(spike, since=21)), NO_SPIKES) == [(20, "SPIKE")]
    assert offenders(judged(lined_up(spike, since=22)), NO_SPIKES) == []


def test_a_split_and_its_opposite_are_no_spike():
    given = lined_up(series("BACK", calm(20, 20.2, 10.1)))

    found = judged(given, splits(("BACK", DAYS[20], 2, 1), ("BACK", DAYS[21], 1, 2)))

    assert all_kept(found)


def test_another_price_after_twenty_sessions_without_a_bar_is_another_company():
    found = judged(
        lined_up(
            series("META", [12.31, *[None] * 20, 184.0]),
            series("SAME", [12.31, *[None] * 20, 13.0]),
            series("HALT", [12.31, *[None] * 19, 21.0]),
        )
    )

    assert offenders(found, ONE_COMPANY) == [(21, "META")]
    assert offenders(found, JUMPS_EXPLAINED) == [(20, "HALT")]


def test_a_split_that_the_price_does_not_follow_is_told():
    given = lined_up(series("STILL", calm(25)), series("SMALL", calm(25)))

    found = judged(given, splits(("STILL", DAYS[10], 1, 10), ("SMALL", DAYS[10], 1, 1.0056)))

    assert offenders(found, SPLITS_SHOWN) == [(10, "STILL")]
    assert told(found, SPLITS_SHOWN) == ["a split of 10.0 for 1: the price did not move"]


def test_a_split_of_another_day_is_told_with_the_day_on_which_the_price_moved():
    """Like SHOP in 2022, listed a week early."""
    given = lined_up(series("SHOP", [*calm(20), *[1.0, 1.01] * 5]))

    found = judged(given, splits(("SHOP", DAYS[15], 1, 10)))

    assert told(found, SPLITS_SHOWN) == [
        f"a split of 10.0 for 1: the price moved on {DAYS[20]} instead"
    ]
    assert offenders(found, SPLITS_SHOWN) == [(15, "SHOP")]


def test_a_split_that_is_announced_is_not_applied():
    given = lined_up(series("SOON", calm(20)))

    assert all_kept(judged(given, splits(("SOON", DAYS[20], 1, 10))))


def test_bars_that_are_not_judged_break_no_rule():
    given = lined_up(series("UP", calm(20, 16.7, 16.8)), since=21)

    assert all_kept(judged(given))
