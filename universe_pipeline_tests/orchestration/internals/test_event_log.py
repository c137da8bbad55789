"""Our event log against Dagster's own: the same rows, by fewer statements."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import event as events

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline_tests.support.dagster_records import sessions

WEEK = sessions("2024-06-24", "2024-06-25", "2024-06-26")

TABLES = {
    "event_logs": "dagster_event_type, step_key, asset_key, partition, timestamp, event::json",
    "asset_event_tags": "asset_key, key, value, event_timestamp",
    "asset_keys": "asset_key, last_materialization::json, last_run_id, asset_details,"
    " last_materialization_timestamp",
    "asset_check_executions": "asset_key, check_name, partition, execution_status,"
    " evaluation_event::json, evaluation_event_timestamp, evaluation_event_storage_id",
}
"""What events leave behind."""


@pytest.fixture
def log(instance: dg.DagsterInstance) -> Any:
    """The instance's event log."""
    return instance.event_log_storage


@contextmanager
def statements(log: Any) -> Generator[list[str]]:
    """The statements that the log sends in the block."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    events.listen(log._engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        events.remove(log._engine, "before_cursor_execute", note)


def of_a_run(instance: dg.DagsterInstance, runs: Runs) -> Sequence[dg.EventLogEntry]:
    """The events of a load, as they came."""
    ended = runs.run("historical_load", WEEK, name="load")
    return instance.all_logs(ended.run_id)


def left_behind(connection: Connection) -> dict[str, list[str]]:
    """What the tables hold; empties them."""
    found = {
        table: [
            str(row)
            for row in connection.execute(
                f"SELECT {columns} FROM dagster.{table} ORDER BY id".encode()
            )
        ]
        for table, columns in TABLES.items()
    }
    named = ", ".join(f"dagster.{table}" for table in TABLES)
    connection.execute(f"TRUNCATE {named} RESTART IDENTITY".encode())
    return found


def is_planned_check(entry: dg.EventLogEntry) -> bool:
    """Whether we record it otherwise on purpose: once, not for each partition."""
    return entry.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED


def test_events_leave_behind_what_dagsters_own_log_leaves(
    instance: dg.DagsterInstance, runs: Runs, log: Any, connection: Connection
) -> None:
    happened = [entry for entry in of_a_run(instance, runs) if not is_planned_check(entry)]
    left_behind(connection)
    for entry in happened:
        PostgresEventLogStorage.store_event(log, entry)
    by_dagster = left_behind(connection)

    for entry in happened:
        log.store_event(entry)

    assert left_behind(connection) == by_dagster
    assert all(by_dagster.values())


def test_a_batch_leaves_behind_what_its_events_leave_one_by_one(
    instance: dg.DagsterInstance, runs: Runs, log: Any, connection: Connection
) -> None:
    happened = [entry for entry in of_a_run(instance, runs) if entry.dagster_event]
    left_behind(connection)
    for entry in happened:
        log.store_event(entry)
    one_by_one = left_behind(connection)

    log.store_event_batch(happened)

    assert left_behind(connection) == one_by_one


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (dg.DagsterEventType.STEP_START, 1),
        (dg.DagsterEventType.ASSET_CHECK_EVALUATION, 2),
        (dg.DagsterEventType.ASSET_MATERIALIZATION, 3),
    ],
)
def test_an_event_is_stored_by_so_few_statements(
    instance: dg.DagsterInstance, runs: Runs, log: Any, kind: dg.DagsterEventType, most: int
) -> None:
    """Dagster's own way takes 2, 4 and 11."""
    entry = next(one for one in of_a_run(instance, runs) if one.dagster_event_type is kind)

    with statements(log) as sent:
        log.store_event(entry)

    assert len(sent) <= most


def test_what_a_run_plans_is_stored_by_few_statements(
    instance: dg.DagsterInstance, runs: Runs, log: Any
) -> None:
    """Of 6 assets, 3 of them in 3 sessions, and all checks."""
    planned = [
        entry
        for entry in of_a_run(instance, runs)
        if entry.dagster_event and entry.dagster_event.event_type_value.endswith("PLANNED")
    ]

    with statements(log) as sent:
        log.store_event_batch(planned)

    assert len(planned) > 20
    assert len(sent) <= 1 + 6 + 1


def test_tables_and_columns_that_are_there_are_looked_for_once(
    instance: dg.DagsterInstance, log: Any
) -> None:
    runs: Any = instance.run_storage

    def look() -> None:
        log.has_asset_key_index_cols()
        log.has_table("event_logs")
        runs.has_run_stats_index_cols()
        runs.has_backfill_id_column()

    look()

    with statements(log) as sent:
        look()

    assert sent == []


def test_a_table_that_is_missing_is_looked_for_again(log: Any, connection: Connection) -> None:
    assert not log.has_table("later")
    connection.execute("CREATE TABLE dagster.later ()")

    assert log.has_table("later")
