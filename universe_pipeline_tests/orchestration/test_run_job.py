"""Runs of the UI, backfills, schedules and sensors are jobs of `universe status` like commands."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.ledger.load_jobs import Job
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.partitions import tags_of
from universe_pipeline.orchestration.run_job import job_of
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.dagster_records import sessions

WEEK = ("2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28")
WEEK_LOAD = "historical_load_2024-06-24_2024-06-28"


def launched(
    instance: dg.DagsterInstance,
    job: str,
    *days: str,
    config: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """A run of a job over the sessions from the first to the last of `days`, as the UI's."""
    return (
        build_defs(load_settings())
        .resolve_job_def(job)
        .execute_in_process(
            instance=instance,
            tags={**tags_of(sessions(*days)), **(tags or {})},
            run_config={"ops": config or {}},
            raise_on_error=False,
        )
    )


def fetching(*days: str) -> dict[str, Any]:
    return {"daily_bars": {"config": {"fetch": list(days)}}}


def jobs(connection: Connection) -> list[Job]:
    return load_jobs.jobs(connection, machine())


def the_job(connection: Connection) -> Job:
    (job,) = jobs(connection)
    return job


def test_a_range_is_a_job_named_by_its_first_and_last_session(
    instance: dg.DagsterInstance, connection: Connection
) -> None:
    ended = launched(instance, "historical_load", *WEEK)

    job = the_job(connection)
    assert ended.success
    assert (job.name, job.kind, job.status) == (WEEK_LOAD, "historical", "completed")
    assert (job.start, job.end, job.sessions) == (date(2024, 6, 24), date(2024, 6, 28), None)
    assert job.run_id == ended.run_id
    run = instance.get_run_by_id(ended.run_id)
    assert run is not None
    assert run.tags["universe/job"] == WEEK_LOAD


@pytest.mark.parametrize(
    ("job", "assets", "checks", "name"),
    [
        ("__ASSET_JOB", ["daily_bars"], None, "historical_load_2024-06-24_2024-06-24"),
        ("__ASSET_JOB", ["symbols", "data_coverage"], None, None),
        ("__ASSET_JOB", [], [dg.AssetCheckKey(dg.AssetKey("daily_bars"), "x")], None),
        ("historical_load", None, None, "historical_load_2024-06-24_2024-06-24"),
        ("daily_update", None, None, "daily_update_2024-06-24"),
        ("error_retry", None, None, "error_retry_2024-06-24_2024-06-24"),
        ("universe_discovery", None, None, None),
        ("verification", None, None, None),
    ],
)
def test_a_run_is_a_job_if_it_loads_bars(
    job: str, assets: list[str] | None, checks: list[dg.AssetCheckKey] | None, name: str | None
) -> None:
    run = dg.DagsterRun(
        job,
        tags=tags_of(sessions(WEEK[0])),
        asset_selection=None if assets is None else frozenset(map(dg.AssetKey, assets)),
        asset_check_selection=None if checks is None else frozenset(checks),
    )

    found = job_of(run, machine())
    assert (found and found.name) == name


def test_a_run_over_a_session_that_has_not_closed_loads_nothing_and_has_no_job() -> None:
    run = dg.DagsterRun("historical_load", tags=tags_of(sessions(*WEEK)))

    closed = job_of(run, datetime(2024, 6, 28, 21, tzinfo=UTC))
    assert closed is not None
    assert closed.name == WEEK_LOAD
    assert job_of(run, datetime(2024, 6, 25, 21, tzinfo=UTC)) is None
    assert job_of(run, datetime(2024, 6, 24, 12, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("historical_load", "historical_load_2024-06-24_2024-06-24"),
        ("error_retry", "error_retry_2024-06-24_2024-06-24"),
        ("daily_update", "daily_update_2024-06-24"),
    ],
)
def test_the_tag_of_another_runs_job_names_no_job(job: str, name: str) -> None:
    tags = {**tags_of(sessions(WEEK[0])), "universe/job": WEEK_LOAD}

    found = job_of(dg.DagsterRun(job, tags=tags), machine())

    assert found is not None
    assert (found.name, found.sessions) == (name, sessions(WEEK[0]))


@pytest.mark.parametrize(
    "wrong", [{"start": "2024-6-24"}, {"end": "soon"}, {"symbols": ["NUL\0"]}], ids=str
)
def test_a_configuration_that_the_step_refuses_is_of_no_job(wrong: dict[str, Any]) -> None:
    chosen = {"symbols": ["SPY"], "start": "2024-06-24", "end": "2024-06-28", **wrong}
    configuration = {"ops": {"load_chosen_symbols": {"config": chosen}}}

    assert job_of(dg.DagsterRun("symbol_repair", run_config=configuration), machine()) is None


def test_a_job_whose_checkpoint_was_cleared_is_not_completed_by_a_run_that_fetches_nothing(
    instance: dg.DagsterInstance, connection: Connection, command: Command
) -> None:
    launched(instance, "historical_load", *WEEK)
    command("clear-checkpoint", WEEK_LOAD)

    launched(instance, "historical_load", *WEEK)
    skipped = the_job(connection).status
    command("resume")

    assert skipped == "interrupted"
    assert the_job(connection).status == "completed"


