"""What failed and may go well later is asked for again, at growing distances."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.jobs.sensors import distance, error_retry_sensor
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.dagster_records import materialized, metadata, sessions

AT = datetime(2024, 7, 10, 22, 0, tzinfo=UTC)

Look = Callable[[], list[Any]]


@pytest.fixture
def look(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What the sensor says at AT."""
    stop_clock(monkeypatch, AT)

    def evaluate() -> list[Any]:
        with dg.build_sensor_context(
            instance=instance, resources={"postgres": PostgresResource(given=load_settings())}
        ) as context:
            answer: Any = error_retry_sensor(context)
            return list(answer)

    return evaluate


def fail(
    connection: Connection,
    minutes_ago: int,
    day: str | None = None,
    symbol: str | None = None,
    *,
    retryable: bool = True,
    dataset: str = "symbols",
) -> None:
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, symbol, date, kind, message, attempts, retryable, occurred_at)"
        " VALUES (%s, 'x', %s, %s, 'timeout', 'x', 6, %s, %s)",
        (dataset, symbol, day, retryable, AT - timedelta(minutes=minutes_ago)),
    )


def skipped(answers: list[Any]) -> str:
    (answer,) = answers
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message is not None
    return answer.skip_message


def fetched(answers: list[Any]) -> list[str]:
    (answer,) = answers
    assert answer.job_name == "error_retry"
    return answer.run_config["ops"]["daily_bars"]["config"]["fetch"]


def test_the_distances_grow_from_ten_minutes_to_a_day() -> None:
    minutes = [distance(rounds) / timedelta(minutes=1) for rounds in (1, 2, 3, 8, 9, 500)]

    assert minutes == [10, 20, 40, 1280, 1440, 1440]


def test_it_runs_by_itself() -> None:
    assert error_retry_sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_with_nothing_failed_it_waits(look: Look) -> None:
    assert skipped(look()) == "nothing that failed may go well later"


def test_sessions_are_asked_for_again_when_they_are_due(look: Look, connection: Connection) -> None:
    fail(connection, 11, "2024-07-08")
    fail(connection, 9, "2024-07-09")
    for minutes in (500, 400, 39):
        fail(connection, minutes, "2024-07-02")
    for minutes in (500, 400, 41):
        fail(connection, minutes, "2024-07-01")

    assert fetched(look()) == ["2024-07-01", "2024-07-08"]


def test_before_the_first_is_due_it_says_when_that_is(look: Look, connection: Connection) -> None:
    fail(connection, 9, "2024-07-09")

    assert skipped(look()) == "1 failures wait; the next one is due at 2024-07-10 22:01 UTC"


def test_what_failed_for_good_is_left_to_retry(look: Look, connection: Connection) -> None:
    fail(connection, 600, "2024-07-08")
    fail(connection, 500, "2024-07-08", retryable=False)

    assert skipped(look()) == "nothing that failed may go well later"


def test_what_was_loaded_meanwhile_is_forgotten(look: Look, connection: Connection) -> None:
    fail(connection, 600, "2024-07-08")
    connection.execute("UPDATE data_fetch_errors SET resolved_at = now()")

    assert skipped(look()) == "nothing that failed may go well later"


def test_symbols_are_repaired_over_what_failed_of_each(look: Look, connection: Connection) -> None:
    fail(connection, 600, "2024-07-08", "MSFT")
    fail(connection, 600, "2024-06-03", "AAPL")
    fail(connection, 600, "2024-06-03", "SPY")
    connection.execute("UPDATE data_fetch_errors SET until = '2024-06-07' WHERE symbol <> 'MSFT'")

    answers = look()

    assert {answer.job_name for answer in answers} == {"symbol_repair"}
    assert [answer.run_config["ops"]["load_chosen_symbols"]["config"] for answer in answers] == [
        {"symbols": ["AAPL", "SPY"], "start": "2024-06-03", "end": "2024-06-07"},
        {"symbols": ["MSFT"], "start": "2024-07-08", "end": "2024-07-10"},  # of an older release
    ]


