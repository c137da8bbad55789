"""Attaching to the embedded server, its address, and stopping it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
import sqlalchemy

from universe_pipeline.adapters.embedded_postgres.attachment import (
    EmbeddedServer,
    attach,
    psql_binary,
    stop,
)
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline_tests.support.embedded_homes import (
    as_ordinary_user,
    attached_process,
    fresh_home,
    ordinary_user,
    postmasters,
    processes,
    refusal,
    until_ended,
    url_of,
)

STARTED_AT = "SELECT pg_postmaster_start_time()::text"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with fresh_home() as place:
        yield place


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    with attach(home) as attached:
        yield attached


def value_of(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("max_connections", "100"),
        ("max_wal_size", "2GB"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
    ],
)
def test_a_new_server_is_durable_and_private(
    server: EmbeddedServer, setting: str, value: str
) -> None:
    assert value_of(server.url, f"SHOW {setting}") == value


def test_it_is_postgresql_18_with_the_builtin_locale(server: EmbeddedServer) -> None:
    query = (
        "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database "
        "WHERE datname = current_database()"
    )

    assert value_of(server.url, query) == "b C.UTF-8"
    assert str(value_of(server.url, "SHOW server_version")).startswith("18.")


def test_the_socket_and_the_data_are_closed_to_others(server: EmbeddedServer) -> None:
    sockets = list(server.folder.glob("socket-*"))

    assert [path.stat().st_mode & 0o777 for path in sockets] == [0o700]
    assert (server.folder / "data").stat().st_mode & 0o777 == 0o700
    assert (server.folder / "log" / "server.log").stat().st_mode & 0o777 == 0o600


def test_the_url_suits_every_driver_even_where_pgport_is_set(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    answers: list[object] = [value_of(server.url, "SELECT 41 + 1")]
    for dialect in ("postgresql", "postgresql+psycopg"):
        engine = sqlalchemy.create_engine(server.url.replace("postgresql", dialect, 1))
        with engine.connect() as connection:
            answers.append(connection.execute(sqlalchemy.text("SELECT 41 + 1")).scalar())
        engine.dispose()
    psql = [psql_binary(), "-X", "-At", server.url, "-c", "SELECT 41 + 1"]
    answers.append(int(subprocess.run(psql, capture_output=True, check=True).stdout))

    assert answers == [42, 42, 42, 42]


def test_a_second_attach_joins_the_running_server(home: Path, server: EmbeddedServer) -> None:
    with attach(home) as joined:
        assert joined.url == server.url
        assert value_of(joined.url, STARTED_AT) == value_of(server.url, STARTED_AT)


def test_processes_that_attach_at_once_share_one_server() -> None:
    with fresh_home() as home, ExitStack() as all_of_them:
        together = [all_of_them.enter_context(attached_process(home)) for _ in range(3)]
        urls = [url_of(process) for process in together]
        running = postmasters(home)

    assert urls[0].startswith("postgresql://universe@")
    assert urls == [urls[0]] * 3
    assert len(running) == 1


def test_committed_rows_are_there_after_a_stop(home: Path) -> None:
    with attach(home) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    assert stop(home)
    with attach(home) as server:
        kept = value_of(server.url, "SELECT seven FROM kept")

    assert kept == 7


def test_stop_leaves_a_server_that_another_process_uses(home: Path) -> None:
    with attached_process(home) as other:
        url = url_of(other)
        before = value_of(url, STARTED_AT)
        stopped = stop(home)
        after = value_of(url, STARTED_AT)

    assert not stopped
    assert after == before


def test_stopping_what_never_ran_makes_nothing(tmp_path: Path) -> None:
    assert stop(tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


def test_stop_cuts_connections_of_programs_that_are_not_attached(home: Path) -> None:
    server = attach(home)
    with psycopg.connect(server.url) as connection:
        server.detach()

        assert stop(home)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("below", "socket"),
    [
        ("two words/ä€'$ 100%", "/two%20words/%C3%A4%E2%82%AC%27%24%20100%25/postgres/socket-"),
        # Over 107 bytes, and with a comma, which separates hosts in a URL.
        ("a" * 60 + "," + "b" * 60, "?host=/tmp/universe_pipeline-"),
    ],
    ids=["spaces and unicode", "long"],
)
def test_any_path_can_be_a_home(below: str, socket: str) -> None:
    with fresh_home() as outer, attach(outer / below) as server:
        engine = sqlalchemy.create_engine(server.url)
        with engine.connect() as connection:
            lies_in = connection.execute(sqlalchemy.text("SHOW data_directory")).scalar()
        engine.dispose()

    assert lies_in == f"{outer}/{below}/postgres/data"
    assert socket in server.url
    assert not Path(unquote(server.url.partition("host=")[2])).exists()


@pytest.mark.parametrize(
    ("below", "setting"),
    [
        (os.fsdecode(b"no \xff text"), "umask 077"),
        ("home", "umask 777"),
        ("home", "umask 000; export LC_ALL=xx_YY.UTF-8 LANG=C TMPDIR=/nowhere"),
    ],
    ids=["no UTF-8", "closed umask", "open umask, unknown locale, no TMPDIR"],
)
def test_surroundings_that_are_no_obstacle(below: str, setting: str) -> None:
    with fresh_home(ordinary_user()) as outer:
        prefix = (*as_ordinary_user(), "sh", "-c", f'{setting}; exec "$@"', "sh")
        with attached_process(outer / below, *prefix) as process:
            answer = value_of(url_of(process), "SELECT 41 + 1")
        until_ended(outer / below)

    assert answer == 42


def test_a_home_by_a_symbolic_link_is_the_same_home(
    home: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(home)
    with attach(tmp_path / "link") as joined:
        assert joined.url == server.url


def test_an_ordinary_user_can_run_it() -> None:
    with (
        fresh_home(ordinary_user()) as home,
        attached_process(home, *as_ordinary_user()) as process,
    ):
        url = url_of(process)
        listed = ["ps", "-o", "uid=", "-p", str(postmasters(home)[0])]
        runs_as = int(subprocess.run(listed, capture_output=True, check=True).stdout)
        answer = value_of(url, "SELECT 41 + 1")

    assert answer == 42
    assert runs_as == ordinary_user()


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(EmbeddedServerError) as refused:
        attach(tmp_path / "home")

    assert str(refused.value) == (
        f"the embedded PostgreSQL cannot use {tmp_path}/home: a file is in the way "
        f"({tmp_path}/home); set UNIVERSE_HOME to a folder that you can write"
    )


def test_a_home_that_cannot_be_written_is_one_clear_line() -> None:
    with fresh_home(ordinary_user()) as home:
        home.chmod(0o500)
        said = refusal(home, *as_ordinary_user())
        left = processes(home)

    assert said == (
        f"the embedded PostgreSQL cannot use {home}: Permission denied "
        f"({home.resolve()}/postgres); set UNIVERSE_HOME to a folder that you can write"
    )
    assert left == {}
