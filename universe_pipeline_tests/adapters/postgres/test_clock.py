"""The database's clock: asked for once, and pulled back where stored moments lie in its future."""

import logging
import time
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres import clock as clocks
from universe_pipeline.adapters.postgres.clock import Clock, database_time
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.future import pull_back

A_BIT = timedelta(seconds=1)
TWO_DAYS = timedelta(days=2)


@pytest.fixture
def machine_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock of this process is two days ahead, as its `datetime` and `time` have it."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            assert tz is UTC
            return datetime.now(UTC) + TWO_DAYS

    monkeypatch.setattr(clocks, "datetime", Fast)


def test_it_gives_the_databases_time_without_asking_again(
    database: Database, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(database)
    clock()
    monkeypatch.delattr(Database, "open")

    times = [clock() for _ in range(1_000)]

    assert abs(times[-1] - database_time(connection)) < A_BIT
    assert times == sorted(times)


@pytest.mark.usefixtures("machine_is_ahead")
def test_a_machine_whose_clock_is_off_is_warned_of_once(
    database: Database, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(database)

    with caplog.at_level(logging.WARNING):
        times = [clock.measure(connection), clock.measure(connection), clock()]

    assert all(abs(each - database_time(connection)) < A_BIT for each in times)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("this machine's clock is 2 d ahead of the clock of the database ")
    assert "timedatectl set-ntp true" in line
    assert abs(clocks.error() - TWO_DAYS) < A_BIT


def test_a_machine_whose_clock_is_right_is_not_warned_of(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    Clock(database)()

    assert caplog.records == []
    assert clocks.error() == timedelta()


def test_a_machine_that_slept_asks_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(database)
    clock()
    asked: list[str] = []
    connect = Database.connect

    def counted(of: Database) -> AbstractContextManager[psycopg.Connection]:
        asked.append(of.address)
        return connect(of)

    monkeypatch.setattr(Database, "connect", counted)
    awake, asleep = time.time, 3_600.0  # the monotonic clock stood meanwhile
    monkeypatch.setattr(time, "time", lambda: awake() + asleep)

    clock()
    clock()

    assert asked == [database.address]


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(minutes=10, seconds=4), "10 min 4 s ahead of"),
        (timedelta(days=-2, hours=-3, minutes=-5), "2 d 3 h behind"),
        (timedelta(hours=1), "1 h ahead of"),
    ],
)
def test_how_far_it_is_off_is_said_in_two_units(ahead: timedelta, said: str) -> None:
    assert clocks.off(ahead) == said


FUTURE: dict[str, LiteralString] = {
    "session_loads": "INSERT INTO session_loads (date, status, final, fetched_at, empty_on)"
    " VALUES ('2024-07-01', 'loaded', true, %(at)s, ARRAY[%(at)s::date])",
    "symbol_requests": "INSERT INTO symbol_requests"
    " VALUES ('A', %(at)s, '{[2024-07-01,2024-07-02)}'),"
    " ('A', %(at)s::timestamptz + interval '1 s', '{[2024-07-02,2024-07-03)}')",
    "load_jobs": "INSERT INTO load_jobs"
    " (name, kind, start_date, end_date, status, started_at, last_updated, fresh_since)"
    " VALUES ('j', 'historical', '2024-07-01', '2024-07-01', 'failed', %(at)s, %(at)s, %(at)s)",
    "data_fetch_errors": "INSERT INTO data_fetch_errors"
    " (dataset, occurred_at, endpoint, kind, message, attempts, retryable)"
    " VALUES ('symbols', %(at)s, 'x', 'timeout', 'x', 6, true)",
    "refused_answers": "INSERT INTO refused_answers"
    " (dataset, answered_on, rows, expected, missing, refused_at)"
    " VALUES ('symbols', %(at)s::date, 1, 2, '{}', %(at)s),"
    " ('symbols', %(at)s::date + 1, 1, 2, '{}', %(at)s)",
}
"""What a machine whose clock is ahead stored, by table."""


@pytest.mark.parametrize("table", FUTURE)
def test_stored_moments_of_the_future_are_pulled_back_and_named(
    connection: psycopg.Connection, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    now = database_time(connection)
    connection.execute(FUTURE[table], {"at": now + TWO_DAYS})

    with caplog.at_level(logging.WARNING):
        found = [pull_back(connection, now), pull_back(connection, now)]

    assert found == [True, False]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the database holds moments of its future, up to ")
    late = connection.execute(
        sql.SQL(
            "SELECT count(*) FROM {} t, jsonb_each_text(to_jsonb(t)) AS v"
            " WHERE v.value ~ '^....-..-..T' AND v.value::timestamptz > %s"
        ).format(sql.Identifier(table)),
        (now,),
    ).fetchone()
    assert late == (0,)


def test_a_session_that_a_fast_clock_called_final_is_not(connection: psycopg.Connection) -> None:
    now = datetime(2024, 7, 3, 16, 0, tzinfo=UTC)
    for day, at in ((date(2024, 7, 1), now + TWO_DAYS), (date(2024, 3, 1), now + TWO_DAYS)):
        connection.execute(
            "INSERT INTO session_loads (date, status, final, fetched_at)"
            " VALUES (%s, 'loaded', true, %s)",
            (day, at),
        )

    pull_back(connection, now)

    final = connection.execute("SELECT date FROM session_loads WHERE final").fetchall()
    assert final == [(date(2024, 3, 1),)]


def test_refused_answers_of_days_to_come_are_one_of_today(connection: psycopg.Connection) -> None:
    now = database_time(connection)
    connection.execute(FUTURE["refused_answers"], {"at": now + TWO_DAYS})

    pull_back(connection, now)

    days = connection.execute(
        "SELECT count(*), max(answered_on) <= current_date FROM refused_answers"
    ).fetchone()
    assert days == (1, True)


def test_a_database_of_moments_that_have_been_is_left_alone(
    connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    connection.execute(FUTURE["session_loads"], {"at": database_time(connection)})

    assert not pull_back(connection, database_time(connection))
    assert caplog.records == []


def test_lists_of_the_future_are_asked_for_again_in_their_order(
    connection: psycopg.Connection,
) -> None:
    now = database_time(connection)
    for hours in (48, 49):
        connection.execute(
            "INSERT INTO split_snapshots (taken_at, endpoint, splits, added, changed, removed,"
            " rejected, content_hash) VALUES (%s, 'x', %s, 0, 0, 0, 0, '')",
            (now + timedelta(hours=hours), hours),
        )

    pull_back(connection, now)

    rows = connection.execute("SELECT splits, taken_at FROM split_snapshots ORDER BY taken_at")
    kept = rows.fetchall()
    assert [splits for splits, _ in kept] == [48, 49]
    assert all(now - at > timedelta(hours=24) for _, at in kept)
