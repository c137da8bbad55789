"""Rules for a session: each with a planted case and one that just keeps the rule."""

from datetime import date, timedelta
from typing import Any

import pytest

from universe_pipeline.domain.quality.figures import Figures
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import (
    BENCHMARKS_PRESENT,
    EXCHANGES_PRESENT,
    MOVES_USUAL,
    NO_REPEAT,
    REJECTS_USUAL,
    ROW_COUNT_PLAUSIBLE,
    ROW_COUNT_USUAL,
    VOLUME_FRACTIONAL,
    Rule,
)
from universe_pipeline.domain.quality.sessions import Stored, cases_of, judge_sessions
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds

DAYS = sessions_between(date(2024, 1, 2), date(2024, 6, 28))
LATE = sessions_between(date(2026, 2, 2), date(2026, 6, 30))

USUAL: dict[str, Any] = {
    "traded": 9_900,
    "repeated": 0,
    "fractional": 0,
    "returns": 9_800,
    "median_return": 0.001,
    "mean_abs_return": 0.02,
    "unchanged": 100,
    "dollar_volume": 5e11,
    "benchmarks": frozenset({"SPY", "AAPL", "MSFT", "BRK.A"}),
    "by_exchange": {"XNYS": 2_000, "XNAS": 3_000, "XASE": 150},
}


def judged(
    *,
    sessions: int = 20,
    days: tuple[date, ...] = DAYS,
    rows: int = 10_000,
    rejected: int = 0,
    usual: dict[str, Any] | None = None,
    thresholds: Thresholds = Thresholds(),  # noqa: B008  # frozen
    **changes: Any,
) -> list[Finding]:
    """The verdict on a session that differs by `changes` from as many usual ones before it."""
    day = days[sessions]
    before = {each: Figures(each, **(USUAL | (usual or {}))) for each in days[:sessions]}
    figures = before | {day: Figures(day, **(USUAL | (usual or {}) | changes))}
    stored = {each: Stored(each, True, 10_000, 0) for each in before}
    stored |= {day: Stored(day, True, rows + rejected, rejected)}
    return judge_sessions(cases_of(figures, stored, [day]), thresholds)


def broken(findings: list[Finding]) -> set[str]:
    return {each.rule.name for each in findings if each.count}


def details(findings: list[Finding], rule: Rule) -> list[str]:
    return [one.detail for each in findings if each.rule is rule for one in each.worst]


def test_a_usual_session_breaks_no_rule():
    assert broken(judged()) == set()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (9_700, set[Rule]()),
        (9_699, {ROW_COUNT_USUAL}),
        (10_301, {ROW_COUNT_USUAL}),
        (9_000, {ROW_COUNT_USUAL}),
        (8_999, {ROW_COUNT_USUAL, ROW_COUNT_PLAUSIBLE}),
        (11_001, {ROW_COUNT_USUAL, ROW_COUNT_PLAUSIBLE}),
        (0, {ROW_COUNT_USUAL, ROW_COUNT_PLAUSIBLE}),
    ],
)
def test_rows_are_counted_against_the_median_both_ways(rows: int, expected: set[Rule]):
    assert broken(judged(rows=rows)) == {rule.name for rule in expected}


def test_a_row_count_is_reported_with_the_usual_one():
    assert details(judged(rows=5_000), ROW_COUNT_PLAUSIBLE) == ["5,000 bars, usually 10,000"]


def test_with_nineteen_sessions_before_nothing_is_usual():
    wild: dict[str, Any] = {
        "benchmarks": frozenset[str](),
        "by_exchange": {},
        "mean_abs_return": 9.0,
    }

    assert broken(judged(sessions=19, rows=10, rejected=5_000, **wild)) == set()


def test_sessions_of_long_ago_or_in_quarantine_say_nothing_of_the_usual():
    def verdict(stored: dict[date, Stored]) -> set[str]:
        last = max(stored)
        few = {last: Stored(last, True, 100, 0)}
        return broken(judge_sessions(cases_of({}, stored | few, [last]), Thresholds()))

    known = {day: Stored(day, True, 10_000, 0) for day in DAYS[:21]}
    quarantined = known | {DAYS[3]: Stored(DAYS[3], False, 10_000, 0)}
    long_ago = {day - timedelta(days=60): each for day, each in list(known.items())[:20]}

    assert verdict(known) == {ROW_COUNT_PLAUSIBLE.name, ROW_COUNT_USUAL.name}
    assert verdict(quarantined) == set()
    assert verdict(long_ago | {DAYS[20]: known[DAYS[20]]}) == set()


