"""Ranged runs: what is committed is shown as materialized once, and nothing else is."""

from datetime import date

import dagster as dg

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command

WEEK = ["2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28"]
LOAD = ("historical", "--start", "2024-06-24", "--end", "2024-06-28")

EVENTS = """
    SELECT partition, count(*) FROM dagster.event_logs
    WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND asset_key = %s
    GROUP BY partition ORDER BY partition
    """


def events(connection: Connection, asset: str) -> list[tuple[str | None, int]]:
    return connection.execute(EVENTS, (f'["{asset}"]',)).fetchall()


def the_run(name: str = "historical_load") -> dg.DagsterRun:
    with open_instance(load_settings()) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name=name))
        return run


def last_metadata(asset: str, partition: str) -> dict[str, object]:
    with open_instance(load_settings()) as instance:
        (record,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition]), limit=1
        ).records
    materialization = record.asset_materialization
    assert materialization is not None
    return {name: value.value for name, value in materialization.metadata.items()}


def test_every_committed_session_is_materialized_exactly_once_and_shows_what_was_loaded(
    command: Command, connection: Connection
) -> None:
    ended = command(*LOAD)

    assert ended.code == 0
    once = [(day, 1) for day in WEEK]
    assert events(connection, "daily_bars") == once
    assert events(connection, "data_coverage") == once
    assert events(connection, "symbols") == once
    shown = last_metadata("daily_bars", "2024-06-26")
    assert shown.keys() == {
        "dagster/row_count",
        "received",
        "rejected",
        "revised",
        "fetched",
        "seconds",
        "sample",
        "query",
        "loaded_by",
    }
    assert shown["rejected"] == 0
    assert shown["received"] == shown["dagster/row_count"]
    assert str(shown["sample"]).startswith("| symbol | open | high |")


def test_every_check_is_recorded_once_for_the_run_and_none_stays_planned(
    command: Command, connection: Connection
) -> None:
    """Dagster alone would leave a planned one for each session: the reason for `event_log`."""
    command(*LOAD)

    recorded = connection.execute(
        "SELECT check_name, partition, execution_status FROM dagster.asset_check_executions"
    ).fetchall()
    assert len(recorded) == len({name for name, *_ in recorded}) > 1
    assert {partition for _, partition, _ in recorded} == {None}
    assert {status for *_, status in recorded} <= {"SUCCEEDED", "FAILED"}


def test_a_session_that_fails_is_left_out_and_the_others_are_loaded(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session=date(2024, 6, 26))

    ended = command(*LOAD)

    assert ended.code == 1
    once = [(day, 1) for day in WEEK if day != "2024-06-26"]
    assert events(connection, "daily_bars") == once
    assert events(connection, "data_coverage") == once
    assert the_run().status is dg.DagsterRunStatus.FAILURE
    assert connection.execute(
        "SELECT date::text, kind, retryable FROM data_fetch_errors WHERE resolved_at IS NULL"
    ).fetchall() == [("2024-06-26", "not_found", False)]


def test_a_session_that_is_not_published_is_said_and_is_no_failure(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_before_end_of_day", session=date(2024, 6, 28))

    ended = command(*LOAD)

    assert ended.code == 0
    assert "2024-06-28: not published yet" in ended.out
    assert [day for day, _ in events(connection, "daily_bars")] == WEEK[:4]
    assert the_run().status is dg.DagsterRunStatus.SUCCESS
    assert connection.execute("SELECT count(*) FROM data_fetch_errors").fetchone() == (0,)


def test_where_nothing_is_committed_no_event_is_recorded(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped")

    command(*LOAD)

    assert events(connection, "daily_bars") == []
    assert events(connection, "data_coverage") == []


def test_a_refused_key_stops_after_the_first_session_and_is_reported_once(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("401_unknown_key")

    ended = command(*LOAD)

    assert ended.code == 1
    assert ended.err.count("Unknown API Key") == 1
    assert connection.execute("SELECT date::text, status FROM session_loads").fetchall() == [
        ("2024-06-24", "failed")
    ]
    assert connection.execute("SELECT count(*) FROM symbols").fetchone() == (0,)


def test_a_failed_discovery_fails_symbols_alone(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="tickers")

    ended = command(*LOAD)

    assert ended.code == 1
    assert events(connection, "symbols") == []
    assert [day for day, _ in events(connection, "daily_bars")] == WEEK
    assert connection.execute("SELECT count(*) FROM universe_snapshots").fetchone() == (0,)


def test_what_a_killed_run_committed_is_recorded_by_the_next_command(
    command: Command, connection: Connection
) -> None:
    command(*LOAD)
    connection.execute("DELETE FROM dagster.event_logs WHERE asset_key IS NOT NULL")
    connection.execute("DELETE FROM dagster.asset_keys")
    connection.execute("DELETE FROM data_coverage")
    connection.execute("UPDATE session_loads SET covered = false")

    ended = command(*LOAD)

    assert ended.code == 0
    assert [day for day, _ in events(connection, "daily_bars")] == WEEK
    assert [day for day, _ in events(connection, "data_coverage")] == WEEK
    assert connection.execute("SELECT max(bar_count) FROM data_coverage").fetchone() == (5,)


def test_what_is_shown_and_not_there_counts_as_missing_again(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    connection.execute("DELETE FROM daily_bars WHERE date = '2024-06-26'")
    connection.execute("DELETE FROM session_loads WHERE date = '2024-06-26'")

    command("historical", "--start", WEEK[0], "--end", WEEK[0])
    shown = [day for day, _ in events(connection, "daily_bars")]
    ended = command(*LOAD)

    assert shown == [day for day in WEEK if day != "2024-06-26"]
    assert ended.code == 0
    for asset in ("daily_bars", "data_coverage"):
        assert events(connection, asset) == [(day, 1) for day in WEEK]
    assert vendor.count("grouped") == 6
