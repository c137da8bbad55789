"""Migrations: in order, under a lock, also with two processes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.errors import SchemaTooNewError
from universe_pipeline.domain.tables import COLUMNS

VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"


def test_an_empty_database_is_brought_to_the_newest_step(empty_database: Database) -> None:
    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        assert schema.current_version(connection) == "0003"


def test_head_is_the_newest_step_there_is() -> None:
    steps = sorted(path.name for path in VERSIONS.glob("r*.py"))

    assert steps[-1].startswith(f"r{schema.HEAD}_")


def test_two_that_start_at_once_migrate_once(empty_database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(schema.bring_up_to_date, [empty_database] * 4))

    with empty_database.connect() as connection:
        assert schema.current_version(connection) == "0003"


def test_a_database_of_a_newer_release_is_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE universe_schema_version SET version_num = '9999'")

    with pytest.raises(SchemaTooNewError, match="schema 9999"):
        schema.bring_up_to_date(database)


@pytest.mark.parametrize("table", ["symbols", "daily_bars", "data_coverage", "splits"])
def test_the_catalogue_of_tables_is_the_schema(connection: Connection, table: str) -> None:
    found = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()

    assert found == [(column.name, column.type) for column in COLUMNS[table]]
