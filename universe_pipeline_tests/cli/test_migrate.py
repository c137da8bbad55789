"""`migrate`: both schemas, for what starts before any other process."""

from pathlib import Path

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.schema import HEAD, current_version
from universe_pipeline.orchestration.execution.instance import DAGSTER_HEAD
from universe_pipeline_tests.support.command_in_process import Command


def test_an_empty_database_gets_both_schemas_and_no_folder_is_made(
    command: Command, empty_database: Database, tmp_path: Path
) -> None:
    ended = command("migrate", UNIVERSE_DATABASE_URL=empty_database.url)
    again = command("migrate", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, again.code) == (0, 0), ended.err + again.err
    assert f"schema public at {HEAD}, schema dagster at {DAGSTER_HEAD}" in ended.out
    with psycopg.connect(empty_database.url) as connection:
        assert current_version(connection) == HEAD
        rows = connection.execute("SELECT version_num FROM dagster.alembic_version").fetchall()
    assert rows == [(DAGSTER_HEAD,)]
    assert not (tmp_path / "universe" / "dagster").exists()


def test_a_database_of_a_newer_release_is_left_as_it_is(
    command: Command, database: Database
) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("UPDATE universe_schema_version SET version_num = '9999'")

    ended = command("migrate")

    assert ended.code == 1
    assert "was migrated by a newer release (schema 9999)" in ended.err


def test_a_database_that_cannot_be_reached_is_one_line(command: Command) -> None:
    ended = command("migrate", UNIVERSE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert ended.code == 1
    assert ended.err.count("\n") == 1
