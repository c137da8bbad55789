"""Checks for which a run has nothing to judge: no false green, no complaint, the last verdict."""

from collections.abc import Callable, Sequence

import dagster as dg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.checks.evaluation import AGREES_WITH_VENDOR
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.dagster_records import sessions

WEEK = ("2024-06-24", "2024-06-25", "2024-06-26")
SAMPLE = {"sample_checks": {"size": 2}}
CHECK = dg.AssetCheckKey(daily_bars.key, AGREES_WITH_VENDOR.name)


def check_results(instance: dg.DagsterInstance) -> Sequence[tuple[str, str]]:
    """What the UI knows of the comparison with the vendor, newest first: run and status."""
    history = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=10)
    return [(record.run_id, record.status.value) for record in history]


def test_a_run_without_a_sample_keeps_the_last_comparison_and_complains_of_nothing(
    instance: dg.DagsterInstance, runs: Runs
) -> None:
    runs.run("historical_load", sessions(*WEEK), name="load")
    compared = runs.run("verification", [], name="weekly", config=SAMPLE)
    before = check_results(instance)

    ended = runs.run("verification", [], name="plain")

    assert before == [(compared.run_id, "SUCCEEDED")]
    assert check_results(instance) == before
    assert AGREES_WITH_VENDOR.name not in {one.check for one in ended.check_results}
    said = [log.user_message for log in instance.all_logs(ended.run_id)]
    assert [text for text in said if "did not yield" in text] == []


def test_without_a_key_the_comparison_keeps_its_last_verdict_too(
    instance: dg.DagsterInstance,
    database: Database,
    runs: Runs,
    as_user: Callable[[dict[str, str]], None],
) -> None:
    runs.run("historical_load", sessions(*WEEK), name="load")
    as_user({"POLYGON_API_KEY": ""})

    without_key = Runs(instance, database, load_settings())
    ended = without_key.run("verification", [], name="weekly", config=SAMPLE)

    assert ended.success
    assert check_results(instance) == []
