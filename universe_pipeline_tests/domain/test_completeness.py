"""When a short answer is believed: three different days, the same rows, or a person."""

from datetime import date

import pytest

from universe_pipeline.domain.completeness import (
    LOST_PAGE,
    Refused,
    ShortAnswer,
    days_alike,
    is_believed,
    is_short,
    loses_page,
)

STORED = [f"S{number:03}" for number in range(120)]
THIRD = frozenset(STORED[:38])


def short(missing: frozenset[str], day: int) -> ShortAnswer:
    return ShortAnswer(len(STORED) - len(missing), len(STORED), missing, date(2026, 11, day))


def refused(missing: frozenset[str], day: int, *, approved: bool = False) -> Refused:
    return Refused(short(missing, day), approved)


@pytest.mark.parametrize(
    ("rows", "expected", "verdict"),
    [
        (107, 120, True),
        (108, 120, False),
        (0, 0, False),
        (0, 1, True),
        (3, 37, True),
        (1, 1, False),
    ],
)
def test_an_answer_under_nine_tenths_of_what_is_stored_is_short(
    rows: int, expected: int, verdict: bool
) -> None:
    assert is_short(rows, expected) is verdict


def test_the_same_short_answer_on_three_different_days_is_believed() -> None:
    assert not is_believed(short(THIRD, 24), [])
    assert not is_believed(short(THIRD, 25), [refused(THIRD, 24)])
    assert is_believed(short(THIRD, 26), [refused(THIRD, 24), refused(THIRD, 25)])


def test_days_need_not_follow_each_other() -> None:
    assert is_believed(short(THIRD, 26), [refused(THIRD, 1), refused(THIRD, 9)])


def test_any_number_of_answers_on_two_days_is_not_believed() -> None:
    earlier = [refused(THIRD, 24), refused(THIRD, 24), refused(THIRD, 25), refused(THIRD, 25)]
    assert not is_believed(short(THIRD, 25), earlier)


def test_answers_that_lack_other_rows_each_day_confirm_nothing() -> None:
    thirds = [frozenset(STORED[start : start + 40]) for start in (0, 40, 80)]
    earlier = [refused(thirds[0], 24), refused(thirds[1], 25)]
    assert not is_believed(short(thirds[2], 26), earlier)


def test_an_answer_that_shrinks_from_day_to_day_is_not_believed() -> None:
    shrinking = [frozenset(STORED[:lost]) for lost in (20, 40, 60)]
    earlier = [refused(shrinking[0], 24), refused(shrinking[1], 25)]
    assert not is_believed(short(shrinking[2], 26), earlier)


def test_a_few_rows_that_come_and_go_leave_an_answer_the_same() -> None:
    others = frozenset(STORED[2:40])  # two are there again, two others are missing
    earlier = [refused(THIRD, 24), refused(others, 25)]
    assert is_believed(short(THIRD, 26), earlier)


def test_an_approved_answer_is_believed_at_once_and_another_one_is_not() -> None:
    approved = [refused(THIRD, 24, approved=True)]
    assert is_believed(short(THIRD, 24), approved)
    assert not is_believed(short(frozenset(STORED[40:90]), 24), approved)


def test_an_answer_without_a_row_is_believed_like_any_other() -> None:
    everything = frozenset(STORED)
    earlier = [refused(everything, 24), refused(everything, 25)]
    assert is_believed(short(everything, 26), earlier)


def test_the_days_of_the_same_answer_are_counted_and_no_others() -> None:
    other = frozenset(STORED[60:98])
    earlier = [refused(THIRD, 24), refused(THIRD, 24), refused(other, 25)]
    assert days_alike(short(THIRD, 26), earlier) == 2


@pytest.mark.parametrize(("gap", "verdict"), [(LOST_PAGE - 1, False), (LOST_PAGE, True)])
def test_a_page_is_lost_where_a_hundred_neighbours_are_missing(gap: int, verdict: bool) -> None:
    missing = [True] * 99 + [False] + [True] * gap + [False] * 9_000
    assert loses_page(missing) is verdict
    assert not loses_page([])
