"""Rules for prices from bar to bar: each with a planted case and one that keeps the rule."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.quality.findings import Finding, joined
from universe_pipeline.domain.quality.history import Lagged
from universe_pipeline.domain.quality.moves import judge_moves, judge_returns, judge_splits
from universe_pipeline.domain.quality.rules import (
    CLOSES_NEAR,
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    RANGES_NARROW,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
    WICKS_SHORT,
)
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.support.made_bars import (
    DAYS,
    NO_SPLITS,
    calm,
    details,
    lined_up,
    offenders,
    series,
)


def splits(*rows: tuple[str, date, float, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=NO_SPLITS.schema, orient="row")


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding a rule, as a scan has them."""
    given = list(findings)
    rules = dict.fromkeys(each.rule for each in given)
    return [joined(rule, [each for each in given if each.rule is rule]) for rule in rules]


def judged(given: Lagged, known: pl.DataFrame = NO_SPLITS, jump: float = 0.5) -> list[Finding]:
    found = judge_moves(given.candidates, known, Thresholds(jump=jump))
    ends = judge_returns([found.far], [found.returns])
    return merged([*found.findings, *ends, judge_splits(found.unshown, found.unexplained)])


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
    assert details(found, JUMPS_EXPLAINED) == ["close 6.05 after 10.1", "close 16.7 after 10.1"]


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
    assert details(found, NO_SPIKES) == ["close 13.5 between 10.1 and 10.1"]


def test_a_spike_is_reported_with_the_bar_that_shows_it():
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


def test_a_split_that_the_price_does_not_follow_is_reported():
    given = lined_up(series("STILL", calm(25)), series("SMALL", calm(25)))

    found = judged(given, splits(("STILL", DAYS[10], 1, 10), ("SMALL", DAYS[10], 1, 1.0056)))

    assert offenders(found, SPLITS_SHOWN) == [(10, "STILL")]
    assert details(found, SPLITS_SHOWN) == ["a split of 10 for 1: the price did not move"]


def test_a_split_of_another_day_is_reported_with_the_day_on_which_the_price_moved():
    """Like SHOP in 2022, listed a week early."""
    given = lined_up(series("SHOP", [*calm(20), *[1.0, 1.01] * 5]))

    found = judged(given, splits(("SHOP", DAYS[15], 1, 10)))

    assert details(found, SPLITS_SHOWN) == [
        f"a split of 10 for 1: the price moved on {DAYS[20]} instead"
    ]
    assert offenders(found, SPLITS_SHOWN) == [(15, "SHOP")]


@pytest.mark.parametrize(
    ("split_from", "split_to", "before", "opened", "after"),
    [
        (60, 1, 0.095, 4.2, 4.183),  # Great Basin Scientific, 2015-12-14
        (50, 1, 0.08, 3.976, 2.99),  # FreeSeas, 2015-06-26
        (10, 1, 0.1, 0.65, 1.31),  # Inventergy, 2015-12-08
        (25, 1, 0.1, 2.56, 3.59),  # NovaBay, 2015-12-21
        (1, 10, 10.1, 1.3, 1.7),
        (1, 2, 10.1, 6.9, 6.8),
        (1, 10, 10.1, 0.5, 0.4),  # further than the split
    ],
)
def test_a_price_that_moves_over_half_of_a_split_has_followed_it(
    split_from: float, split_to: float, before: float, opened: float, after: float
):
    closes = [before * (1 + n % 2 / 100) for n in range(19)]
    opens = [*closes, before, opened]
    given = lined_up(series("MOVED", [*closes, before, after], open=opens, volume=1e6))

    found = judged(given, splits(("MOVED", DAYS[20], split_from, split_to)))

    assert offenders(found, SPLITS_SHOWN) == []


@pytest.mark.parametrize("share", [0.0, 0.3, -0.5, -1.0])
def test_a_price_that_moves_by_less_or_the_other_way_has_not(share: float):
    after = 10.1 * 10**-share
    given = lined_up(series("STILL", calm(20, after, after)))

    found = judged(given, splits(("STILL", DAYS[20], 1, 10)))

    assert offenders(found, SPLITS_SHOWN) == [(20, "STILL")]


