"""Sessions as partitions: each exists from its close on, in every process, without a restart."""

import time
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap

from universe_pipeline.domain.sessions import NEW_YORK
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.partitions import session_partitions
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock

PARTITIONS = session_partitions(date(2024, 6, 24))


def new_york(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(NEW_YORK))


def as_served(partitions: dg.PartitionsDefinition[Any]) -> Any:
    """What the webserver and the daemon make of it: they have its fields only, not its class."""
    return PartitionsSnap.from_def(partitions).get_partitions_definition()


@pytest.mark.parametrize(
    ("moment", "newest"),
    [
        ("2026-11-25T15:59:59", "2026-11-24"),  # a Wednesday in winter
        ("2026-11-25T16:00:00", "2026-11-25"),
        ("2026-11-26T17:00:00", "2026-11-25"),  # Thanksgiving
        ("2026-11-27T12:59:59", "2026-11-25"),  # closes at 13:00
        ("2026-11-27T13:00:00", "2026-11-27"),
        ("2026-11-28T17:00:00", "2026-11-27"),  # a Saturday
        ("2026-11-29T23:59:59", "2026-11-27"),  # a Sunday
        ("2026-11-30T09:29:00", "2026-11-27"),  # before Monday's open
        ("2026-11-30T16:00:00", "2026-11-30"),
        ("2026-07-01T15:59:59", "2026-06-30"),  # in summer
        ("2026-07-01T16:00:00", "2026-07-01"),
    ],
)
def test_the_latest_partition_is_the_newest_closed_session(moment: str, newest: str) -> None:
    now = new_york(moment)

    keys = PARTITIONS.get_partition_keys(now)
    with dg.partition_loading_context(now):
        last = PARTITIONS.get_last_partition_key()
        is_next_there = PARTITIONS.has_partition_key("2026-12-01")

    assert (keys[-1], last, is_next_there) == (newest, newest, False)


@pytest.mark.parametrize(
    ("moment", "newest"),
    [
        ("2026-11-25T15:59:59", "2026-11-24"),
        ("2026-11-25T16:00:00", "2026-11-25"),  # in winter at the close
        ("2026-11-26T17:00:00", "2026-11-25"),
        ("2026-11-27T12:59:59", "2026-11-25"),
        ("2026-11-27T16:00:00", "2026-11-27"),  # three hours after an early close
        ("2026-11-28T17:00:00", "2026-11-27"),
        ("2026-11-29T23:59:59", "2026-11-27"),
        ("2026-11-30T15:59:59", "2026-11-27"),
        ("2026-07-01T16:59:59", "2026-06-30"),
        ("2026-07-01T17:00:00", "2026-07-01"),  # in summer when the daily update asks for it
        ("2026-07-03T18:00:00", "2026-07-02"),  # a holiday
        ("2026-03-09T17:00:00", "2026-03-09"),  # the first session of summer time
        ("2026-11-02T16:00:00", "2026-11-02"),  # the first one without
    ],
)
def test_the_webserver_offers_no_session_before_its_close(moment: str, newest: str) -> None:
    now, served = new_york(moment), as_served(PARTITIONS)

    with dg.partition_loading_context(now):
        keys, last = served.get_partition_keys(), served.get_last_partition_key()

    assert (keys[-1], last) == (newest, newest)
    assert list(keys) == [key for key in PARTITIONS.get_partition_keys(now) if key <= newest]


def test_a_process_that_lives_on_sees_each_session_after_its_close() -> None:
    before, after = new_york("2024-07-08T15:59"), new_york("2024-07-08T16:00")

    assert PARTITIONS.get_partition_keys(before)[-1] == "2024-07-05"
    assert PARTITIONS.get_partition_keys(after)[-1] == "2024-07-08"
    assert PARTITIONS.get_partition_keys(before)[-1] == "2024-07-05"


def test_where_the_first_session_has_not_closed_there_is_none() -> None:
    with dg.partition_loading_context(new_york("2024-06-24T15:59")):
        assert PARTITIONS.get_last_partition_key() is None
        assert list(PARTITIONS.get_partition_keys()) == []


