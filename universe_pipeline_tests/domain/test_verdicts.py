"""Verdicts on actions, by bars made by hand: calm ones move a hundredth a day, up and down."""

from datetime import date, timedelta
from typing import TypeAlias

import polars as pl
import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.verdicts import ACTION_SCHEMA, BAR_SCHEMA, VERDICT_SCHEMA, judge

DAYS = sessions_between(date(2024, 1, 2), date(2024, 6, 28))
TODAY = DAYS[-1]

Action: TypeAlias = tuple[object, ...]


def series(number: int = 1, *moves: tuple[int, float], skipped: range = range(0)) -> pl.DataFrame:
    """Bars of `DAYS` around 100; each of `moves` multiplies all prices from that day on."""
    level, rows = 100.0, list[tuple[int, date, float, float]]()
    for n, day in enumerate(DAYS):
        for at, factor in moves:
            level *= factor if at == n else 1
        wave = 1.01 if n % 2 else 1.0
        if n not in skipped:
            rows.append((number, day, level * (2.01 - wave), level * wave))
    return pl.DataFrame(rows, BAR_SCHEMA, orient="row")


def split(
    day: int | date,
    new: float,
    old: float = 1.0,
    symbol: str = "A",
    number: int | None = 1,
    *,
    removed: bool = False,
    by_owner: bool = False,
    wanted: bool = True,
) -> Action:
    """So many new shares for `old` ones, listed for a day (a number of `DAYS`)."""
    when = DAYS[day] if isinstance(day, int) else day
    return ("split", symbol, when, number, number, old, new, None, removed, by_owner, wanted)


def dividend(
    day: int | date,
    cash: float | None,
    symbol: str = "A",
    number: int | None = 1,
    *,
    by_owner: bool = False,
) -> Action:
    """So much cash a share of the day's own; None: none of it in USD."""
    when = DAYS[day] if isinstance(day, int) else day
    return ("dividend", symbol, when, number, number, None, None, cash, False, by_owner, True)


def judged(bars: pl.DataFrame, *actions: Action) -> pl.DataFrame:
    found = judge(pl.DataFrame(list(actions), ACTION_SCHEMA, orient="row"), bars, TODAY)
    assert found.schema == VERDICT_SCHEMA
    return found.sort("kind", "symbol", "action_date")


def verdicts(bars: pl.DataFrame, *actions: Action) -> list[tuple[str, int | None]]:
    """Each action's verdict, and the number of the day on which it is applied."""
    found = judged(bars, *actions)
    return [
        (verdict, None if day is None else DAYS.index(day))
        for verdict, day in found.select("verdict", "applied_on").iter_rows()
    ]


def test_a_split_that_prices_follow_is_verified_and_applied_on_its_day():
    found = judged(series(1, (60, 0.25)), split(60, 4))

    (row,) = found.iter_rows(named=True)
    assert (row["verdict"], row["applied_on"]) == ("verified", DAYS[60])
    assert (row["multiplier"], row["expected"], row["security_id"]) == (4.0, 0.25, 1)
    assert row["observed"] == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize(("moved", "expected"), [(0.15, "verified"), (0.25, "doubtful")])
def test_a_split_may_miss_its_ratio_by_a_fifth(moved: float, expected: str):
    ((found, _),) = verdicts(series(1, (60, 0.25 * 2.718281828**moved)), split(60, 4))

    assert found == expected


def test_a_split_is_nearer_to_its_ratio_than_to_no_move():
    assert verdicts(series(1, (60, 0.96)), split(60, 1.1)) == [("doubtful", None)]
    assert verdicts(series(1, (60, 0.93)), split(60, 1.1)) == [("verified", 60)]


def test_a_split_smaller_than_three_usual_moves_is_applied_without_a_test():
    assert verdicts(series(), split(60, 1.0056)) == [("too_small", 60)]


@pytest.mark.parametrize(
    "skipped", [range(60), range(49, 60), range(60, len(DAYS))], ids=["none", "old", "end"]
)
def test_a_split_without_a_price_shortly_before_or_after_is_applied(skipped: range):
    assert verdicts(series(skipped=skipped), split(60, 4)) == [("no_price", 60)]


def test_the_close_ten_sessions_before_is_the_price_before():
    bars = series(1, (55, 0.25), skipped=range(51, 60))

    assert verdicts(bars, split(60, 4)) == [("verified", 60)]


@pytest.mark.parametrize("moved", [41, 59, 61, 80])
def test_a_split_under_a_wrong_day_is_applied_where_the_price_moved(moved: int):
    assert verdicts(series(1, (moved, 0.25)), split(60, 4)) == [("contradicted", moved)]


@pytest.mark.parametrize(
    "moves", [[], [(39, 0.25)], [(81, 0.25)], [(50, 0.25), (70, 0.25)], [(60, 4.0)]]
)
def test_a_split_that_no_near_session_shows_or_several_is_not_applied(
    moves: list[tuple[int, float]],
):
    assert verdicts(series(1, *moves), split(60, 4)) == [("doubtful", None)]