def test_a_restless_symbol_may_follow_its_split_less_closely():
    restless = series("RESTLESS", [*[10.0, 10.8] * 10, 7.8])  # 8 % a day, 28 % of 2 for 1
    calmer = series("CALMER", calm(20, 7.3))

    found = judged(
        lined_up(restless, calmer),
        splits(("RESTLESS", DAYS[20], 1, 2), ("CALMER", DAYS[20], 1, 2)),
    )

    assert offenders(found, SPLITS_SHOWN) == [(20, "CALMER")]


@pytest.mark.parametrize(
    ("sides", "text"),
    [
        ([(1, 10)], "a split of 10 for 1"),
        ([(60, 1)], "a split of 1 for 60"),
        ([(1, 1.4056)], "a split of 1.4056 for 1"),
        ([(2, 3)], "a split of 1.5 for 1"),
        ([(3, 1)], "a split of 1 for 3"),
        ([(25_000, 1)], "a split of 1 for 25000"),
        ([(1, 2), (1, 5)], "2 splits, together 10 for 1"),
    ],
)
def test_a_ratio_is_reported_with_its_digits(sides: list[tuple[float, float]], text: str):
    given = lined_up(series("STILL", calm(20, None, 10.0, 10.1)))
    known = [("STILL", DAYS[20 + n], *sides_of) for n, sides_of in enumerate(sides)]

    found = judged(given, splits(*known))

    assert details(found, SPLITS_SHOWN) == [f"{text}: the price did not move"]


def test_a_split_on_the_first_bar_has_no_price_to_follow():
    given = lined_up(series("FIRST", calm(20), start=3))

    assert all_kept(judged(given, splits(("FIRST", DAYS[3], 1, 10))))


def test_a_split_of_another_day_is_found_by_its_open_too():
    """The close was 45 % higher that day."""
    opens = [*calm(20), 1.01, *[1.46] * 9]
    given = lined_up(series("LATE", calm(20, *[1.46, 1.47] * 5), open=opens))

    found = judged(given, splits(("LATE", DAYS[25], 1, 10)))

    assert details(found, SPLITS_SHOWN) == [
        f"a split of 10 for 1: the price moved on {DAYS[20]} instead"
    ]


def test_of_several_days_that_is_reported_on_which_the_price_moved_most_like_the_split():
    given = lined_up(series("TWICE", calm(20, 16.0, 3.3, 3.4, 3.3, 3.4)))

    found = judged(given, splits(("TWICE", DAYS[23], 1, 5)))

    assert details(found, SPLITS_SHOWN) == [
        f"a split of 5 for 1: the price moved on {DAYS[21]} instead"
    ]


def test_a_split_that_is_announced_is_not_applied():
    given = lined_up(series("SOON", calm(20)))

    assert all_kept(judged(given, splits(("SOON", DAYS[20], 1, 10))))


def test_bars_that_are_not_judged_break_no_rule():
    given = lined_up(series("UP", calm(20, 16.7, 16.8)), since=21)

    assert all_kept(judged(given))


def traded(symbol: str, after: float, volume: float, **columns: Any) -> pl.DataFrame:
    """Twenty calm bars of 1000 shares, and one at another price, of which `volume` is traded."""
    return series(symbol, calm(20, after), volume=[*[1000.0] * 20, volume], **columns)


def test_a_move_that_people_traded_on_is_no_fault_of_the_data():
    """As in crashes and takeovers; a missed split or spin-off leaves the dollars as they were."""
    found = judged(
        lined_up(
            traded("CRASH", 4.2, 10_000, high=[*calm(20), 5.0]),
            traded("SPINOFF", 4.2, 5_000),  # of 10,100 dollars become 21,000
            traded("HALVED", 5.05, 2_000),
            traded("PROFIT.WARNING", 5.05, 20_000, high=[*calm(20), 6.0]),
            traded("TAKEOVER", 20.2, 50_000),
        )
    )

    assert offenders(found, JUMPS_EXPLAINED) == [(20, "SPINOFF")]
    assert offenders(found, SPLITS_KNOWN) == [(20, "HALVED")]
    assert offenders(found, CLOSES_NEAR) == [
        (20, "CRASH"),
        (20, "PROFIT.WARNING"),
        (20, "TAKEOVER"),
    ]


