"""What needs a person, read from a real database."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger.load_jobs import hold_lock
from universe_pipeline.domain.alerts import Condition, Kind
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.monitoring.conditions import Scope, conditions, disk_level, newest_due

NOON = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)
"""A Wednesday noon in New York; 2024-07-09 is due."""

TEN = [
    "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28", "2024-07-01",
    "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08", "2024-07-09",
]  # fmt: skip
"""The ten sessions that are due at noon: no 4 July, no weekend."""

Look = Callable[..., list[Condition]]


@pytest.fixture
def look(connection: Connection, tmp_path: Path) -> Look:
    """The conditions of a kind."""

    def of(kind: Kind, now: datetime = NOON, *known: str, has_key: bool = True) -> list[Condition]:
        scope = Scope(tmp_path / "home", date(2003, 9, 10), has_key=has_key, location="here")
        found = conditions(connection, scope, now, frozenset(known))
        return [one for one in found if one.kind is kind]

    return of


def load(connection: Connection, days: list[str], status: str = "loaded") -> None:
    connection.execute(
        "INSERT INTO session_loads (date, status, final, fetched_at)"
        " SELECT unnest(%s::date[]), %s, true, %s",
        (days, status, NOON - timedelta(days=30)),
    )


def fail(connection: Connection, day: str, message: str, kind: str = "server_error") -> None:
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, date, kind, message, attempts, retryable, occurred_at)"
        " VALUES ('daily_bars', 'x', %s, %s, %s, 6, true, %s)",
        (day, kind, message, NOON - timedelta(hours=1)),
    )


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2024-07-10 12:59", "2024-07-08"),
        ("2024-07-10 13:00", "2024-07-09"),  # 9:00 in New York, in summer
        ("2024-01-10 13:59", "2024-01-08"),
        ("2024-01-10 14:00", "2024-01-09"),
        ("2024-07-04 13:00", "2024-07-03"),  # on a holiday, after an early close
        ("2024-07-05 13:00", "2024-07-03"),
        ("2024-07-06 13:00", "2024-07-05"),  # a Saturday
        ("2024-07-08 23:00", "2024-07-05"),
    ],
)
def test_a_session_is_due_at_nine_in_new_york_on_the_day_after_it(now: str, due: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)

    assert newest_due(moment) == date.fromisoformat(due)


def test_a_session_that_is_not_there_at_nine_is_late(look: Look, connection: Connection) -> None:
    load(connection, TEN[:-1])
    fail(connection, "2024-07-09", "the vendor\nanswers <b>500</b>")

    assert look(Kind.SESSION_LATE, NOON - timedelta(hours=3, minutes=1)) == []
    (late,) = look(Kind.SESSION_LATE, NOON - timedelta(hours=3))

    assert str(late) == (
        "ERROR session_late: session 2024-07-09 is not available since 2024-07-10 09:00 New York:"
        " the vendor answers <b>500</b>; universe daily"
    )
    assert late.level == 1


def test_more_late_sessions_are_worse_and_a_newer_one_does_not_hide_a_hole(
    look: Look, connection: Connection
) -> None:
    load(connection, [TEN[0], *TEN[5:]])

    (late,) = look(Kind.SESSION_LATE, has_key=False)

    assert late.level == 3
    assert late.text == (
        "4 sessions (2024-06-26 to 2024-07-01) are not available since 2024-06-27 09:00 New York:"
        " POLYGON_API_KEY is not set"
    )


def test_nothing_is_late_where_nothing_was_ever_asked_for(look: Look) -> None:
    assert look(Kind.SESSION_LATE) == []


def test_sessions_before_the_first_that_was_asked_for_are_not_late(
    look: Look, connection: Connection
) -> None:
    load(connection, TEN[-2:])

    assert look(Kind.SESSION_LATE) == []


def test_a_quarantined_session_is_named_with_what_it_breaks(
    look: Look, connection: Connection
) -> None:
    load(connection, TEN[:-1])
    load(connection, TEN[-1:], "quarantined")
    connection.execute(
        "INSERT INTO broken_rules (date, rule, severity, detail, judged_at) VALUES"
        " ('2024-07-09', 'session_has_a_plausible_row_count', 'ERROR', '40 %% fewer bars', %s)",
        (NOON,),
    )

    (found,) = look(Kind.SESSION_QUARANTINED)

    assert look(Kind.SESSION_LATE) == []
    assert found.text == "session 2024-07-09 is kept from readers: 2024-07-09: 40 % fewer bars"
    assert found.repair == (
        "universe historical --start 2024-07-09 --end 2024-07-09 --reload, "
        "or universe approve 2024-07-09 --reason TEXT"
    )


def judge(connection: Connection, rule: str, severity: str, offenders: int) -> None:
    example = {"date": "2024-07-09", "symbol": "AAPL", "detail": "high 1 < low 2"}
    connection.execute(
        "INSERT INTO rule_results (judged_at, occasion, rule, severity, first_date, last_date,"
        " offenders, examples) VALUES (%s, 'verification', %s, %s, '2024-07-01', '2024-07-09', %s,"
        " %s)",
        (NOON, rule, severity, offenders, Json([example][:offenders])),
    )


def test_a_broken_rule_is_an_alert_only_where_it_is_an_error(
    look: Look, connection: Connection
) -> None:
    judge(connection, "ohlc_order", "ERROR", 1)
    judge(connection, "closes_move", "WARN", 1)
    judge(connection, "vwap_is_near_the_range", "WARN", 1)

    (found,) = look(Kind.RULE_BROKEN)

    assert found.key == "rule_broken ohlc_order"
    assert found.text.endswith(
        "is broken 1 times since 2024-07-10 16:00 UTC: 2024-07-09 AAPL high 1 < low 2"
    )
    assert found.repair == "universe repair --symbols=AAPL --start 2024-07-09 --end 2024-07-09"


def test_a_rule_that_a_later_verification_finds_kept_is_over(
    look: Look, connection: Connection
) -> None:
    judge(connection, "ohlc_order", "ERROR", 1)
    judge(connection, "ohlc_order", "ERROR", 0)

    assert look(Kind.RULE_BROKEN) == []


def test_a_refused_key_is_one_alert(look: Look, connection: Connection) -> None:
    fail(connection, "2024-07-08", "Unknown API Key", "unauthorized")
    fail(connection, "2024-07-09", "Unknown API Key", "unauthorized")

    (found,) = look(Kind.KEY_REFUSED)

    assert found.text == "the vendor refuses the key since 2024-07-10 15:00 UTC: Unknown API Key"


def test_a_job_is_stuck_after_fifteen_minutes_while_its_process_lives(
    look: Look, connection: Connection, database: Database
) -> None:
    connection.execute(
        "INSERT INTO load_jobs (name, kind, start_date, end_date, status, started_at, last_updated)"
        " VALUES ('j', 'historical', '2024-07-01', '2024-07-09', 'in_progress', %s, %s)",
        (NOON, NOON),
    )

    with hold_lock(database, "j"):
        assert look(Kind.JOB_STUCK, NOON + timedelta(minutes=15)) == []
        (found,) = look(Kind.JOB_STUCK, NOON + timedelta(minutes=15, seconds=1))
    assert look(Kind.JOB_STUCK, NOON + timedelta(minutes=16)) == []

    assert str(found) == (
        "WARN job_stuck: j gets nowhere since 2024-07-10 16:00 UTC: its process lives, and sends "
        "no heartbeat; end the process that universe status names, then universe resume j"
    )


def test_hosts_that_differ_are_named_with_what_to_do(look: Look, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO hosts (host, requests_per_minute, release, used_at)"
        " VALUES ('a', 5, '0.1.0', now()), ('b', 30, '0.1.0', now())"
    )

    (found,) = look(Kind.HOSTS_DIFFER)

    assert str(found) == (
        "WARN hosts_differ: hosts ask at different limits: 30 a minute on b; 5 a minute on a; "
        "Set POLYGON_RATE_LIMIT alike on all"
    )
    connection.execute("UPDATE hosts SET requests_per_minute = 30")
    assert look(Kind.HOSTS_DIFFER) == []


@pytest.mark.parametrize(
    ("free", "is_known", "level"),
    [
        (0.11, False, 0), (0.11, True, 1), (0.12, True, 0),
        (0.099, False, 1), (0.049, True, 2), (0.019, False, 3),
    ],
)  # fmt: skip
def test_a_low_disk_has_levels_and_does_not_come_and_go(
    free: float, is_known: bool, level: int
) -> None:
    assert disk_level(free, is_known=is_known) == level


def test_a_low_disk_is_named_with_its_folder(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(total=100e9, free=4e9)

    monkeypatch.setattr(shutil, "disk_usage", usage)

    (found,) = look(Kind.DISK_LOW)

    assert found.text.startswith(f"4.0 GB (4%) are free for {tmp_path} on ")
    assert (found.severity, found.level) == (Severity.ERROR, 2)