def test_a_split_listed_twice_is_applied_once():
    bars = series(1, (60, 0.1))

    assert verdicts(bars, split(60, 10), split(67, 10)) == [("verified", 60), ("twin", None)]
    assert verdicts(bars, split(55, 10), split(60, 20, 2)) == [("twin", None), ("verified", 60)]


def test_two_listings_of_a_split_on_wrong_days_apply_it_once():
    found = verdicts(series(1, (60, 0.1)), split(55, 10), split(66, 10))

    assert found == [("contradicted", 60), ("twin", None)]


def test_the_day_of_a_verified_split_is_not_the_better_day_of_another():
    found = verdicts(series(1, (60, 0.1)), split(55, 9), split(60, 10))

    assert found == [("doubtful", None), ("verified", 60)]


def test_a_split_that_two_symbols_of_a_security_list_is_applied_once():
    found = verdicts(series(1, (60, 0.1)), split(60, 10, symbol="NEW"), split(60, 10, symbol="OLD"))

    assert found == [("verified", 60), ("twin", None)]


def test_an_action_to_compare_with_has_no_verdict_of_its_own():
    bars = series(1, (60, 0.1))

    assert verdicts(bars, split(60, 10, wanted=False), split(67, 10)) == [("twin", None)]


def test_what_is_not_due_not_assigned_or_removed_is_not_applied():
    tomorrow = TODAY + timedelta(days=3)
    bars = series(1, (60, 0.25))

    assert verdicts(bars, split(tomorrow, 4)) == [("announced", None)]
    assert verdicts(bars, split(60, 4, number=None)) == [("unassigned", None)]
    assert verdicts(bars, split(60, 4, removed=True)) == [("removed", None)]
    assert verdicts(bars, dividend(tomorrow, 1.0)) == [("announced", None)]
    assert verdicts(bars, dividend(60, 1.0, number=None)) == [("unassigned", None)]


def test_a_split_of_the_owner_is_applied_on_its_day_whatever_the_price_does():
    assert verdicts(series(), split(60, 4, by_owner=True)) == [("doubtful", 60)]
    assert verdicts(series(1, (62, 0.25)), split(60, 4, by_owner=True)) == [("doubtful", 60)]


def test_a_usual_dividend_is_believed_and_multiplies_by_the_close_before():
    bars = series(skipped=range(58, 60))
    before = bars.filter(date=DAYS[57])["close"].item()

    found = judged(bars, dividend(60, 0.5))

    (row,) = found.iter_rows(named=True)
    assert (row["verdict"], row["applied_on"]) == ("usable", DAYS[60])
    assert row["multiplier"] == pytest.approx(before / (before - 0.5), rel=1e-15)


def test_cash_is_of_the_new_shares_where_a_split_takes_effect_on_the_day():
    bars = series(1, (60, 0.25))
    before = bars.filter(date=DAYS[59])["close"].item()

    found = judged(bars, split(60, 4), dividend(60, 0.5))

    (multiplier,) = found.filter(kind="dividend")["multiplier"]
    assert multiplier == pytest.approx(before / (before - 2.0), rel=1e-15)


def test_a_dividend_that_cannot_be_reinvested_is_not_applied():
    bars = series(skipped=range(40, 51))

    assert verdicts(bars, dividend(60, None)) == [("foreign_currency", None)]
    assert verdicts(bars, dividend(60, 150.0)) == [("not_below_price", None)]
    assert verdicts(bars, dividend(0, 0.5)) == [("no_price", None)]
    assert verdicts(bars, dividend(50, 0.5)) == [("no_price", None)]
    assert verdicts(bars, dividend(49, 0.5)) == [("usable", 49)]


def test_cash_over_three_usual_moves_must_show():
    assert verdicts(series(1, (60, 0.8)), dividend(60, 20.0)) == [("usable", 60)]
    assert verdicts(series(), dividend(60, 20.0)) == [("doubtful", None)]
    assert verdicts(series(1, (63, 0.8)), dividend(60, 20.0)) == [("contradicted", 63)]
    assert verdicts(series(), dividend(60, 2.5)) == [("usable", 60)]


def test_a_dividend_applied_on_another_day_multiplies_by_the_close_before_that():
    bars = series(1, (63, 0.8))
    before = bars.filter(date=DAYS[62])["close"].item()

    (multiplier,) = judged(bars, dividend(60, 20.0))["multiplier"]

    assert multiplier == pytest.approx(before / (before - 20.0), rel=1e-15)


def test_a_dividend_does_not_take_the_day_of_a_split_for_its_own():
    found = verdicts(series(1, (63, 0.5)), dividend(60, 50.0), split(63, 2))

    assert found == [("doubtful", None), ("verified", 63)]


def test_securities_are_judged_by_their_own_bars():
    bars = pl.concat([series(1), series(2, (60, 0.25))])

    found = verdicts(bars, split(60, 4, symbol="A"), split(60, 4, symbol="B", number=2))

    assert found == [("doubtful", None), ("verified", 60)]


def test_without_bars_or_without_actions_nothing_is_missed():
    no_bars = pl.DataFrame(schema=BAR_SCHEMA)

    assert verdicts(no_bars, split(60, 4), dividend(60, 1.0)) == [
        ("no_price", None),
        ("no_price", 60),
    ]
    assert verdicts(series()) == []
