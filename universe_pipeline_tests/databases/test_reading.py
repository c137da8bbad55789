"""Commands that read: a role with only SELECT runs them, and the database stays as it is."""

import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from universe_pipeline import read, wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.databases.conftest import PasswordServer
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.older_releases import made_at

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-03")

READING = (
    ("status",),
    ("status", "--json"),
    ("errors",),
    ("errors", "--json"),
    ("url",),
    ("report", "--output", "page.html"),
)

ONE_BEHIND = "0006"


@pytest.fixture(scope="module")
def reader(password_server: PasswordServer) -> str:
    """URL of a role with nothing but SELECT, on a database that another role owns."""
    password_server.owned("owner", "secret", "read")
    password_server.execute("CREATE ROLE reader LOGIN PASSWORD 'secret'")
    password_server.execute(
        "SET ROLE owner",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        database="read",
    )
    return f"postgresql://reader:secret@127.0.0.1:{password_server.port}/read"


@pytest.fixture
def loaded(reader: str, command: Command) -> str:
    """The same, with three loaded sessions."""
    assert command(*LOAD, UNIVERSE_DATABASE_URL=reader.replace("reader", "owner", 1)).code == 0
    return reader


@pytest.fixture
def older(empty_database: Database) -> Generator[Connection]:
    """A connection to a database as the release before made it."""
    with made_at(ONE_BEHIND, empty_database):
        pass  # until here a program of that release
    with empty_database.connect() as connection:
        yield connection


def test_a_role_with_only_select_reads(loaded: str, command: Command) -> None:
    ended = {arguments: command(*arguments, UNIVERSE_DATABASE_URL=loaded) for arguments in READING}

    assert [(one.code, one.err) for one in ended.values()] == [(0, "")] * len(READING)
    assert json.loads(ended["status", "--json"].out)["sessions"]["loaded"] == 3
    assert "Complete from 2024-07-01 to 2024-07-03" in ended["status",].out


def test_a_notebook_of_a_role_with_only_select_reads(loaded: str) -> None:
    with read.connect(loaded) as data:
        assert len(data.session("2024-07-02")) > 100
        assert len(data.symbols()) > 100


def test_a_verification_says_what_a_role_with_only_select_lacks(
    loaded: str, command: Command
) -> None:
    nothing_asked = command("verify", "--start", "2025-01-02", UNIVERSE_DATABASE_URL=loaded)
    ended = command("verify", "--json", UNIVERSE_DATABASE_URL=loaded)

    assert nothing_asked.code == 2
    assert "the last session is 2024-07-03" in nothing_asked.err
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "GRANT USAGE, CREATE ON SCHEMA dagster TO that role" in ended.err


@pytest.mark.parametrize("arguments", [*READING, ("verify",)])
def test_an_older_schema_is_named_and_left_as_it_is(
    older: Connection, empty_database: Database, command: Command, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments, UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"universe: the database has schema {ONE_BEHIND} of an earlier release, and this release "
        f"reads {schema.HEAD}: run `universe up`, or any command that loads, to migrate it\n"
    )
    assert schema.current_version(older) == ONE_BEHIND


def test_psql_names_an_older_schema_too(
    older: Connection, empty_database: Database, universe: Universe
) -> None:
    chosen = {"UNIVERSE_DATABASE_URL": empty_database.url}

    ended = universe("psql", "-c", "SELECT 1", env=chosen)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"schema {ONE_BEHIND}" in ended.stderr
    assert schema.current_version(older) == ONE_BEHIND


def test_psql_writes_what_a_person_asks_for(universe: Universe) -> None:
    ended = universe("psql", "-c", "CREATE TABLE notes ()")

    assert (ended.returncode, ended.stdout) == (0, "CREATE TABLE\n")


def test_a_newer_schema_is_refused(connection: Connection, command: Command) -> None:
    connection.execute("UPDATE universe_schema_version SET version_num = '9999'")

    ended = command("status")

    assert ended.code == 1
    assert "migrated by a newer release (schema 9999)" in ended.err


def test_a_database_that_was_never_used_reads_as_empty(
    empty_database: Database, command: Command
) -> None:
    ended = command("status", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.err) == (0, "")
    assert "none asked for yet" in ended.out


def test_moments_of_the_future_stay_until_something_loads(
    database: Database, connection: Connection, command: Command
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    connection.execute(
        "INSERT INTO session_loads (date, status, received, stored, fetched_at)"
        " VALUES ('2024-07-01', 'loaded', 0, 0, %s)",
        (ahead,),
    )

    for arguments in READING:
        assert command(*arguments).code == 0

    found = connection.execute("SELECT fetched_at FROM session_loads").fetchone()
    assert found == (ahead,)
    assert command(*LOAD).code == 0
    assert connection.execute(
        "SELECT count(*) FROM session_loads WHERE fetched_at > now()"
    ).fetchone() == (0,)


def test_the_server_refuses_what_a_connection_for_reading_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIVERSE_DATABASE_URL", database.url)
    opened = wiring.open_for_reading(load_settings())

    with (
        opened.open() as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("DELETE FROM symbols")
