"""Two weeks of unattended operation, by Dagster's own scheduler and sensors, in one process.

They hold a holiday and an early close, a session that the vendor revises, a database whose clock
jumps two days ahead and back, a vendor that is out for a night, three days without a daemon, and an
evening on which the vendor refuses the key. Runs are real: the client, loopback HTTP, PostgreSQL.

All read one simulated clock: the database by libfaketime, Dagster by its own `freeze_time`, the
vendor and the product's view of the machine by parameter. What launchers, threads and gRPC servers
of Dagster add is not covered, and the daemon looks at some times of each day, not every minute.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from universe_pipeline.adapters.postgres.summaries.metrics import Scope
from universe_pipeline.domain.sessions import NEW_YORK
from universe_pipeline.monitoring.metrics import METRICS, render
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import as_user, retries_at_once
from universe_pipeline_tests.support.metric_samples import Samples, parsed
from universe_pipeline_tests.support.movable_server import movable_server
from universe_pipeline_tests.support.receivers import Webhook, webhook
from universe_pipeline_tests.support.simulated_time import SimulatedTime

__all__ = ["as_user", "retries_at_once"]

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`"),
]

NOVEMBER = [date(2024, 11, day) for day in (25, 26, 27, 29)]
"""Thanksgiving is on the 28th; on the 29th trading ends at 13:00."""
DECEMBER = [date(2024, 12, day) for day in (2, 3, 4, 5, 6)]
AFTER = [date(2024, 12, day) for day in (9, 10)]
"""Evenings that make the last sessions of the two weeks final."""


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A time in New York, as UTC."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(NEW_YORK)).astimezone(UTC)


def nov(day: int, hour: int, minute: int = 0) -> datetime:
    return at(date(2024, 11, day), hour, minute)


def dec(day: int, hour: int, minute: int = 0) -> datetime:
    return at(date(2024, 12, day), hour, minute)


START, END = nov(25, 16, 45), dec(10, 20, 31)

REVISED = NOVEMBER[0]
REVISED_AT = nov(26, 12)
JUMPED = nov(26, 20), nov(27, 0)
OUT = nov(27, 16), nov(28, 12)
GONE = dec(3, 12), dec(6, 12)
REFUSED = dec(9, 16), dec(9, 23)

LOOKS = ((8, 1), (9, 1), (17, 1), (20, 31))
"""When the daemon looks on a weekday: after times of the schedules, and when a session is late."""

MORE_LOOKS = (START, nov(28, 13, 31), nov(30, 9, 1), dec(6, 12, 1), dec(7, 9, 1))
"""The first one; after the outage; on Saturdays; when the daemon is back."""


def moments() -> Iterator[datetime]:
    """When the daemon looks."""
    days = [START.date() + timedelta(days=n) for n in range((END - START).days + 1)]
    regular = {at(day, *each) for day in days if day.weekday() < 5 for each in LOOKS}
    for moment in sorted(regular | {*MORE_LOOKS}):
        if START <= moment <= END and not within(GONE, moment):
            yield moment


def within(span: tuple[datetime, datetime], moment: datetime) -> bool:
    return span[0] <= moment < span[1]


@pytest.fixture
def simulated() -> Generator[SimulatedTime]:
    with movable_server() as server:
        yield SimulatedTime(server, START)


@pytest.fixture
def vendor(simulated: SimulatedTime) -> Generator[SimulatedVendor]:
    """A vendor on the same clock."""
    with SimulatedVendor(symbols=300, now=simulated.now) as vendor:
        yield vendor


@pytest.fixture
def hook() -> Generator[Webhook]:
    """Where alerts go."""
    with webhook() as hook:
        yield hook


@pytest.fixture
def heart() -> Generator[Webhook]:
    """Where heartbeats go."""
    with webhook("/beat") as heart:
        yield heart


@pytest.fixture
def environment(
    environment: dict[str, str], simulated: SimulatedTime, hook: Webhook, heart: Webhook
) -> dict[str, str]:
    """The user's, with the movable database and both webhooks."""
    return {
        **environment,
        "UNIVERSE_DATABASE_URL": simulated.url,
        "UNIVERSE_START_DATE": NOVEMBER[0].isoformat(),
        "UNIVERSE_ALERT_URL": hook.url,
        "UNIVERSE_HEARTBEAT_URL": heart.url,
    }