def test_threefold_trading_is_no_news_where_the_range_is_narrow():
    found = judged(
        lined_up(
            traded("NARROW", 4.2, 10_000, high=[*calm(20), 4.6]),
            traded("WIDE", 4.2, 10_000, high=[*calm(20), 4.7]),
        )
    )

    assert offenders(found, JUMPS_EXPLAINED) == [(20, "NARROW")]


def test_a_price_that_rises_while_fewer_shares_trade_is_doubted_however_many_dollars():
    found = judged(
        lined_up(
            traded("FEWER", 81.0, 999, high=[*calm(20), 99.0]),
            traded("MORE", 81.0, 1_001, high=[*calm(20), 99.0]),
        )
    )

    assert offenders(found, JUMPS_EXPLAINED) + offenders(found, SPLITS_KNOWN) == [(20, "FEWER")]


def test_a_price_of_a_bar_without_a_trade_is_doubted():
    idle = series("IDLE", calm(20, 16.7), volume=[*[1000.0] * 19, 0.0, 1e6])

    assert offenders(judged(lined_up(idle)), JUMPS_EXPLAINED) == [(20, "IDLE")]


def test_of_a_symbol_of_which_next_to_nothing_is_traded_a_trade_says_nothing():
    warrant = series("WARRANT", calm(20, 16.7), volume=900.0)

    found = judged(lined_up(warrant))

    assert offenders(found, JUMPS_EXPLAINED) == []
    assert offenders(found, CLOSES_NEAR) == [(20, "WARRANT")]


@pytest.mark.parametrize(("bars", "is_fault"), [(1, True), (5, True), (6, False)])
def test_what_moves_over_threefold_and_is_back_in_a_week_was_another_thing(
    bars: int, is_fault: bool
):
    away = [40.0 + n % 2 for n in range(bars)]
    volume = [*[1000.0] * 20, *[1e4] * bars, 1e6]
    given = series("AWAY", calm(20, *away, 10.5), volume=volume)
    found = judged(lined_up(given, splits=NO_SPLITS))

    rules = (JUMPS_EXPLAINED, SPLITS_KNOWN)
    doubted = {day for rule in rules for day, _ in offenders(found, rule)}
    assert doubted == ({20, 20 + bars} if is_fault else set())


def test_what_undoes_a_move_needs_no_news_of_its_own():
    volume = [*[1000.0] * 20, 50_000.0, 20_000.0]
    spike = series("NEWS", calm(20, 17.5, 10.9), volume=volume, high=[*calm(20), 19.0, 17.0])

    assert all_kept([each for each in judged(lined_up(spike)) if each.rule is not CLOSES_NEAR])


def test_a_spike_that_people_traded_on_is_none():
    lively = [*[1000.0] * 20, 50_000.0, 1000.0]
    calmly = [*[1000.0] * 20, 2_000.0, 1000.0]
    idle = [*[1000.0] * 20, 0.0, 50_000.0]
    found = judged(
        lined_up(
            series("TRADED", calm(20, 13.5, 10.1), volume=lively),
            series("CALM", calm(20, 13.5, 10.1), volume=calmly),
            series("IDLE", calm(20, 13.5, 10.1), volume=idle),
            series("FAR", calm(20, 31.0, 10.1), volume=lively),
            series("RESTLESS", [*[10.0, 10.7] * 10, 14.0, 10.7]),
            splits=NO_SPLITS,
        )
    )

    assert offenders(found, NO_SPIKES) == [(20, "CALM"), (20, "FAR"), (20, "IDLE")]
    assert offenders(found, CLOSES_NEAR) == [(20, "RESTLESS"), (20, "TRADED")]


def test_a_wick_is_reported_from_a_dollar_on_and_unless_people_traded_on_it():
    cents = [each / 20 for each in calm(21) if each]
    found = judged(
        lined_up(
            traded("WICK", 10.0, 1000, high=[*calm(20), 20.3]),
            traded("LOW", 10.0, 1000, low=[*calm(20), 4.9]),
            traded("SHORT", 10.0, 1000, high=[*calm(20), 19.9]),
            traded("NEWS", 10.0, 4000, high=[*calm(20), 20.3]),
            series("CENTS", cents, high=[*cents[:20], 1.1], volume=1e6),
        )
    )

    assert offenders(found, WICKS_SHORT) == [(20, "LOW"), (20, "WICK")]
    assert offenders(found, RANGES_NARROW) == [(20, "CENTS"), (20, "NEWS")]
