"""Materializations: one event a committed partition and run, and none for any other."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.internals import partition_events
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.dagster_records import ASSETS, materialized, metadata, sessions

WEEK = ["2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28"]
JOB = "historical_load"


def load(runs: Runs, *days: str, **config: bool | list[str]) -> bool:
    given = {"daily_bars": config} if config else {}
    return runs.run(JOB, sessions(*days), name="by hand", config=given).success


def covered(connection: Connection) -> list[str]:
    """The sessions that the coverage knows, read from the table."""
    rows = connection.execute(
        "SELECT DISTINCT k.date::text FROM data_coverage c JOIN nyse_sessions k"
        " ON c.loaded @> k.date ORDER BY 1"
    )
    return [day for (day,) in rows]


def test_a_run_of_one_session_records_one_event_for_each_table(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    assert load(runs, "2024-06-26")

    assert all(materialized(instance, asset) == ["2024-06-26"] for asset in ASSETS)
    shown = metadata(instance, "daily_bars", "2024-06-26")
    assert shown["fetched"] is True
    assert shown["received"] == shown["dagster/row_count"] > 200
    bars = connection.execute("SELECT count(*), count(DISTINCT symbol) FROM daily_bars")
    covered = metadata(instance, "data_coverage", "2024-06-26")
    assert [(covered["bars"], covered["dagster/row_count"])] == bars.fetchall()


@pytest.mark.parametrize("failing", ["2024-06-24", "2024-06-28"])
def test_a_failed_session_has_no_event_where_it_begins_or_ends_the_range(
    runs: Runs,
    instance: dg.DagsterInstance,
    connection: Connection,
    vendor: SimulatedVendor,
    failing: str,
) -> None:
    vendor.faults.add("400", endpoint="grouped", session=failing)

    assert not load(runs, *WEEK)

    others = [day for day in WEEK if day != failing]
    assert materialized(instance, "daily_bars") == others
    assert materialized(instance, "data_coverage") == others
    assert materialized(instance, "symbols") == WEEK
    assert covered(connection) == others


def test_a_failed_partition_is_shown_as_failed_and_the_others_as_materialized(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("400", endpoint="grouped", session="2024-06-26")

    load(runs, *WEEK)

    partitions = build_defs(load_settings()).resolve_assets_def("daily_bars").partitions_def
    assert partitions is not None
    shown = instance.get_status_by_partition(dg.AssetKey("daily_bars"), WEEK, partitions)
    assert shown is not None
    assert {day: status.value if status else None for day, status in shown.items()} == {
        "2024-06-24": "MATERIALIZED",
        "2024-06-25": "MATERIALIZED",
        "2024-06-26": "FAILED",
        "2024-06-27": "MATERIALIZED",
        "2024-06-28": "MATERIALIZED",
    }


def test_the_one_session_of_a_run_that_fails_has_no_event(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("400", endpoint="grouped")

    assert not load(runs, "2024-06-26")

    assert materialized(instance, "daily_bars") == []
    assert materialized(instance, "data_coverage") == []


def test_the_last_event_of_a_run_plots_what_is_loaded_up_to_its_end_and_no_other_event_does(
    runs: Runs, instance: dg.DagsterInstance
) -> None:
    load(runs, *WEEK[3:])
    load(runs, *WEEK[:3])

    plots = {day: metadata(instance, "daily_bars", day).get("bars_per_session", "") for day in WEEK}
    assert [day for day, plot in plots.items() if plot] == ["2024-06-26", "2024-06-28"]
    assert "2024-06-26%3C/text%3E%3C/svg" in plots["2024-06-26"]
    assert plots["2024-06-26"].count("h4") == 3
    assert plots["2024-06-28"].count("h4") == 2


def test_loaded_sessions_are_materialized_again_and_asked_for_only_by_a_reload(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    load(runs, *WEEK[:2])
    load(runs, *WEEK[:2])
    asked = vendor.count("grouped")
    shown = metadata(instance, "daily_bars", "2024-06-24")
    load(runs, *WEEK[:2], reload=True)

    assert (asked, vendor.count("grouped")) == (2, 4)
    assert materialized(instance, "daily_bars") == sorted(WEEK[:2] * 3)
    assert shown["fetched"] is False
    assert shown["dagster/row_count"] > 200
    assert shown["sample"].startswith("| symbol | open | high |")
    assert metadata(instance, "daily_bars", "2024-06-24")["fetched"] is True


def test_a_session_that_has_not_closed_is_never_asked_for_nor_materialized(
    runs: Runs,
    instance: dg.DagsterInstance,
    vendor: SimulatedVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    during_thursday = datetime(2024, 6, 27, 19, 59, tzinfo=UTC)
    stop_clock(monkeypatch, during_thursday)

    assert not load(runs, *WEEK)

    assert vendor.count("grouped") == 0
    assert materialized(instance, "daily_bars") == []
    assert materialized(instance, "data_coverage") == []


def test_an_early_close_counts_from_13_00(
    runs: Runs, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_the_early_close = datetime(2024, 7, 3, 17, 0, tzinfo=UTC)
    stop_clock(monkeypatch, after_the_early_close)

    assert load(runs, "2024-07-03")

    assert materialized(instance, "daily_bars") == ["2024-07-03"]


@pytest.mark.parametrize(("flush_seconds", "most_waiting"), [(0.0, 250), (0.5, 250), (60.0, 2)])
def test_events_follow_one_another_in_the_order_of_sessions_in_a_millisecond_of_their_own(
    runs: Runs,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    flush_seconds: float,
    most_waiting: int,
) -> None:
    monkeypatch.setattr(partition_events, "FLUSH_SECONDS", flush_seconds)
    monkeypatch.setattr(partition_events, "MOST_WAITING", most_waiting)

    load(runs, *WEEK)

    for asset in ASSETS:
        records = instance.fetch_materializations(
            dg.AssetKey(asset), limit=10, ascending=True
        ).records
        assert [record.partition_key for record in records] == WEEK
        shown = [int(record.timestamp * 1000) for record in records]
        assert shown == sorted(set(shown))


def test_every_partition_is_planned_once_for_each_table(
    runs: Runs, instance: dg.DagsterInstance
) -> None:
    load(runs, *WEEK)

    (run,) = instance.get_runs()
    planned = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    ).records
    found = [(str(record.asset_key), record.partition_key) for record in planned]
    wanted = [(str(dg.AssetKey(asset)), day) for asset in ASSETS for day in WEEK]
    assert {one: found.count(one) for one in wanted} == dict.fromkeys(wanted, 1)


def test_events_recorded_while_a_run_goes_on_are_the_same(
    runs: Runs, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_events, "FLUSH_SECONDS", 0.0)

    assert load(runs, *WEEK)

    assert materialized(instance, "daily_bars") == WEEK
    assert materialized(instance, "data_coverage") == WEEK
    assert metadata(instance, "daily_bars", "2024-06-24")["rejected"] == 0
    assert metadata(instance, "daily_bars", "2024-06-28")["rejected"] == 0


def test_only_the_sessions_named_in_the_configuration_are_fetched(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    assert load(runs, *WEEK, fetch=["2024-06-25", "2024-06-27"])

    asked = sorted(log.path[-10:] for log in vendor.requests if log.endpoint == "grouped")
    assert asked == ["2024-06-25", "2024-06-27"]
    assert materialized(instance, "daily_bars") == ["2024-06-25", "2024-06-27"]
