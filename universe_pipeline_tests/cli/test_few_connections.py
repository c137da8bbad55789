"""How many connections a command needs, and a server that has fewer."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.conftest import Universe

DAY = "2024-07-09"


@pytest.fixture
def few(empty_database: Database) -> Iterator[Database]:
    """A database whose owner may have few connections; at first as many as it likes."""
    role = f"few_{urlsplit(empty_database.url).path[-8:]}"
    name = {"role": sql.Identifier(role)}
    with empty_database.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {role} LOGIN PASSWORD 'few'").format(**name))
        database = sql.Identifier(urlsplit(empty_database.url).path[1:])
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {role}").format(database, **name))
        yield Database(_as(role, empty_database.url))
        connection.execute(sql.SQL("DROP OWNED BY {role} CASCADE").format(**name))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
        connection.execute(sql.SQL("DROP ROLE {role}").format(**name))


def _as(role: str, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:few@{parts.netloc.rpartition('@')[2]}"))


def limit(few: Database, owner: Database, connections: int) -> None:
    role = sql.Identifier(urlsplit(few.url).username or "")
    with owner.connect() as connection:
        query = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(role, connections)
        connection.execute(query)


def test_too_few_connections_are_one_line_and_nothing_is_half_done(
    universe: Universe, few: Database, empty_database: Database
) -> None:
    env = {"UNIVERSE_DATABASE_URL": few.url}
    load = ("historical", "--start", DAY, "--end", DAY)
    assert universe("status", env=env).returncode == 0
    for connections in (0, 1, 3):
        limit(few, empty_database, connections)

        ended = universe(*load, env=env)

        assert ended.returncode == 1
        *begun, line = ended.stderr.splitlines()
        assert "too many connections for role" in line
        assert begun in ([], [f"1 session to fetch ({DAY}), unpaced"])
    limit(few, empty_database, 10)
    assert universe(*load, env=env).returncode == 0


@pytest.mark.parametrize("command", ["status", "errors"])
def test_a_reading_command_connects_once(
    universe: Universe, empty_database: Database, command: str
) -> None:
    env = {"UNIVERSE_DATABASE_URL": empty_database.url}
    universe("status", env=env)  # migrates
    before = sessions(empty_database)

    assert universe(command, env=env).returncode == 0

    assert sessions(empty_database) == before + 2  # with that of the first look here


def sessions(database: Database) -> int:
    """Sessions that the database has had; each is counted at the latest when it ends."""
    time.sleep(0.5)
    with database.connect() as connection:
        row = connection.execute(
            "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return row[0]
