"""Connections, and addresses that people may see."""

import socket
from contextlib import closing

import psycopg
import pytest

from universe_pipeline.adapters.postgres.application import parsed
from universe_pipeline.adapters.postgres.connection import (
    Database,
    for_session,
    shown,
    without_password,
)
from universe_pipeline.domain.errors import DatabaseUnreachableError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://me:secret@db.example:5433/bars", "me@db.example:5433/bars"),
        ("postgresql://me:s%40%2Fcret@db.example/bars", "me@db.example/bars"),
        ("postgresql://db.example/bars?user=me&password=secret", "me@db.example/bars"),
        ("host=db.example dbname=bars user=me password=secret", "me@db.example/bars"),
        ("postgresql://me:secret@/bars?host=/var/run/pg", "me@/var/run/pg/bars"),
        ("postgresql://", "@localhost/"),
    ],
)
def test_an_address_is_shown_without_the_password(url: str, address: str):
    assert shown(url) == address


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql://me:s%40cret@h:5433/bars", "user=me host=h port=5433 dbname=bars", "s@cret"),
        ("postgresql://me@/bars?host=/run/pg&password=x", "user=me host=/run/pg dbname=bars", "x"),
        ("postgresql://me@h/bars?sslmode=allow", "user=me host=h dbname=bars sslmode=allow", None),
    ],
)
def test_a_password_is_taken_out_of_an_address(url: str, address: str, password: str | None):
    rest, apart = without_password(url)

    assert (set(rest.split()), apart) == (set(address.split()), password)


@pytest.mark.parametrize("url", ["mysql://me:secret@x", "secret", "postgresql://[::1:secret"])
def test_an_unreadable_address_is_not_shown_at_all(url: str):
    assert shown(url) == "UNIVERSE_DATABASE_URL (not a readable postgresql:// address)"


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
        "postgresql://me:the:secret@127.0.0.1:1/x",
        "postgresql://me:the#secret@127.0.0.1:1/x",
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
    url = for_session(store_database.url + joined, "dagster")

    ours = Database(store_database.url + joined).open()
    for connection, schema in ((psycopg.connect(url), "dagster"), (ours, "public")):
        with closing(connection):
            assert connection.execute("SHOW search_path").fetchone() == (schema,)
            if "work_mem" in suffix:
                assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)