def test_a_retry_that_heals_a_range_completes_it(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("empty", endpoint="grouped", session=date(2024, 6, 26))
    launched(instance, "historical_load", *WEEK)
    failed = the_job(connection).status
    vendor.faults.clear()

    launched(instance, "error_retry", WEEK[2], config=fetching(WEEK[2]))

    assert failed == "failed"
    assert {job.name: job.status for job in jobs(connection)} == {
        WEEK_LOAD: "completed",
        "error_retry_2024-06-26_2024-06-26": "completed",
    }


def test_an_update_is_about_its_session_and_what_was_missing_before(
    instance: dg.DagsterInstance, connection: Connection
) -> None:
    launched(instance, "historical_load", *WEEK[:3])
    connection.execute("DELETE FROM load_jobs")

    by_hand = launched(instance, "daily_update", WEEK[3])
    named = {"universe/job": "daily_update_2024-06-28"}
    launched(instance, "daily_update", *WEEK, config=fetching(WEEK[2], WEEK[4]), tags=named)

    first, second = jobs(connection)
    assert (first.name, first.kind) == ("daily_update_2024-06-27", "daily")
    assert (first.sessions, first.run_id) == (sessions(WEEK[3]), by_hand.run_id)
    assert (second.name, second.sessions) == ("daily_update_2024-06-28", sessions(WEEK[4]))
    assert {first.status, second.status} == {"completed"}


def test_a_run_that_fails_is_a_failed_job_with_which_resume_goes_on(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor, command: Command
) -> None:
    vendor.faults.add("empty", endpoint="grouped", session=date(2024, 6, 26))
    run = launched(instance, "historical_load", *WEEK)
    failed = the_job(connection)
    vendor.faults.clear()

    resumed = command("resume")

    assert not run.success
    assert (failed.name, failed.status) == (WEEK_LOAD, "failed")
    assert (failed.run_id, len(failed.processed_dates)) == (run.run_id, 4)
    assert resumed.code == 0
    again = the_job(connection)
    assert (again.name, again.status) == (WEEK_LOAD, "completed")
    assert again.run_id not in (None, run.run_id)


def test_a_reload_of_which_a_request_fails_is_green_and_its_job_failed(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor
) -> None:
    launched(instance, "historical_load", *WEEK)
    vendor.faults.add("400", endpoint="grouped", session=date(2024, 6, 26))

    ended = launched(
        instance, "historical_load", *WEEK, config={"daily_bars": {"config": {"reload": True}}}
    )

    assert ended.success
    assert (the_job(connection).status, the_job(connection).run_id) == ("failed", ended.run_id)


def test_a_retry_that_heals_an_update_completes_it(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("empty", endpoint="grouped", session=date(2024, 6, 28))
    launched(instance, "daily_update", WEEK[4])
    failed = the_job(connection).status
    vendor.faults.clear()

    launched(instance, "error_retry", WEEK[4], config=fetching(WEEK[4]))

    assert failed == "failed"
    assert {job.name: (job.kind, job.status) for job in jobs(connection)} == {
        "daily_update_2024-06-28": ("daily", "completed"),
        "error_retry_2024-06-28_2024-06-28": ("retry", "completed"),
    }


def test_a_repair_is_a_job_on_its_symbols(
    instance: dg.DagsterInstance, connection: Connection
) -> None:
    chosen = {"symbols": ["SPY", "AAPL"], "start": "2024-06-22", "end": "2024-06-28"}
    ended = launched(instance, "symbol_repair", config={"load_chosen_symbols": {"config": chosen}})

    job = the_job(connection)
    assert job.name.startswith("symbol_repair_2024-06-22_2024-06-28_symbols_")
    assert (job.kind, job.status, job.symbols) == ("symbols", "completed", ["AAPL", "SPY"])
    assert (job.start, job.end, job.run_id) == (date(2024, 6, 24), date(2024, 6, 28), ended.run_id)


def test_the_row_of_a_job_on_which_another_process_works_is_left_to_that_one(
    instance: dg.DagsterInstance, connection: Connection, database: Database
) -> None:
    span = (date(2024, 6, 24), date(2024, 6, 28))
    with load_jobs.hold_lock(database, WEEK_LOAD):
        load_jobs.begin_job(connection, WEEK_LOAD, "historical", span, run_id="x", at=machine())

        ended = launched(instance, "historical_load", *WEEK)

        assert ended.success
        assert (the_job(connection).status, the_job(connection).run_id) == ("in_progress", "x")


def test_a_command_records_its_run(command: Command, connection: Connection) -> None:
    command("historical", "--start", WEEK[0], "--end", WEEK[1])

    job = the_job(connection)
    runs = connection.execute(
        "SELECT run_id FROM dagster.runs WHERE pipeline_name = 'historical_load'"
    ).fetchall()
    assert runs == [(job.run_id,)]
