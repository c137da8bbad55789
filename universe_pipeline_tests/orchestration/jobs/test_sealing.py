"""`sealing`: the job and the sensor that requests it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.jobs.sealing import due_quarters, sealing_sensor
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.clocks import stop_clock

AT = datetime(2024, 7, 10, 22, 0, tzinfo=UTC)
"""A Wednesday evening: with the three trailing ones, sessions from 2024-07-05 on are still open."""

LAST_OF_JUNE, MONDAY = date(2024, 6, 28), date(2024, 7, 8)

Look = Callable[[], Any]


@pytest.fixture
def look(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What the sensor says at AT."""
    stop_clock(monkeypatch, AT)

    def evaluate() -> Any:
        with dg.build_sensor_context(
            instance=instance, resources={"postgres": PostgresResource(given=load_settings())}
        ) as context:
            return sealing_sensor(context)

    return evaluate


def load_long_ago(connection: Connection, *days: date) -> None:
    make_quarters(connection, days)
    for day in days:
        connection.execute(
            "INSERT INTO session_loads (date, status, fetched_at) VALUES (%s, 'loaded', %s)",
            (day, AT - timedelta(days=2)),
        )


def test_it_runs_by_itself() -> None:
    assert sealing_sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_with_nothing_over_it_waits(look: Look, connection: Connection) -> None:
    load_long_ago(connection, MONDAY)

    assert look().skip_message == "every quarter that is over is sealed"


def test_a_quarter_that_is_over_is_sealed_by_the_run_that_is_requested(
    look: Look, connection: Connection, instance: dg.DagsterInstance, database: Database
) -> None:
    load_long_ago(connection, LAST_OF_JUNE, MONDAY)
    requested = look()

    ended = Runs(instance, database, load_settings()).run("sealing", [], name="sealing")

    assert requested.run_key == "daily_bars_2024q2@2024-07-10T22"
    assert ended.success
    assert due_quarters(connection, load_settings(), AT) == []
