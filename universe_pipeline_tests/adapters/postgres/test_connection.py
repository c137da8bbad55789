"""Connections, and addresses that people may see."""

import socket

import pytest
from sqlalchemy import create_engine

from universe_pipeline.adapters.postgres.connecting.application import parsed
from universe_pipeline.adapters.postgres.connecting.engines import url_of
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseUnreachableError


def test_a_database_has_no_password_in_its_repr():
    assert "secret" not in repr(Database("postgresql://me:secret@h/d"))


def test_a_connection_commits_each_statement_and_says_who_it_is(store_database: Database):
    with store_database.connect() as connection:
        name = connection.execute("SHOW application_name").fetchone()

        assert connection.autocommit
        assert name is not None
        assert parsed(name[0]).is_here


def test_a_connection_is_closed_with_its_block(store_database: Database):
    with store_database.connect() as connection:
        pass

    assert connection.closed


def test_an_address_where_nobody_answers_is_one_line_without_the_password():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        database = Database(f"postgresql://me:secret@127.0.0.1:{port}/d")

        with pytest.raises(DatabaseUnreachableError) as refused:
            database.open()

    text = str(refused.value)
    assert text.startswith(f"cannot reach the database at me@127.0.0.1:{port}/d: ")
    assert text.endswith(
        "Start it, or correct UNIVERSE_DATABASE_URL (unset, it means the embedded PostgreSQL)"
    )
    assert "secret" not in text
    assert "\n" not in text


def test_a_database_that_does_not_exist_is_unreachable(store_database: Database):
    missing = store_database.url.replace("/reused_", "/missing_")

    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        Database(missing).open()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://me:secret@127.0.0.1:1/x",
        # Passwords whose special characters were not percent-encoded.
        "postgresql://me:100%secret@127.0.0.1:1/x",
        "postgresql://me:the secret@127.0.0.1:1/x",
        "postgresql://me:the@secret@127.0.0.1:1/x",  # pragma: allowlist secret
        "postgresql://me:the/secret@127.0.0.1:1/x",
        "postgresql://me:the?sec/secret@127.0.0.1:1/x",
    ],
)
def test_a_mistaken_address_is_unreachable_in_one_line_without_the_password(url: str):
    with pytest.raises(DatabaseUnreachableError) as refused:
        Database(url).open()

    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", ["", "?sslmode=disable", "?options=-cwork_mem%3D5MB"])
def test_unqualified_names_are_looked_up_in_the_schema(store_database: Database, suffix: str):
    joined = suffix.replace("?", "&") if "?" in store_database.url else suffix
    database = Database(store_database.url + joined)
    shows = ("SHOW search_path", "SHOW work_mem", "SHOW tcp_keepalives_idle")

    with database.connect() as connection:
        ours = [row[0] for show in shows for row in connection.execute(show).fetchall()]
    with create_engine(url_of(database, "dagster")).connect() as connection:
        dagsters = [connection.exec_driver_sql(show).scalar() for show in shows]

    assert (ours[0], dagsters[0]) == ("public", "dagster")
    assert ours[1:] == dagsters[1:]
    if "work_mem" in suffix:
        assert ours[1] == "5MB"
