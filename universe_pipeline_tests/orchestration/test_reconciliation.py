"""Which runs count as dead: by their lock where they have a process, never where they wait."""

from datetime import timedelta
from uuid import uuid4

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres import clock, liveness
from universe_pipeline.adapters.postgres.clock import database_time
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.orchestration.internals.execution import origin_of
from universe_pipeline.orchestration.internals.names import MAX_RETRIES_TAG
from universe_pipeline.orchestration.reconciliation import dead_runs, report_dead_runs
from universe_pipeline.orchestration.tags import COMMAND_TAG

Status = dg.DagsterRunStatus

WAITING = (Status.QUEUED, Status.NOT_STARTED, Status.STARTING)
AN_HOUR_AGO = "UPDATE dagster.runs SET update_timestamp = update_timestamp - interval '1 hour'"


def add(instance: dg.DagsterInstance, status: Status, **tags: str) -> str:
    job = "historical_load"
    run = dg.DagsterRun(
        job, str(uuid4()), tags=tags, remote_job_origin=origin_of(job, "universe_pipeline")
    )
    instance.add_run(run.with_status(status))
    return run.run_id


def statuses(instance: dg.DagsterInstance, *runs: str) -> list[Status]:
    found = (instance.get_run_by_id(run) for run in runs)
    return [run.status for run in found if run is not None]


def test_the_lock_judges_started_runs_and_leaves_waiting_ones_alone(
    instance: dg.DagsterInstance, connection: Connection, database: Database
) -> None:
    waiting = [add(instance, status) for status in WAITING]
    dead = [add(instance, status) for status in (Status.STARTED, Status.CANCELING)]
    alive = add(instance, Status.STARTED)
    connection.execute(AN_HOUR_AGO)
    just_started = add(instance, Status.STARTED)

    with liveness.hold_lock(database, f"run {alive}"):
        reported = report_dead_runs(instance, connection, database_time(connection))

    assert reported == 2
    assert statuses(instance, *dead) == [Status.FAILURE, Status.CANCELED]
    assert statuses(instance, *waiting) == list(WAITING)
    assert statuses(instance, alive, just_started) == [Status.STARTED] * 2


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTED])
def test_a_commands_run_is_dead_as_soon_as_its_lock_is_free(
    instance: dg.DagsterInstance, connection: Connection, status: Status
) -> None:
    run = add(instance, status, **{COMMAND_TAG: "true"})

    (dead,) = dead_runs(instance, connection, database_time(connection))

    assert dead.run_id == run


def test_only_a_launched_run_whose_process_died_is_run_again(
    instance: dg.DagsterInstance,
) -> None:
    launched = add(instance, Status.STARTED)
    of_command = add(instance, Status.STARTED, **{MAX_RETRIES_TAG: "0"})
    for run in (launched, of_command):
        started = instance.get_run_by_id(run)
        assert started is not None
        instance.report_run_failed(started)

    ended = [instance.get_run_by_id(run) for run in (launched, of_command)]

    assert [run.tags["dagster/will_retry"] for run in ended if run] == ["true", "false"]


def test_while_nothing_launches_runs_a_starting_one_is_dead_too(
    instance: dg.DagsterInstance, connection: Connection
) -> None:
    add(instance, Status.QUEUED)
    starting = add(instance, Status.STARTING)

    (dead,) = dead_runs(instance, connection, database_time(connection), is_launching=False)

    assert dead.run_id == starting


def test_the_time_of_a_run_is_the_databases_to_the_second(
    instance: dg.DagsterInstance, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add(instance, Status.STARTED)
    half_a_minute = timedelta(seconds=30)  # by which this machine would be ahead
    monkeypatch.setattr(clock, "_errors", [half_a_minute])

    before = database_time(connection)
    started = instance.get_run_by_id(run)
    assert started is not None
    instance.report_run_failed(started)

    record = instance.get_run_record_by_id(run)
    assert record is not None
    assert record.end_time is not None
    assert abs(record.end_time - (before - half_a_minute).timestamp()) < 10
