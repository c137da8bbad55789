"""Deleting Dagster's history as docs/operations.md says: what it loses, and what comes back."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.build import definitions
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.dagster_records import ASSETS, materialized

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()
PRUNING = re.findall(r'-c "(DELETE FROM dagster.event_logs .*)"$', OPERATIONS, re.MULTILINE)

RANGE = ("historical", "--start", "2024-07-01", "--end", "2024-07-03")
SESSIONS = ["2024-07-01", "2024-07-02", "2024-07-03"]


@pytest.fixture
def loaded(universe: Universe, instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance that shows three loaded sessions."""
    assert universe(*RANGE).returncode == 0
    return instance


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the pages of assets, checks and runs are made of."""
    keys = sorted(definitions().resolve_asset_graph().asset_check_keys)
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
    (pruning,) = PRUNING
    before, all_events = shown(loaded), events(connection)
    young = universe("psql", "-At", "-c", pruning)
    connection.execute("UPDATE dagster.event_logs SET timestamp = timestamp - interval '366 days'")

    old = universe("psql", "-At", "-c", pruning)

    left = events(connection)
    assert young.stdout == "DELETE 0\n"
    assert old.stdout == f"DELETE {all_events[0] - left[0]}\n"
    assert left[1] < all_events[1] / 2
    assert shown(loaded) == before
    assert any(before["checks"].values())
    assert before["partitions"] == dict.fromkeys(ASSETS, SESSIONS)
    assert universe(*RANGE).returncode == 0
    assert shown(loaded)["partitions"]["daily_bars"] == SESSIONS


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
