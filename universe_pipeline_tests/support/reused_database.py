"""One migrated database a worker, emptied before each test: making one takes a second a test.

For tests of what stands in the tables. Those that change the schema, the calendar or the
partitions take the `database` of their own instead.
"""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.conftest import on_database

_KEPT = ["nyse_sessions", "universe_types", "universe_schema_version"]

_QUARTERS = [date(2024, month, 1) for month in (4, 7)]

_FILLED = """
    SELECT relname FROM pg_stat_user_tables
    WHERE schemaname = 'public' AND relname <> ALL (%s) AND relname NOT LIKE 'daily_bars_%%'
    """


@pytest.fixture(scope="session")
def reused_database(server_url: str, template: str) -> Generator[Database]:
    """The worker's database, with quarters around 2024-07-10."""
    name = f"reused_{uuid.uuid4().hex}"
    made = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    database = Database(on_database(server_url, name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**made))
        with database.connect() as inside:
            make_quarters(inside, _QUARTERS)
        yield database
        connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**made))


@contextmanager
def emptied(database: Database) -> Generator[psycopg.Connection]:
    """A connection to `database`, which is emptied first; all others are cut."""
    with database.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with connection.transaction():
            for (table,) in connection.execute(_FILLED, (_KEPT,)).fetchall():
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        yield connection


@pytest.fixture
def store(reused_database: Database) -> Generator[psycopg.Connection]:
    """A connection to the worker's database, emptied."""
    with emptied(reused_database) as connection:
        yield connection


@pytest.fixture
def store_database(reused_database: Database, store: psycopg.Connection) -> Database:
    """The worker's database, emptied."""
    return reused_database
