"""A run on Dagster's own three storages, as its Helm chart names them, uses ours."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster_postgres import PostgresEventLogStorage

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.orchestration.internals import fast_storage
from universe_pipeline.orchestration.internals.event_log import UniverseEventLog
from universe_pipeline.orchestration.internals.run_storage import UniverseRunStorage
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.command_in_process import Command

CLASSES = {"run": "Run", "event_log": "EventLog", "schedule": "Schedule"}
CHART = """
{name}_storage:
  module: dagster_postgres
  class: Postgres{title}Storage
  config: {{postgres_url: "{url}"}}
"""


@pytest.fixture
def on_chart(as_user: Callable[[dict[str, str]], None], database: Database, tmp_path: Path) -> None:
    """A user whose instance file is one of the chart's."""
    url = f"{database.url}{'&' if '?' in database.url else '?'}options=-csearch_path=dagster"
    file = tmp_path / "universe" / "dagster" / "dagster.yaml"
    file.parent.mkdir(parents=True)
    parts = [CHART.format(name=name, title=CLASSES[name], url=url) for name in CLASSES]
    file.write_text("".join(parts))
    as_user({})


@pytest.mark.usefixtures("on_chart")
def test_dagsters_own_storages_are_replaced_and_ours_stay() -> None:
    with open_instance(load_settings()) as instance:
        assert type(instance.event_log_storage) is PostgresEventLogStorage

        fast_storage.attach(instance)

        log, runs = instance.event_log_storage, instance.run_storage
        assert isinstance(log, UniverseEventLog)
        assert isinstance(runs, UniverseRunStorage)
        fast_storage.attach(instance)
        assert (instance.event_log_storage, instance.run_storage) == (log, runs)
        assert instance.get_runs_count() == 0
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"


@pytest.mark.usefixtures("on_chart")
def test_a_run_loads_on_them_and_belongs_to_the_charts_location(
    command: Command, database: Database
) -> None:
    load = ("historical", "--start", "2024-07-01", "--end", "2024-07-02")

    ended = command(*load, UNIVERSE_LOCATION="universe-pipeline")

    assert ended.code == 0, ended.err
    assert "2 of 2 sessions loaded" in ended.out
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"  # the run attached ours
    with database.connect() as connection:
        labels = connection.execute(
            "SELECT DISTINCT value FROM dagster.run_tags WHERE key = '.dagster/repository'"
        ).fetchall()
    assert labels == [("__repository__@universe-pipeline",)]
