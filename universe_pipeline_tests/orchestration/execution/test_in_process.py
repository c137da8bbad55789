"""Runs from the command line look to the UI like its own."""

import signal

import dagster as dg
import pytest

from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.resources import JudgedResource
from universe_pipeline_tests.support.dagster_records import sessions


def test_a_run_names_its_job_its_sessions_and_the_code_location(
    runs: Runs, instance: dg.DagsterInstance
) -> None:
    one = runs.run("universe_discovery", sessions("2024-06-24"), name="a name")
    range_ = runs.run("universe_discovery", sessions("2024-06-24", "2024-06-27"), name="other")

    first, second = instance.get_run_by_id(one.run_id), instance.get_run_by_id(range_.run_id)
    assert first is not None
    assert second is not None
    assert first.job_name == "universe_discovery"
    assert first.status is dg.DagsterRunStatus.SUCCESS
    assert first.tags["dagster/partition"] == "2024-06-24"
    assert first.tags["universe/job"] == "a name"
    assert first.tags["dagster/max_retries"] == "0"
    assert second.tags["dagster/asset_partition_range_start"] == "2024-06-24"
    assert second.tags["dagster/asset_partition_range_end"] == "2024-06-27"
    assert first.tags[".dagster/repository"] == "__repository__@universe_pipeline"
    origin = first.remote_job_origin
    assert origin is not None
    assert origin.job_name == "universe_discovery"
    assert origin.repository_origin.code_location_origin.location_name == "universe_pipeline"


def test_a_run_that_is_interrupted_before_its_steps_is_known_as_interrupted(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(JudgedResource, "setup_for_execution", interrupt)

    ended = runs.run("historical_load", sessions("2024-06-24"), name="a name")

    assert not ended.success
    assert ended.interrupted
