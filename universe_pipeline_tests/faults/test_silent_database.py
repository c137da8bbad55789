"""A database that falls silent under a load: frozen by SIGSTOP, or cut off by what lies between."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.disturbed_loads import LOAD, PROGRAM, SIXTY, User
from universe_pipeline_tests.support.fault_tally import Tally
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer
from universe_pipeline_tests.support.proxy import FreezingProxy, freezing_proxy
from universe_pipeline_tests.support.pseudo_terminal import OnTerminal

pytestmark = pytest.mark.faults

ENDS_WITHIN = 75.0
"""Seconds after which a load of a silent database has ended by itself."""

PROMPTLY = 10.0
"""Seconds after which it has ended by the first ctrl-C."""


@pytest.fixture
def user(environment: dict[str, str], tmp_path: Path, vendor: SimulatedVendor) -> User:
    vendor.faults.add("delay", endpoint="grouped", seconds=0.2)
    return User({**environment, "UNIVERSE_CONCURRENCY": "2"}, tmp_path)


@pytest.fixture
def proxy(own_server: OrdinaryServer) -> Generator[FreezingProxy]:
    with freezing_proxy(own_server.url) as proxy:
        yield proxy


def at(url: str, user: User) -> User:
    return User({**user.environment, "UNIVERSE_DATABASE_URL": url}, user.folder)


@contextmanager
def stopped(url: str) -> Generator[None]:
    """Stop every process of a server by SIGSTOP: the kernel still takes connections for it."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"
        ).fetchone()
    assert row is not None
    found = subprocess.run(["pgrep", "-P", str(row[0])], capture_output=True, text=True, check=True)
    pids = [row[0], *(int(pid) for pid in found.stdout.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def await_requests(vendor: SimulatedVendor, count: int) -> None:
    deadline = time.monotonic() + 120
    while vendor.count("grouped") < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def await_unlocked(url: str) -> None:
    deadline = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def ends_in_one_line(process: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    said = process.communicate(timeout=120)[1]
    assert time.monotonic() - began < ENDS_WITHIN
    assert process.returncode == 1, said
    assert said.count("it has not answered for") == 1, said
    assert "universe: the database at " in said.splitlines()[-1]
    assert "`universe resume` goes on" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_proxy_that_forwards_nothing_ends_the_load(
    tally: Callable[[str], Tally],
    user: User,
    vendor: SimulatedVendor,
    own_server: OrdinaryServer,
    proxy: FreezingProxy,
) -> None:
    line = tally("database behind a frozen proxy")
    with at(proxy.url, user).started(*LOAD) as process:
        await_requests(vendor, 10)
        proxy.freeze()
        ends_in_one_line(process)
    line.times = 1
    proxy.close()
    await_unlocked(own_server.url)

    assert at(own_server.url, user).run("resume")[0] == 0
    vendor.faults.clear()
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        line.compare(connection, vendor, SIXTY)
    assert line.lost_or_doubled == (0, 0, 0, 0)


@pytest.mark.parametrize("arguments", [LOAD, ("daily",)])
def test_a_database_that_goes_away_ends_the_load(
    user: User,
    vendor: SimulatedVendor,
    own_server: OrdinaryServer,
    proxy: FreezingProxy,
    arguments: tuple[str, ...],
) -> None:
    with at(proxy.url, user).started(*arguments) as process:
        await_requests(vendor, 2)
        proxy.close()
        said = process.communicate(timeout=120)[1]

    assert process.returncode == 1
    assert "Exception while writing" not in said
    assert "error ignored" not in said
    assert "[SQL" not in said
    assert said.count("`universe resume` goes on") == 1, said
    await_unlocked(own_server.url)
    assert at(own_server.url, user).run("resume")[0] == 0


def test_a_lost_connection_of_dagsters_storage_ends_the_load_in_one_line(
    user: User, vendor: SimulatedVendor, own_server: OrdinaryServer
) -> None:
    with at(own_server.url, user).started(*LOAD) as process:
        await_requests(vendor, 10)
        with psycopg.connect(own_server.url) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND query LIKE '%INTO event_logs%'"
            ).fetchall()
        said = process.communicate(timeout=120)[1]

    assert ended
    assert process.returncode == 1, said
    assert "psycopg2" not in said
    assert "terminating connection due to administrator command; what was committed" in said
    assert at(own_server.url, user).run("resume")[0] == 0


def test_a_stopped_server_on_loopback_ends_the_load(
    user: User, vendor: SimulatedVendor, own_server: OrdinaryServer
) -> None:
    with at(own_server.url, user).started(*LOAD) as process:
        await_requests(vendor, 10)
        with stopped(own_server.url):
            ends_in_one_line(process)

    assert at(own_server.url, user).run("resume")[0] == 0


def test_a_stopped_embedded_server_ends_the_load(
    user: User, vendor: SimulatedVendor, tmp_path: Path
) -> None:
    home = tmp_path / "universe"
    chosen = {**user.environment, "UNIVERSE_HOME": str(home)}
    del chosen["UNIVERSE_DATABASE_URL"]
    server = attachment.attach(home, linger=1.0)
    try:
        with User(chosen, tmp_path).started(*LOAD) as process:
            await_requests(vendor, 10)
            with stopped(server.url):
                ends_in_one_line(process)
    finally:
        server.detach()
        attachment.stop(home)


@pytest.mark.parametrize("seed", range(6))
def test_the_first_ctrl_c_works_whenever_the_database_falls_silent(
    user: User, vendor: SimulatedVendor, proxy: FreezingProxy, seed: int
) -> None:
    moments = random.Random(seed)  # noqa: S311  # the same ones each time
    connections, after = moments.randint(3, 14), moments.uniform(0, 0.4)
    command = [str(PROGRAM), *moments.choice([LOAD, ("daily",)])]
    with OnTerminal(command, at(proxy.url, user).environment, user.folder) as terminal:
        terminal.until(lambda _: proxy.accepted >= connections or vendor.count("grouped"))
        time.sleep(after)
        proxy.freeze()
        time.sleep(moments.uniform(0, 8))
        began = time.monotonic()
        terminal.press("\x03")
        code = terminal.to_its_end(60)

    assert (code, "Traceback" in terminal.screen.text) == (130, False), terminal.screen.text
    assert time.monotonic() - began < PROMPTLY, terminal.screen.text


def test_commands_that_only_read_end_too(user: User, proxy: FreezingProxy) -> None:
    assert at(proxy.url, user).run("status")[0] == 0
    proxy.freeze()
    began = time.monotonic()

    code, said = at(proxy.url, user).run("status")

    assert time.monotonic() - began < ENDS_WITHIN
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("universe: cannot reach the database at ")
