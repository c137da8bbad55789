"""When a message about an alert is due, and what it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from universe_pipeline.domain.alerts import (
    Alert,
    Condition,
    Delivery,
    Kind,
    News,
    distance,
    due,
    level_of,
    message,
)

AT = datetime(2024, 7, 10, 13, 0, tzinfo=UTC)
ALERT = Alert(
    1, "session_late", "ERROR", 2, AT, None, "session 2024-07-09 is late", "universe daily", "/runs"
)
SENT = Delivery(level=2, sent_at=AT)


@pytest.mark.parametrize(
    ("alert", "sent", "after", "expected"),
    [
        (ALERT, Delivery(), timedelta(), News.OPENED),
        (ALERT, SENT, timedelta(hours=23, minutes=59), None),
        (ALERT, SENT, timedelta(hours=24), News.REMINDER),
        (replace(ALERT, level=3), SENT, timedelta(minutes=1), News.WORSE),
        (replace(ALERT, level=1), SENT, timedelta(minutes=1), None),
        (replace(ALERT, closed_at=AT), SENT, timedelta(minutes=1), News.RESOLVED),
        (replace(ALERT, closed_at=AT), replace(SENT, resolved_at=AT), timedelta(days=9), None),
        (replace(ALERT, closed_at=AT), Delivery(), timedelta(days=9), None),
    ],
)
def test_an_alert_is_sent_once_when_it_is_worse_daily_and_when_it_is_over(
    alert: Alert, sent: Delivery, after: timedelta, expected: News | None
) -> None:
    assert due(alert, sent, AT + after) is expected


def test_a_message_has_what_since_when_the_repair_and_a_link() -> None:
    sent = message(ALERT, News.OPENED, "https://d.example.com")

    assert sent.subject == "universe: ERROR session_late"
    assert sent.text.splitlines() == [
        "universe: ERROR session_late: session 2024-07-09 is late",
        "found 2024-07-10 13:00 UTC",
        "repair: universe daily",
        "https://d.example.com/runs",
    ]


def test_the_message_of_an_end_has_no_repair() -> None:
    over = replace(ALERT, closed_at=AT + timedelta(hours=2))

    assert message(over, News.RESOLVED, None).text.splitlines() == [
        "universe: resolved: ERROR session_late: session 2024-07-09 is late",
        "found 2024-07-10 13:00 UTC, over 2024-07-10 15:00 UTC",
    ]


def test_a_subject_is_one_line_whatever_a_name_holds() -> None:
    sent = message(replace(ALERT, key="run_failed a\r\nBcc: b"), News.WORSE, None)

    assert sent.subject == r"universe: worse: ERROR run_failed a\r\nBcc: b"


def test_a_way_out_that_fails_rests_from_a_minute_to_an_hour() -> None:
    minutes = [distance(failures) / timedelta(minutes=1) for failures in (1, 2, 3, 6, 7, 500)]

    assert minutes == [1, 2, 4, 32, 60, 60]


def test_the_level_rises_when_a_count_doubles() -> None:
    assert [level_of(count) for count in (0, 1, 2, 3, 4, 7, 8)] == [1, 1, 2, 2, 3, 3, 4]


def test_a_condition_is_a_line_that_ends_with_its_repair() -> None:
    found = Condition(Kind.RUN_FAILED, "it failed", "universe daily", about="daily_update")

    assert found.key == "run_failed daily_update"
    assert str(found) == "ERROR run_failed: it failed; universe daily"