def test_a_range_is_its_sessions_and_a_window_ends_after_the_close() -> None:
    keys = PARTITIONS.get_partition_keys_in_range(dg.PartitionKeyRange("2024-07-02", "2024-07-08"))
    window = PARTITIONS.time_window_for_partition_key("2024-07-03")

    assert keys == ["2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08"]
    assert window.start == new_york("2024-07-02T17:00")
    assert window.end == new_york("2024-07-03T17:00")


def test_the_webserver_lists_twenty_years_about_as_quickly_as_without_a_calendar() -> None:
    served = as_served(session_partitions(date(2003, 9, 10)))
    plain = dg.DailyPartitionsDefinition("2003-09-10", timezone=NEW_YORK)

    def seconds(partitions: dg.PartitionsDefinition[Any]) -> float:
        began = time.process_time()
        partitions.get_partition_keys()
        return time.process_time() - began

    assert seconds(served) < 6 * seconds(plain)  # with further ticks in a day 10 to 30 times


@pytest.mark.parametrize(
    ("now", "session", "closes"),
    [
        (datetime(2024, 6, 27, 19, 59, tzinfo=UTC), "2024-06-27", "2024-06-27 16:00 EDT"),
        (datetime(2024, 7, 3, 16, 59, tzinfo=UTC), "2024-07-03", "2024-07-03 13:00 EDT"),
        (datetime(2024, 6, 29, 12, 0, tzinfo=UTC), "2024-07-01", "2024-07-01 16:00 EDT"),
    ],
)
def test_a_run_over_a_session_that_has_not_closed_fails_with_the_reason_and_asks_for_no_bars(
    runs: Runs,
    vendor: SimulatedVendor,
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
    session: str,
    closes: str,
) -> None:
    stop_clock(monkeypatch, now)

    ended = runs.run("historical_load", [date.fromisoformat(session)], name="by_hand")

    assert not ended.success
    assert f"the session {session} has not closed (it closes at {closes})" in ended.messages[0]
    assert {verdict.asset for verdict in ended.check_results} <= {"splits", "dividends"}
    assert vendor.count("grouped") == vendor.count("tickers") == 0


def materialize(instance: dg.DagsterInstance, asset: str, *, fetch: str | None = None) -> list[str]:
    """Materialize a session as the UI does, unconfigured or not; the reasons why it failed."""
    config = {"ops": {"daily_bars": {"config": {"fetch": [fetch]}}}} if fetch else None
    job = build_defs(load_settings()).resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection={dg.AssetKey(asset)}).execute_in_process(
        instance=instance, partition_key="2024-06-28", run_config=config, raise_on_error=False
    )
    failures = [one.step_failure_data for one in result.all_events if one.is_step_failure]
    assert result.success is not bool(failures)
    return [one.user_failure_data.description or "" for one in failures if one.user_failure_data]


def test_a_run_of_which_nothing_is_published_fails_unless_it_is_asked_for_again_by_itself(
    instance: dg.DagsterInstance, runs: Runs, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_before_end_of_day", session=date(2024, 6, 28))

    by_command = runs.run("historical_load", [date(2024, 6, 28)], name="command")
    reasons = materialize(instance, "daily_bars")

    assert by_command.success
    assert reasons[0].startswith("session 2024-06-28: not published yet; the daily update asks")


def test_the_coverage_of_a_session_that_is_not_loaded_fails_with_the_reason(
    instance: dg.DagsterInstance,
) -> None:
    assert materialize(instance, "data_coverage") == [
        "nothing is loaded of session 2024-06-28: materialize daily_bars first"
    ]


def test_a_configuration_that_names_none_of_the_runs_sessions_fails(
    instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    reasons = materialize(instance, "daily_bars", fetch="2024-06-27")

    assert reasons[0].startswith("nothing was loaded of session 2024-06-28")
    assert vendor.count("grouped") == 0