def test_a_session_that_repeats_the_one_before_is_reported():
    """1 % of 9,900 is 99."""
    repeat = judged(repeated=100)

    assert broken(repeat) == {NO_REPEAT.name}
    assert details(repeat, NO_REPEAT) == ["100 of 9,900 bars are those of the session before"]
    assert broken(judged(repeated=99)) == set()


def test_a_repeat_needs_a_thousand_rows_with_trades_and_no_session_before():
    assert broken(judged(sessions=1, traded=1_000, repeated=1_000)) == {NO_REPEAT.name}
    assert broken(judged(sessions=1, traded=999, repeated=999)) == set()


def test_a_benchmark_symbol_that_was_always_there_must_be_there():
    absent = judged(benchmarks=frozenset({"SPY", "AAPL"}))

    assert broken(absent) == {BENCHMARKS_PRESENT.name}
    assert details(absent, BENCHMARKS_PRESENT) == ["no bar with trades of BRK.A, MSFT"]


def test_a_benchmark_symbol_that_one_session_before_lacks_is_none():
    rare = {"benchmarks": frozenset({"SPY", "AAPL", "MSFT"})}

    assert broken(judged(usual=rare)) == set()
    assert broken(judged(usual=rare, benchmarks=frozenset[str]())) == {BENCHMARKS_PRESENT.name}


def test_which_symbols_are_benchmarks_is_a_setting():
    chosen = Thresholds(benchmarks=("SPY",))

    found = judged(benchmarks=frozenset({"SPY"}), thresholds=chosen)

    assert broken(found) == set()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"XNYS": 1_800, "XNAS": 3_000, "XASE": 150}, []),
        ({"XNYS": 1_799, "XNAS": 3_000, "XASE": 150}, ["XNYS has 1,799 bars, usually 2,000"]),
        ({"XNYS": 2_000, "XNAS": 3_000, "XASE": 131}, []),  # under 90 %, but only 19 fewer
        ({"XNYS": 2_000, "XASE": 150}, ["XNAS has 0 bars, usually 3,000"]),
    ],
)
def test_no_exchange_may_fall_silent(counts: dict[str, int], expected: list[str]):
    assert details(judged(by_exchange=counts), EXCHANGES_PRESENT) == expected


def test_more_rejected_rows_than_usual_are_reported():
    found = judged(rejected=11)

    assert broken(found) == {REJECTS_USUAL.name}
    assert details(found, REJECTS_USUAL) == ["0.11% of the rows rejected, usually 0.00%"]
    assert broken(judged(rejected=10)) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"median_return": -0.042}, ["median return -4.2%"]),
        ({"median_return": -0.038}, []),
        ({"mean_abs_return": 0.081}, ["mean move 8.1%, usually 2.0%"]),
        ({"mean_abs_return": 0.079}, []),
        ({"mean_abs_return": 0.0049}, ["mean move 0.5%, usually 2.0%"]),
        ({"dollar_volume": 1.2e11}, ["turnover 120,000,000,000 USD, usually 500,000,000,000"]),
        ({"dollar_volume": 1.3e11}, []),
        ({"unchanged": 2_100}, ["21% of the closes unchanged, usually 1%"]),
        ({"unchanged": 2_000}, []),
        ({"returns": 99, "mean_abs_return": 0.5, "unchanged": 0}, []),
    ],
)
def test_the_market_as_a_whole_moves_as_it_usually_does(
    changes: dict[str, Any], expected: list[str]
):
    assert details(judged(**changes), MOVES_USUAL) == expected


@pytest.mark.parametrize(
    ("days", "sessions", "fractional", "expected"),
    [
        (LATE, 15, 989, True),  # 2026-02-24
        (LATE, 15, 990, False),
        (LATE, 13, 0, False),  # 2026-02-20
    ],
)
def test_volume_is_fractional_since_the_tape_says_so(
    days: tuple[date, ...], sessions: int, fractional: int, expected: bool
):
    found = judged(days=days, sessions=sessions, fractional=fractional)

    assert broken(found) == ({VOLUME_FRACTIONAL.name} if expected else set())


def test_where_a_session_before_has_lost_its_bars_only_row_counts_are_compared():
    known = {day: Stored(day, True, 10_000, 0) for day in DAYS[:21]}
    figures = {day: Figures(day, **USUAL) for day in DAYS[1:20]}

    assert broken(judge_sessions(cases_of(figures, known, DAYS[20:22]), Thresholds())) == set()
