"""The alert sensor, as Dagster evaluates it: runs and ticks that failed, and what is sent."""

import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.alerts import Condition, Kind
from universe_pipeline.monitoring.conditions import conditions
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.jobs.alerts import alert_sensor
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.dagster_records import sessions
from universe_pipeline_tests.support.receivers import Webhook, webhook

AT = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)

Look = Callable[[Kind], list[Condition]]


@pytest.fixture
def hook() -> Generator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def look(instance: dg.DagsterInstance, connection: Connection) -> Look:
    """The conditions of a kind."""

    def of(kind: Kind) -> list[Condition]:
        found = conditions(connection, wiring.alert_scope(load_settings()), AT)
        return [one for one in found if one.kind is kind]

    return of


def run(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    number: int,
    job: str = "daily_update",
    **tags: str,
) -> str:
    """A run that has ended so; its id."""
    named = {name.replace("__", "/"): value for name, value in tags.items()}
    made = dg.DagsterRun(job, f"00000000-0000-0000-0000-{number:012}", tags=named)
    instance.add_run(made.with_status(status))
    return made.run_id


FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


def fail(connection: Connection, run_id: str, *, retryable: bool, kind: str = "timeout") -> None:
    connection.execute(
        "INSERT INTO data_fetch_errors (dataset, endpoint, date, kind, message, attempts,"
        " retryable, run_id, occurred_at)"
        " VALUES ('daily_bars', 'x', '2024-07-09', %s, 'too slow', 6, %s, %s, %s)",
        (kind, retryable, run_id, AT),
    )


def test_a_failed_run_is_an_alert_until_the_same_succeeds(
    look: Look, instance: dg.DagsterInstance
) -> None:
    run(instance, SUCCESS, 1)
    failed = run(instance, FAILURE, 2, universe__job="daily_update_2024-07-09")
    run(instance, SUCCESS, 3, "verification")

    (found,) = look(Kind.RUN_FAILED)

    assert found.key == "run_failed daily_update"
    assert found.text.startswith("daily_update_2024-07-09 failed at ")
    assert (found.repair, found.page) == ("universe daily", f"/runs/{failed}")
    run(instance, SUCCESS, 4)
    assert look(Kind.RUN_FAILED) == []


def test_loads_of_ranges_are_repeated_by_runs_on_the_same_range_only(
    look: Look, instance: dg.DagsterInstance, connection: Connection
) -> None:
    for number in (1, 2, 3):
        run(instance, FAILURE, number, "historical_load", universe__job=f"range {number}")
    run(instance, SUCCESS, 4, "historical_load", universe__job="range 2")

    (found,) = look(Kind.RUN_FAILED)

    assert found.text.startswith("range 3 failed at ")
    assert " (and 1 more of its runs): " in found.text
    assert (found.repair, found.level) == ("universe resume range 3", 2)
    connection.execute(
        "INSERT INTO load_jobs (name, kind, start_date, end_date, status, started_at, last_updated)"
        " SELECT 'range ' || n, 'historical', '2024-07-01', '2024-07-09', 'completed', now(), now()"
        " FROM unnest(ARRAY[1, 3]) AS n"
    )
    assert look(Kind.RUN_FAILED) == []


def test_a_run_that_is_tried_again_by_itself_is_no_alert(
    look: Look, instance: dg.DagsterInstance, connection: Connection
) -> None:
    run(instance, FAILURE, 1, "historical_load", dagster__will_retry="true")
    fail(connection, run(instance, FAILURE, 2), retryable=True)
    refused = run(instance, FAILURE, 3, "error_retry")
    fail(connection, refused, retryable=False, kind="unauthorized")

    assert look(Kind.RUN_FAILED) == []


def test_a_run_that_failed_for_good_is_an_alert_until_its_requests_succeed(
    look: Look, instance: dg.DagsterInstance, connection: Connection
) -> None:
    run(instance, FAILURE, 1)
    again = run(instance, FAILURE, 2)
    fail(connection, again, retryable=True)
    fail(connection, again, retryable=False, kind="bad_request")

    (found,) = look(Kind.RUN_FAILED)

    assert found.text.endswith(": too slow")
    assert found.page == f"/runs/{again}"
    connection.execute("UPDATE data_fetch_errors SET resolved_at = now()")
    assert look(Kind.RUN_FAILED) == []


