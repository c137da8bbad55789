"""Deleting Dagster's history, by `prune` and by runs: what is lost by it, and what comes back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.internals import old_events
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.dagster_records import ASSETS, materialized

RANGE = ("historical", "--start", "2024-07-01", "--end", "2024-07-03")
SESSIONS = ["2024-07-01", "2024-07-02", "2024-07-03"]


@pytest.fixture
def loaded(universe: Universe, instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance that shows three loaded sessions."""
    assert universe(*RANGE).returncode == 0
    return instance


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the pages of assets, checks and runs are made of."""
    keys = sorted(build_defs(load_settings()).resolve_asset_graph().asset_check_keys)
    summaries = instance.event_log_storage.get_asset_check_summary_records(keys)
    checks = {key: summaries[key].last_check_execution_record for key in keys}
    return {
        "partitions": {asset: materialized(instance, asset) for asset in ASSETS},
        "latest": {
            asset: instance.get_latest_materialization_event(dg.AssetKey(asset))
            for asset in (*ASSETS, "splits")
        },
        "checks": {key: record and record.event for key, record in checks.items()},
        "runs": {
            record.dagster_run.run_id: (record.dagster_run.status, record.end_time)
            for record in instance.get_run_records()
        },
    }


def events(connection: Connection) -> tuple[int, int]:
    """How many there are, and their bytes."""
    row = connection.execute(
        "SELECT count(*), sum(pg_column_size(event)) FROM dagster.event_logs"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_pruning_old_events_loses_nothing_that_assets_checks_and_lists_of_runs_show(
    loaded: dg.DagsterInstance, connection: Connection, universe: Universe
) -> None:
    before, all_events = shown(loaded), events(connection)
    young = universe("prune")
    connection.execute("UPDATE dagster.event_logs SET timestamp = timestamp - interval '366 days'")
    counted = universe("prune", "--dry-run")
    kept = events(connection)

    old = universe("prune")

    left = events(connection)
    gone = all_events[0] - left[0]
    size = f"({(all_events[1] - left[1]) / 1e6:,.1f} MB)"
    described = f"{gone} events of Dagster older than 365 days {size}"
    assert young.stdout.startswith("deleted 0 events of Dagster older than 365 days (0.0 MB)")
    assert (counted.stdout, kept) == (f"would delete {described}\n", all_events)
    assert old.stdout == f"deleted {described}; runs, partitions and results of checks stay\n"
    assert left[1] < all_events[1] / 2
    assert shown(loaded) == before
    assert any(before["checks"].values())
    assert before["partitions"] == dict.fromkeys(ASSETS, SESSIONS)
    assert universe(*RANGE).returncode == 0
    assert shown(loaded)["partitions"]["daily_bars"] == SESSIONS


CLOSED_AND_OPEN = """
    INSERT INTO data_fetch_errors (dataset, endpoint, kind, message, attempts, retryable,
                                   occurred_at, resolved_at)
    SELECT 'daily_bars', '/v2', 'timeout', 'late', 5, true, at, resolved
    FROM (VALUES (now() - interval '400 days', now() - interval '366 days'),
                 (now() - interval '400 days', now() - interval '364 days'),
                 (now() - interval '400 days', NULL)) AS given (at, resolved);
    INSERT INTO refused_answers (dataset, answered_on, rows, expected, missing, refused_at,
                                 stored_at)
    SELECT 'symbols', '2024-07-01', 1, 9, '{A}', now() - interval '400 days', stored
    FROM (VALUES (now() - interval '366 days'), (now() - interval '367 days'),
                 (now() - interval '364 days'), (NULL)) AS given (stored);
    INSERT INTO bar_revisions (symbol, date, open, high, low, close, volume, source,
                               believed_from, replaced_at)
    SELECT 'A', '2004-07-01', 1, 1, 1, 1, 1, 'grouped', at, at
    FROM (VALUES (now() - interval '9 years')) AS given (at)
    """


def test_pruning_deletes_closed_errors_and_refusals_and_leaves_open_ones_and_revisions(
    connection: Connection, universe: Universe
) -> None:
    connection.execute(CLOSED_AND_OPEN)

    counted = universe("prune", "--dry-run").stdout.splitlines()[1:]
    deleted = universe("prune").stdout.splitlines()[1:]

    described = "1 resolved errors and 2 approved refusals older than 365 days"
    assert counted == [f"would delete {described}; open ones and all revisions stay"]
    assert deleted == [f"deleted {described}; open ones and all revisions stay"]
    left = "SELECT (SELECT count(*) FROM data_fetch_errors), (SELECT count(*) FROM refused_answers)"
    assert connection.execute(left).fetchone() == (2, 2)
    assert connection.execute("SELECT count(*) FROM bar_revisions").fetchone() == (1,)


def test_events_go_in_batches_and_those_of_a_run_that_has_not_ended_stay(
    loaded: dg.DagsterInstance, connection: Connection
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    measured = old_events.measure(connection, tomorrow)
    connection.execute("UPDATE dagster.runs SET status = 'STARTED'")
    while_running = list(old_events.delete(connection, tomorrow))
    connection.execute("UPDATE dagster.runs SET status = 'SUCCESS'")

    batches = list(old_events.delete(connection, tomorrow, batch=7))

    assert while_running == []
    assert measured.count > 7
    assert {each.count for each in batches[:-1]} == {7}
    assert sum(each.count for each in batches) == measured.count
    assert sum(each.bytes for each in batches) == measured.bytes
    assert old_events.measure(connection, tomorrow).count == 0


def test_what_a_failed_run_planned_stays_because_it_makes_failed_partitions(
    loaded: dg.DagsterInstance, connection: Connection
) -> None:
    planned = "SELECT count(*) FROM dagster.event_logs WHERE dagster_event_type ~ 'PLANNED$'"
    before = connection.execute(planned).fetchone()
    connection.execute("UPDATE dagster.runs SET status = 'FAILURE'")

    deleted = list(old_events.delete(connection, datetime.now(UTC) + timedelta(days=1)))

    assert sum(each.count for each in deleted) > 0
    assert connection.execute(planned).fetchone() == before != (0,)


def test_a_database_that_dagster_never_used_has_no_events(connection: Connection) -> None:
    connection.execute("DROP SCHEMA IF EXISTS dagster CASCADE")
    now = datetime.now(UTC)

    assert old_events.measure(connection, now).count == 0
    assert list(old_events.delete(connection, now)) == []


def test_of_deleted_runs_the_sessions_are_shown_again_by_the_next_command(
    loaded: dg.DagsterInstance, universe: Universe
) -> None:
    checks = shown(loaded)["checks"]
    for run in loaded.get_runs():
        loaded.delete_run(run.run_id)
    deleted = shown(loaded)

    assert universe("historical", "--start", "2024-07-03", "--end", "2024-07-03").returncode == 0

    assert not any(deleted["partitions"].values())
    assert deleted["checks"] == checks
    again = shown(loaded)["partitions"]
    assert again["daily_bars"] == again["data_coverage"] == SESSIONS
    assert again["symbols"] == []