def let_happen(vendor: SimulatedVendor, moment: datetime) -> None:
    """Let the vendor be as it is at `moment`."""
    vendor.faults.clear()
    if moment >= REVISED_AT:
        vendor.faults.add("changed", session=REVISED, tickers=["AAPL"], factor=1.5)
    if within(OUT, moment):
        vendor.faults.add("503")
    if within(REFUSED, moment):
        vendor.faults.add("401_unknown_key")


def half_full(_: Path) -> SimpleNamespace:
    """Let the disk have room: low disks are tested elsewhere."""
    return SimpleNamespace(total=100e9, free=50e9)


def test_two_weeks_end_with_final_sessions_alerts_sent_once_and_true_metrics(
    simulated: SimulatedTime,
    vendor: SimulatedVendor,
    hook: Webhook,
    heart: Webhook,
    as_user: Callable[[dict[str, str]], None],
    retries_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_user({})
    simulated.patch(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", half_full)
    settings = load_settings()

    with simulated.daemon(settings):
        for moment in moments():
            let_happen(vendor, moment)
            jump = timedelta(days=2) if within(JUMPED, moment) else timedelta()
            simulated.look(moment, database_ahead=jump)

    with psycopg.connect(simulated.url, autocommit=True) as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query.encode()).fetchall()

        assert_sessions(ask, vendor)
        assert_alerts(ask, hook)
        assert_heartbeats(ask, heart)
        scope = Scope(simulated.now(), NOVEMBER[0], per_minute=0, release="9.9")
        assert_metrics(ask, parsed(render(connection, scope)))


Ask = Callable[[str], list[tuple[Any, ...]]]


def assert_sessions(ask: Ask, vendor: SimulatedVendor) -> None:
    """The two weeks' sessions are final, and one was revised; all requests are counted."""
    expected = [*NOVEMBER, *DECEMBER, *AFTER]
    loaded = ask("SELECT date, final FROM session_loads WHERE status = 'loaded' ORDER BY date")
    assert loaded == [(day, day not in AFTER) for day in expected]
    assert ask("SELECT date, symbol, count(*) FROM bar_revisions GROUP BY 1, 2") == [
        (REVISED, "AAPL", 1)
    ]
    assert ask("SELECT count(*) FROM data_fetch_errors WHERE resolved_at IS NULL") == [(0,)]
    assert ask("SELECT count(*) FROM daily_bars") == ask("SELECT sum(stored) FROM session_loads")
    assert ask("SELECT sum(amount) FROM daily_counters WHERE counter = 'requests'") == [
        (vendor.count(),)
    ]


def assert_alerts(ask: Ask, hook: Webhook) -> None:
    """Each alert was sent once and resolved once, by the webhook and in the log."""
    heads = [text.split(": ")[1:4] for text in hook.texts]
    opened = [rest[0].removeprefix("ERROR ") for rest in heads if rest[0] != "resolved"]
    ended = [rest[1].removeprefix("ERROR ") for rest in heads if rest[0] == "resolved"]
    assert ask("SELECT key FROM alerts ORDER BY id") == [(key,) for key in opened]
    assert Counter(opened) == {"session_late": 3, "key_refused": 1}
    assert Counter(ended) == Counter(opened)
    assert not {"still", "worse"} & {rest[0] for rest in heads}
    assert ask(
        "SELECT way, count(*), count(d.sent_at), count(resolved_at)"
        " FROM alert_deliveries d JOIN alerts a ON a.id = alert_id"
        " WHERE closed_at IS NOT NULL GROUP BY way ORDER BY way"
    ) == [("log", 4, 4, 4), ("url", 4, 4, 4)]


def assert_heartbeats(ask: Ask, heart: Webhook) -> None:
    """Each good evening was reported once: not those without a daemon, or with a refused key."""
    good = [*NOVEMBER, *DECEMBER[:1], *DECEMBER[3:], AFTER[1]]
    assert ask("SELECT date FROM heartbeats WHERE sent_at IS NOT NULL ORDER BY date") == [
        (day,) for day in good
    ]
    assert len(heart.requests) == len(good)


PLAIN_SQL = {
    "universe_sessions": """
        SELECT condition, count(d.date) FROM unnest(ARRAY['available', 'degraded', 'pending',
            'missing']) AS c (condition) LEFT JOIN (
            SELECT date, CASE WHEN status <> 'loaded' THEN 'pending'
                WHEN EXISTS (SELECT FROM broken_rules b WHERE b.date = l.date) THEN 'degraded'
                ELSE 'available' END AS condition
            FROM session_loads l) d USING (condition) GROUP BY condition
        """,
    "universe_sessions_behind": "SELECT 0",
    "universe_last_available_session_timestamp": """
        SELECT extract(epoch FROM (max(date) + time '16:00') AT TIME ZONE 'America/New_York')
        FROM session_loads WHERE status = 'loaded'
        """,
    "universe_last_success_timestamp": """
        SELECT pipeline_name, max(end_time) FROM dagster.runs WHERE status = 'SUCCESS' GROUP BY 1
        """,
    "universe_requests_total": """
        SELECT subject, outcome, sum(amount) FROM daily_counters WHERE counter = 'requests'
        GROUP BY 1, 2
        """,
    "universe_429_total": "SELECT 0",
    "universe_rows_total": """
        SELECT 'stored', (SELECT count(*) FROM daily_bars) UNION ALL
        SELECT 'rejected', (SELECT count(*) FROM rejected_bars) UNION ALL
        SELECT 'received', (SELECT count(*) FROM daily_bars) + (SELECT count(*) FROM rejected_bars)
        UNION ALL SELECT 'revised', (SELECT count(*) FROM bar_revisions)
        """,
    "universe_stage_seconds_total": """
        SELECT subject, sum(amount) FROM daily_counters WHERE counter = 'stage_seconds' GROUP BY 1
        """,
    "universe_open_errors": """
        SELECT kind, retryable::text, count(*) FROM data_fetch_errors WHERE resolved_at IS NULL
        GROUP BY 1, 2
        """,
    "universe_open_alerts": """
        SELECT severity, count(id) FROM unnest(ARRAY['ERROR', 'WARN']) AS s (severity)
        LEFT JOIN (SELECT * FROM alerts WHERE closed_at IS NULL) a USING (severity)
        GROUP BY severity
        """,
    "universe_runs_in_progress": """
        SELECT count(*) FROM dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')
        """,
    "universe_oldest_queued_run_seconds": "SELECT 0",
    "universe_pace_per_minute": "SELECT 0",
    "universe_build_info": "SELECT '9.9', version_num, 1 FROM universe_schema_version",
}
"""What each metric is to be: its labels and its number."""


def assert_metrics(ask: Ask, samples: Samples) -> None:
    """The metrics are what plain SQL finds."""
    size = ask("SELECT pg_database_size(current_database())")[0][0]  # the server may vacuum
    assert samples.pop(("universe_database_bytes", ())) == pytest.approx(size, rel=0.05)
    assert {metric.name for metric in METRICS} == {*PLAIN_SQL, "universe_database_bytes"}
    expected = {
        (name, tuple(labels)): pytest.approx(float(number))
        for name, query in PLAIN_SQL.items()
        for *labels, number in ask(query)
    }
    assert samples == expected