def test_a_failed_tick_is_an_alert_until_the_next_one(
    look: Look,
    instance: dg.DagsterInstance,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.execute(
        "INSERT INTO dagster.instigators (selector_id, status, instigator_type, instigator_body)"
        " VALUES ('s', 'DECLARED_IN_CODE', 'SENSOR', '{}')"
    )

    def tick(status: str, minutes: int) -> None:
        at = AT + timedelta(minutes=minutes)
        error = {"message": "ValueError: wrong \0 \udcff \\u0000\n", "cause": None}
        body = {"job_name": "sealing_sensor", "timestamp": at.timestamp(), "error": error}
        connection.execute(
            "INSERT INTO dagster.job_ticks (job_origin_id, selector_id, status, type, timestamp,"
            " tick_body) VALUES ('o', 's', %s, 'SENSOR', %s, %s)",
            (status, at, json.dumps(body)),
        )

    tick("FAILURE", -2)
    tick("STARTED", -1)

    (found,) = look(Kind.TICK_FAILED)

    assert found.text == (
        "the sensor sealing_sensor failed at 2024-07-10 15:58 UTC: "
        r"ValueError: wrong ? ? \u0000"
    )
    assert found.page == "/locations/universe_pipeline/sensors/sealing_sensor"
    monkeypatch.setenv("UNIVERSE_LOCATION", "fleet")
    assert [one.page for one in look(Kind.TICK_FAILED)] == [
        "/locations/fleet/sensors/sealing_sensor"
    ]
    tick("SKIPPED", 0)
    assert look(Kind.TICK_FAILED) == []


def test_the_definitions_have_the_sensor_and_dagster_sends_by_it(
    runs: Runs,
    instance: dg.DagsterInstance,
    database: Database,
    hook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNIVERSE_ALERT_URL", hook.url)
    monkeypatch.setenv("UNIVERSE_HEARTBEAT_URL", hook.url)
    monkeypatch.setenv("UNIVERSE_PAGE_ORIGIN", "https://d.example.com")
    repository = build_defs(load_settings()).get_repository_def()
    resources = {"postgres": repository.get_top_level_resources()["postgres"]}

    def tick(at: datetime) -> str | None:
        stop_clock(monkeypatch, at)
        sensor = repository.get_sensor_def("alert_sensor")
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            return sensor.evaluate_tick(context).skip_message

    monkeypatch.setenv("POLYGON_API_KEY", "")
    stop_clock(monkeypatch, AT - timedelta(hours=1))
    broken = Runs(instance, database, load_settings())
    assert not broken.run("daily_update", sessions("2024-07-08"), name="by hand").success
    assert tick(AT) == "open alerts: 1, messages sent: 2"
    assert tick(AT + timedelta(minutes=1)) == "open alerts: 1, messages sent: 0"
    runs.run("daily_update", sessions("2024-07-08", "2024-07-09"), name="by hand")
    evening = "the evening of 2024-07-09 was reported as good"
    assert tick(AT + timedelta(hours=1)) == f"open alerts: 0, messages sent: 2; {evening}"
    assert tick(AT + timedelta(hours=2)) == "open alerts: 0, messages sent: 0"

    assert alert_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert [method for method, _, _ in hook.requests] == ["POST", "POST", "GET"]
    opened, ended = (json.loads(body)["text"].splitlines() for _, _, body in hook.requests[:2])
    assert opened[0].startswith("universe: ERROR run_failed daily_update: by hand failed at ")
    assert ": POLYGON_API_KEY is not set in the environment" in opened[0]
    assert opened[2] == "repair: universe daily"
    assert opened[3].startswith("https://d.example.com/runs/")
    assert ended[0] == opened[0].replace("universe: ", "universe: resolved: ")
