"""Schedules: what is missing after a close is asked for until it is there."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.orchestration.jobs.schedules import (
    daily_update_after_close,
    weekly_verification,
)
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.clocks import stop_clock

RUN = "00000000-0000-0000-0000-000000000001"

Tick = Callable[[str], dg.RunRequest | dg.SkipReason]

RECENT = [
    "2024-06-26",
    "2024-06-27",
    "2024-06-28",
    "2024-07-01",
    "2024-07-02",
    "2024-07-03",
    "2024-07-05",
    "2024-07-08",
    "2024-07-09",
    "2024-07-10",
]
"""The ten sessions up to 2024-07-10: no 4 July, no weekend."""


@pytest.fixture
def tick(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Tick:
    """The daily schedule at a time in New York, which is also the clock."""

    def at(moment: str) -> dg.RunRequest | dg.SkipReason:
        time = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("America/New_York"))
        stop_clock(monkeypatch, time.astimezone(UTC))
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=time,
            resources={"postgres": PostgresResource(given=load_settings())},
        ) as context:
            answer: Any = daily_update_after_close(context)
        return answer

    return at


def fetched(answer: dg.RunRequest | dg.SkipReason) -> list[str]:
    assert isinstance(answer, dg.RunRequest)
    return answer.run_config["ops"]["daily_bars"]["config"]["fetch"]


def skipped(answer: dg.RunRequest | dg.SkipReason) -> str:
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message is not None
    return answer.skip_message


def load(connection: Connection, days: list[str], *, final: bool = True) -> None:
    """Let `days` be loaded."""
    connection.execute(
        "INSERT INTO session_loads (date, status, final, fetched_at)"
        " SELECT unnest(%s::date[]), 'loaded', %s, now()",
        (days, final),
    )


def test_they_run_at_new_york_times_and_are_on_by_default() -> None:
    assert "0 17 * * 1-5" in daily_update_after_close.cron_schedule
    assert daily_update_after_close.execution_timezone == "America/New_York"
    assert daily_update_after_close.default_status is dg.DefaultScheduleStatus.RUNNING
    assert weekly_verification.execution_timezone == "America/New_York"
    assert (daily_update_after_close.job_name, weekly_verification.job_name) == (
        "daily_update",
        "verification",
    )


def test_every_recent_session_that_is_missing_is_asked_for_in_one_run(tick: Tick) -> None:
    answer = tick("2024-07-10T17:00")

    assert fetched(answer) == RECENT
    assert isinstance(answer, dg.RunRequest)
    assert answer.tags["dagster/asset_partition_range_start"] == "2024-06-26"
    assert answer.tags["dagster/asset_partition_range_end"] == "2024-07-10"
    assert answer.tags["universe/job"] == "daily_update_2024-07-10"


def test_what_is_loaded_is_left_alone_and_the_trailing_ones_are_fetched_once_a_day(
    tick: Tick, connection: Connection
) -> None:
    load(connection, RECENT[:7])
    load(connection, RECENT[7:9], final=False)

    assert fetched(tick("2024-07-10T17:00")) == ["2024-07-08", "2024-07-09", "2024-07-10"]
    assert fetched(tick("2024-07-10T20:30")) == ["2024-07-10"]
    assert fetched(tick("2024-07-11T08:00")) == ["2024-07-10"]


def test_where_everything_is_loaded_nothing_is_asked_for(
    tick: Tick, connection: Connection
) -> None:
    load(connection, RECENT)

    assert skipped(tick("2024-07-10T17:00")) == "every session up to 2024-07-10 is loaded"


@pytest.mark.parametrize("moment", ["2024-07-04T17:00", "2024-11-28T17:00"])
def test_on_a_holiday_nothing_is_asked_for(tick: Tick, moment: str) -> None:
    assert moment[:10] in skipped(tick(moment))


def test_after_an_early_close_the_session_is_asked_for(tick: Tick) -> None:
    assert fetched(tick("2024-07-03T17:00"))[-1] == "2024-07-03"


def test_a_permanent_failure_is_left_to_retry(tick: Tick, connection: Connection) -> None:
    load(connection, RECENT[:8])
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, date, kind, message, attempts, retryable)"
        " VALUES ('daily_bars', 'x', '2024-07-09', 'not_found', 'x', 1, false),"
        "        ('daily_bars', 'x', '2024-07-10', 'server_error', 'x', 6, true)"
    )

    assert fetched(tick("2024-07-10T17:00")) == ["2024-07-10"]


def test_while_a_daily_update_runs_no_second_one_starts(
    tick: Tick, instance: dg.DagsterInstance, database: Database
) -> None:
    instance.add_run(dg.DagsterRun("daily_update", RUN).with_status(dg.DagsterRunStatus.STARTED))

    with liveness.hold_lock(database, f"run {RUN}"):
        assert skipped(tick("2024-07-10T17:00")) == "a daily update is still running"


@pytest.mark.parametrize("tags", [{"universe/command_line": "true"}, {}])
def test_a_daily_update_whose_process_died_is_reported_and_not_waited_for(
    tick: Tick, instance: dg.DagsterInstance, connection: Connection, tags: dict[str, str]
) -> None:
    run = dg.DagsterRun("daily_update", RUN, tags=tags)
    instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))
    connection.execute("UPDATE dagster.runs SET update_timestamp = '2024-07-01'")

    assert fetched(tick("2024-07-10T17:00")) == RECENT
    found = instance.get_run_by_id(RUN)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE


def test_a_refused_key_is_tried_once_a_day(tick: Tick, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, date, kind, message, attempts, retryable)"
        " VALUES ('daily_bars', 'x', '2024-07-10', 'unauthorized', 'Unknown API Key', 1, false)"
    )

    assert "Unknown API Key" in skipped(tick("2024-07-10T20:30"))
    assert fetched(tick("2024-07-10T17:00")) == RECENT


def test_without_a_key_it_says_so_and_waits(
    tick: Tick, as_user: Callable[[dict[str, str]], None]
) -> None:
    as_user({"POLYGON_API_KEY": ""})

    assert "POLYGON_API_KEY is not set" in skipped(tick("2024-07-10T17:00"))
