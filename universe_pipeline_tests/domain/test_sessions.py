"""The calendar. Expected days are from NYSE's published holidays, early closes and closures."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from universe_pipeline.domain import nyse, sessions
from universe_pipeline.domain.errors import NotASessionError, RangeError, SessionNotClosedError
from universe_pipeline_tests.domain.write_nyse import text

JUNE_28, JULY_1, JULY_2, JULY_3, JULY_5, JULY_8, JULY_9 = (
    date(2024, 6, 28),
    date(2024, 7, 1),
    date(2024, 7, 2),
    date(2024, 7, 3),
    date(2024, 7, 5),
    date(2024, 7, 8),
    date(2024, 7, 9),
)


@pytest.mark.parametrize(
    "day",
    [
        date(2004, 6, 11),  # mourning for President Reagan
        date(2007, 1, 2),  # mourning for President Ford
        date(2012, 10, 29),  # Hurricane Sandy
        date(2012, 10, 30),
        date(2018, 12, 5),  # mourning for President George H. W. Bush
        date(2025, 1, 9),  # mourning for President Carter
        date(2024, 3, 29),  # Good Friday
        date(2022, 6, 20),  # Juneteenth, a Sunday, observed on Monday
        date(2020, 7, 3),  # Independence Day, a Saturday, observed on Friday
        date(2024, 7, 4),
        date(2024, 7, 6),  # a Saturday
        date(2024, 7, 7),  # a Sunday
    ],
)
def test_the_exchange_is_closed_on(day: date):
    assert not sessions.is_session(day)


@pytest.mark.parametrize(
    "day",
    [
        date(2003, 9, 10),
        date(2012, 10, 31),
        date(2021, 6, 18),  # Juneteenth was not observed before 2022
        date(2021, 12, 31),  # a New Year's Day on Saturday moves nothing
        date(2024, 3, 28),
        date(2024, 7, 3),
    ],
)
def test_the_exchange_is_open_on(day: date):
    assert sessions.is_session(day)


@pytest.mark.parametrize(
    ("year", "count"), [(2012, 250), (2018, 251), (2020, 253), (2022, 251), (2024, 252)]
)
def test_a_year_has_so_many_sessions(year: int, count: int):
    assert len(sessions.sessions_between(date(year, 1, 1), date(year, 12, 31))) == count


@pytest.mark.parametrize(
    ("session", "closes"),
    [
        (date(2024, 7, 2), "2024-07-02T16:00:00-04:00"),
        (date(2024, 7, 3), "2024-07-03T13:00:00-04:00"),
        (date(2018, 7, 3), "2018-07-03T13:00:00-04:00"),
        (date(2023, 11, 24), "2023-11-24T13:00:00-05:00"),
        (date(2024, 12, 24), "2024-12-24T13:00:00-05:00"),
        (date(2020, 7, 2), "2020-07-02T16:00:00-04:00"),
        (date(2024, 12, 31), "2024-12-31T16:00:00-05:00"),
    ],
)
def test_a_session_closes_at(session: date, closes: str):
    assert sessions.close_of(session).isoformat() == closes


def test_sessions_begin_with_the_vendors_first_bars():
    assert sessions.all_sessions()[:3] == (
        *(date(2003, 9, 10), date(2003, 9, 11), date(2003, 9, 12)),
    )


def test_a_range_includes_both_ends():
    assert sessions.sessions_between(JULY_2, JULY_8) == (JULY_2, JULY_3, JULY_5, JULY_8)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2024, 7, 6), date(2024, 7, 7)),  # a weekend
        (JULY_8, JULY_2),  # reversed
        (date(1999, 1, 1), date(2003, 9, 9)),  # before the first bars
        (date(2999, 1, 1), date(2999, 12, 31)),  # after all that is known
    ],
)
def test_a_range_may_hold_no_session(start: date, end: date):
    assert sessions.sessions_between(start, end) == ()


def test_closed_days_are_weekdays_without_a_session():
    assert sessions.closed_days(date(2018, 11, 19), date(2018, 12, 9)) == (
        date(2018, 11, 22),
        date(2018, 12, 5),
    )


def test_a_reversed_range_has_no_closed_days():
    assert sessions.closed_days(JULY_8, JULY_2) == ()


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2024-03-08T20:59:59+00:00", date(2024, 3, 7)),  # winter: 16:00 is 21:00 UTC
        ("2024-03-08T21:00:00+00:00", date(2024, 3, 8)),
        ("2024-03-11T19:59:59+00:00", date(2024, 3, 8)),  # summer: 16:00 is 20:00 UTC
        ("2024-03-11T20:00:00+00:00", date(2024, 3, 11)),
        ("2024-11-01T20:00:00+00:00", date(2024, 11, 1)),
        ("2024-11-04T20:59:59+00:00", date(2024, 11, 1)),
        ("2024-11-04T21:00:00+00:00", date(2024, 11, 4)),
        ("2024-07-03T16:59:59+00:00", JULY_2),  # an early close, at 17:00 UTC
        ("2024-07-03T17:00:00+00:00", JULY_3),
        ("2024-07-04T23:00:00+00:00", JULY_3),
        ("2024-07-07T12:00:00+00:00", JULY_5),
        ("2024-07-10T05:00:00+09:00", JULY_9),  # Tokyo, at the close of the day before
        ("2024-07-10T04:59:59+09:00", JULY_8),
        ("2024-07-09T16:00:00-04:00", JULY_9),
    ],
)
def test_the_newest_closed_session_is(now: str, newest: date):
    assert sessions.newest_closed(datetime.fromisoformat(now)) == newest


def test_sessions_before_one_are_in_order_and_without_it():
    assert sessions.sessions_before(JULY_8, 3) == (JULY_2, JULY_3, JULY_5)


def test_sessions_before_a_closed_day_end_right_before_it():
    assert sessions.sessions_before(date(2024, 7, 7), 2) == (JULY_3, JULY_5)


def test_there_is_nothing_before_the_first_session():
    assert sessions.sessions_before(date(2003, 9, 11), 5) == (date(2003, 9, 10),)


def test_a_session_may_be_asked_for_from_its_close_on():
    closing = datetime(2024, 7, 3, 17, 0, tzinfo=UTC)

    assert sessions.require_closed_session(JULY_3, closing) == JULY_3


def test_a_session_before_its_close_is_refused_with_when_it_closes():
    early = datetime(2024, 7, 3, 9, 0, tzinfo=timezone(timedelta(hours=-4)))

    with pytest.raises(SessionNotClosedError, match=r"closes at 2024-07-03 13:00 EDT") as refused:
        sessions.require_closed_session(JULY_3, early)

    assert refused.value.newest == JULY_2


def test_a_closed_day_is_refused_with_the_sessions_around_it():
    with pytest.raises(NotASessionError, match="2024-07-03 and 2024-07-05"):
        sessions.require_closed_session(date(2024, 7, 4), datetime(2024, 7, 10, tzinfo=UTC))


@pytest.mark.parametrize("day", [date(2003, 9, 9), date(1, 1, 1), date(9999, 12, 31)])
def test_a_day_outside_the_calendar_is_refused(day: date):
    with pytest.raises(RangeError, match="from 2003-09-10"):
        sessions.require_closed_session(day, datetime(2024, 7, 10, tzinfo=UTC))


NOON_OF_JULY_9 = datetime(2024, 7, 9, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("end", [None, date(2024, 7, 8), JULY_9, date(2030, 1, 1)])
def test_a_closed_range_ends_with_the_newest_closed_session_at_the_latest(end: date | None):
    found = sessions.closed_range(date(2024, 7, 4), end, NOON_OF_JULY_9)

    assert found == (JULY_5, JULY_8)


def test_a_closed_range_may_end_on_any_day():
    found = sessions.closed_range(date(2024, 6, 29), date(2024, 7, 7), NOON_OF_JULY_9)

    assert found == (JULY_1, JULY_2, JULY_3, JULY_5)


def test_a_reversed_range_is_refused():
    with pytest.raises(RangeError, match="2024-07-08 is after the end 2024-07-02"):
        sessions.closed_range(JULY_8, JULY_2, NOON_OF_JULY_9)


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (date(2024, 7, 6), date(2024, 7, 7), "the sessions around are 2024-07-05 and 2024-07-08"),
        (date(2024, 7, 4), date(2024, 7, 4), "the sessions around are 2024-07-03 and 2024-07-05"),
        (JULY_9, JULY_9, "the start 2024-07-09 is after the newest closed session, 2024-07-08"),
        (JULY_9, None, "the start 2024-07-09 is after the newest closed session, 2024-07-08"),
        (date(2025, 1, 1), None, "the start 2025-01-01 is after the newest closed session"),
        (date(1990, 1, 1), date(1990, 12, 31), "the end 1990-12-31 is before the vendor's first"),
    ],
)
def test_a_range_without_a_closed_session_is_refused(start: date, end: date | None, why: str):
    with pytest.raises(RangeError, match=why):
        sessions.closed_range(start, end, NOON_OF_JULY_9)


WEEK = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8)


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        ((), []),
        (WEEK, [(JULY_1, JULY_8)]),
        ((JULY_8, JULY_5, JULY_3), [(JULY_3, JULY_8)]),  # neither holiday nor weekend breaks it
        ((JULY_1, JULY_3, JULY_5), [(JULY_1, JULY_1), (JULY_3, JULY_5)]),
        ((JUNE_28, JULY_2), [(JULY_2, JULY_2)]),  # what is not among them does not count
    ],
)
def test_runs_are_unbroken_among_the_sessions(
    wanted: tuple[date, ...], runs: list[tuple[date, date]]
):
    assert sessions.runs_of(wanted, WEEK) == runs


def test_the_calendar_is_that_of_exchange_calendars():
    assert Path(nyse.__file__).read_text() == text(), "make calendar"
