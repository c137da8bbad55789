"""Which windows of a long list are due: worked out by hand, and simulated over months."""

from datetime import UTC, date, datetime, timedelta

import pytest

from universe_pipeline.domain.windows import Read, Reading, Window, months_of

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
SINCE = date(2024, 1, 1)
RECENT = Window(date(2026, 10, 1), None)
YEARS = [
    Window(date(2026, 1, 1), date(2026, 9, 30)),
    Window(date(2025, 1, 1), date(2025, 12, 31)),
    Window(date(2024, 1, 1), date(2024, 12, 31)),
]
DAY = timedelta(days=1)


def at(*windows: Window, now: datetime = NOW) -> list[Read]:
    return [Read(window, now) for window in windows]


def month(year: int, number: int) -> Window:
    first = date(year, number, 1)
    return Window(first, (first + timedelta(days=31)).replace(day=1) - DAY)


def test_at_first_all_of_the_history_is_due_by_years_after_what_is_recent() -> None:
    reading = Reading(SINCE)

    assert reading.due(NOW) == [RECENT, *YEARS]
    assert reading.complete_since(NOW) is None


def test_an_interrupted_history_goes_on_with_what_is_missing() -> None:
    reading = Reading(SINCE, at(RECENT, YEARS[0]))

    assert reading.due(NOW) == YEARS[1:]
    assert reading.complete_since(NOW) == date(2026, 1, 1)


def test_once_all_is_read_nothing_is_due_for_a_day() -> None:
    reading = Reading(SINCE, at(RECENT, *YEARS))

    assert reading.due(NOW + timedelta(hours=23)) == []
    assert reading.complete_since(NOW) == SINCE


def test_after_a_day_the_recent_window_and_the_three_months_read_longest_ago_are_due() -> None:
    older = [*at(RECENT, YEARS[0]), *at(YEARS[1], YEARS[2], now=NOW - DAY)]
    reading = Reading(SINCE, [*older, *at(month(2024, 1), month(2024, 3))])

    due = reading.due(NOW + DAY)

    assert due == [RECENT, month(2024, 2), month(2024, 4), month(2024, 5)]


def test_force_reads_again_what_is_fresh() -> None:
    reading = Reading(SINCE, at(RECENT, *YEARS))

    assert reading.due(NOW, force=True) == [
        RECENT,
        month(2024, 1),
        month(2024, 2),
        month(2024, 3),
    ]


def test_a_window_that_was_refused_is_asked_for_until_it_is_stored() -> None:
    reading = Reading(SINCE, at(RECENT, *YEARS), refused=[month(2025, 5)])

    assert reading.due(NOW) == [month(2025, 5)]
    assert reading.due(NOW + DAY)[:2] == [RECENT, month(2025, 5)]


def test_a_refused_recent_window_is_due_once() -> None:
    reading = Reading(SINCE, at(*YEARS), refused=[RECENT])

    assert reading.due(NOW) == [RECENT, month(2024, 1), month(2024, 2), month(2024, 3)]


def test_months_that_were_read_while_rows_were_announced_are_read_when_they_are_over() -> None:
    """No refresh from November to February: October's window held the later months as announced."""
    reading = Reading(SINCE, at(RECENT, *YEARS))
    later = datetime(2027, 3, 10, tzinfo=UTC)

    assert reading.due(later) == [
        Window(date(2027, 2, 1), None),
        month(2027, 1),
        Window(date(2026, 11, 1), date(2026, 12, 31)),
    ]


def test_an_earlier_start_is_read_when_it_is_wanted() -> None:
    reading = Reading(date(2023, 5, 1), at(RECENT, *YEARS))

    assert reading.due(NOW) == [Window(date(2023, 5, 1), date(2023, 12, 31))]
    assert reading.complete_since(NOW) == date(2024, 1, 1)


def test_what_the_plan_does_not_reach_is_asked_for_by_force_only() -> None:
    reading = Reading(SINCE, at(RECENT, YEARS[0]), beyond=date(2025, 12, 31))

    assert reading.due(NOW) == []
    assert reading.due(NOW, force=True) == [RECENT, *YEARS[1:]]
    assert reading.due(NOW + DAY) == [RECENT, month(2026, 1), month(2026, 2), month(2026, 3)]
    assert reading.complete_since(NOW) == date(2026, 1, 1)


def test_the_recent_window_goes_back_thirty_days_at_least() -> None:
    for days in range(400):
        now = NOW + days * DAY
        recent = Reading(SINCE).due(now)[0]
        assert recent.last is None
        assert recent.first.day == 1
        assert 30 <= (now.date() - recent.first).days <= 61


def test_in_a_hundred_days_every_month_is_read_again() -> None:
    since = date(2003, 1, 1)
    reads: list[Read] = []
    for days in range(110):
        now = NOW + days * DAY
        due = Reading(since, reads).due(now)
        assert len(due) <= (4 if days else 25)
        reads += at(*due, now=now)

    last = NOW + 109 * DAY
    again = {read.window for read in reads if read.at > NOW}
    assert month(2003, 1) in again
    assert month(2026, 9) in again
    assert Reading(since, reads).complete_since(last) == since


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (YEARS[1], "2025"),
        (month(2024, 2), "2024-02"),
        (YEARS[0], "2026-01-01..2026-09-30"),
        (RECENT, "since 2026-10-01"),
    ],
)
def test_a_window_is_named_as_people_name_it(window: Window, text: str) -> None:
    assert str(window) == text


def test_a_window_knows_its_days() -> None:
    assert date(2026, 9, 30) in YEARS[0]
    assert date(2026, 10, 1) not in YEARS[0]
    assert date(2030, 1, 1) in RECENT
    assert YEARS[0].end == date(2026, 10, 1)
    assert (RECENT.covers(month(2026, 11)), RECENT.covers(month(2026, 9))) == (True, False)
    assert not YEARS[0].covers(RECENT)


def test_the_cost_is_by_months_and_one_more_for_what_is_announced() -> None:
    assert [months_of(window, NOW) for window in (RECENT, *YEARS)] == [3, 9, 12, 12]
