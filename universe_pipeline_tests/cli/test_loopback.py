"""`universe url --tcp`: the embedded server on a port, for a role that reads."""

import socket
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from universe_pipeline import read
from universe_pipeline.adapters.embedded_postgres.attachment import attach
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.embedded_homes import fresh_home
from universe_pipeline_tests.support.ordinary_server import free_port


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    with fresh_home() as place:
        yield place


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


def on(home: Path, port: int | None) -> dict[str, str]:
    shown = "" if port is None else str(port)
    return {"UNIVERSE_DATABASE_URL": "", "UNIVERSE_HOME": str(home), "UNIVERSE_PORT": shown}


@pytest.fixture
def url(universe: Universe, home: Path, port: int) -> str:
    """What `url --tcp` prints, of a server with tables."""
    assert universe("url", env=on(home, port)).returncode == 0
    ended = universe("url", "--tcp", env=on(home, port))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.strip()


def test_the_address_reads_and_does_not_write(url: str, port: int) -> None:
    assert url.startswith("postgresql://reader:")
    assert url.endswith(f"@127.0.0.1:{port}/universe")
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM daily_bars").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM symbols")
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM symbols")


def test_a_notebook_connects_to_it(url: str) -> None:
    with read.connect(url) as data:
        assert len(data.symbols()) == 0


def test_the_address_stays(url: str, universe: Universe, home: Path, port: int) -> None:
    again = universe("url", "--tcp", env=on(home, port))

    assert again.stdout.strip() == url
    assert (home / "postgres/reader_password").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("wrong", ["reader:wrong", "universe", "universe:wrong"])
def test_no_other_login_is_accepted(url: str, port: int, wrong: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password|reject"):
        psycopg.connect(f"postgresql://{wrong}@127.0.0.1:{port}/universe")


def test_the_socket_works_as_ever(url: str, home: Path, port: int) -> None:
    with attach(home, port=port) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW port").fetchone() == (str(port),)


def test_a_server_without_the_port_starts_again(universe: Universe, home: Path, port: int) -> None:
    other = free_port()

    ended = universe("url", "--tcp", env=on(home, other))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip().endswith(f":{other}/universe")


def test_a_used_server_without_the_port_is_named(universe: Universe, home: Path) -> None:
    with attach(home):
        ended = universe("url", "--tcp", env=on(home, other := free_port()))

    assert ended.returncode == 1
    assert f"runs without UNIVERSE_PORT={other}: end the programs that use it" in ended.stderr


def test_a_port_in_use_is_named(universe: Universe) -> None:
    with fresh_home() as home, closing(socket.create_server(("127.0.0.1", 0))) as taken:
        ended = universe("url", env=on(home, taken.getsockname()[1]))

    assert ended.returncode == 1
    assert "could not create any TCP/IP sockets" in ended.stderr
    assert "set UNIVERSE_PORT to a free port, or unset it" in ended.stderr


def test_without_a_port_there_is_no_such_address(universe: Universe, home: Path) -> None:
    unset, own = universe("url", "--tcp", env=on(home, None)), universe("url", "--tcp")

    assert (unset.returncode, own.returncode) == (2, 2)
    assert "UNIVERSE_PORT is not set: set it to a free port" in unset.stderr
    assert "UNIVERSE_DATABASE_URL names a server of your own" in own.stderr