def test_symbols_that_failed_over_many_ranges_are_repaired_in_one_run(
    look: Look, connection: Connection
) -> None:
    for number in range(11):
        fail(connection, 600, f"2024-06-{number + 10}", f"S{number:02}")

    (answer,) = look()

    assert answer.run_config["ops"]["load_chosen_symbols"]["config"] == {
        "symbols": [f"S{number:02}" for number in range(11)],
        "start": "2024-06-10",
        "end": "2024-07-10",
    }


def test_the_reference_lists_are_discovered_again(look: Look, connection: Connection) -> None:
    fail(connection, 600)

    (answer,) = look()

    assert answer.job_name == "universe_discovery"
    assert answer.tags["dagster/partition"] == "2024-07-10"
    assert answer.run_config["ops"] == {"symbols": {"config": {"force_refresh": True}}}


def test_splits_are_asked_for_again_whatever_became_of_the_reference_lists(
    look: Look, connection: Connection
) -> None:
    fail(connection, 600, retryable=False)
    fail(connection, 600, dataset="splits")

    (answer,) = look()

    assert answer.job_name == "universe_discovery"
    assert answer.run_config["ops"] == {"splits": {"config": {"force_refresh": True}}}


def test_while_a_retry_runs_no_second_one_starts(
    look: Look, connection: Connection, instance: dg.DagsterInstance, database: Database
) -> None:
    fail(connection, 600, "2024-07-08")
    tags = {"universe/command_line": "true"}
    run = dg.DagsterRun("error_retry", "00000000-0000-0000-0000-000000000002", tags=tags)
    instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))

    with liveness.hold_lock(database, f"run {run.run_id}"):
        assert skipped(look()) == "an earlier retry is still running"
    assert fetched(look()) == ["2024-07-08"]


def test_a_commands_run_that_the_ui_executes_again_has_time_to_start(
    look: Look, instance: dg.DagsterInstance
) -> None:
    first, again = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
    tags = {"universe/command_line": "true"}
    run = dg.DagsterRun("error_retry", again, tags=tags, root_run_id=first, parent_run_id=first)
    instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))

    look()

    found = instance.get_run_by_id(again)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.STARTED


def test_while_nothing_runs_it_makes_good_for_runs_that_did_not_come_to_their_coverage(
    look: Look, runs: Runs, connection: Connection, instance: dg.DagsterInstance, database: Database
) -> None:
    days = ["2024-07-08", "2024-07-09"]
    runs.run("historical_load", sessions(*days), name="by hand")
    connection.execute("DELETE FROM dagster.event_logs WHERE asset_key = '[\"data_coverage\"]'")
    connection.execute("UPDATE session_loads SET covered = false")
    connection.execute("DELETE FROM data_coverage")
    tags = {"universe/command_line": "true"}
    other = dg.DagsterRun("historical_load", "00000000-0000-0000-0000-000000000002", tags=tags)
    instance.add_run(other.with_status(dg.DagsterRunStatus.STARTED))

    with liveness.hold_lock(database, f"run {other.run_id}"):
        look()
    meanwhile = materialized(instance, "data_coverage")
    look()

    assert meanwhile == []
    assert materialized(instance, "data_coverage") == days
    shown = metadata(instance, "data_coverage", "2024-07-09")
    assert shown == {"bars": shown["bars"], "status": "loaded", "reconciled": True}
    covered = connection.execute("SELECT bar_count FROM data_coverage WHERE symbol = 'SPY'")
    assert covered.fetchall() == [(2,)]


def test_without_a_key_it_makes_good_and_asks_for_nothing(
    look: Look,
    as_user: Callable[[dict[str, str]], None],
    connection: Connection,
    instance: dg.DagsterInstance,
) -> None:
    fail(connection, 600, "2024-07-08")
    run = dg.DagsterRun(
        "historical_load",
        "00000000-0000-0000-0000-000000000002",
        tags={"universe/command_line": "true"},
    )
    instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))
    as_user({"POLYGON_API_KEY": ""})

    assert "POLYGON_API_KEY" in skipped(look())
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
