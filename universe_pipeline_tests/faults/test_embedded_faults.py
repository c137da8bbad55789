"""All that keeps the embedded server from starting, that hides it, or that ends it under a load."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.attachment import attach, stop
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.faults.test_database_faults import SMALL_DISK, fill, small_disk
from universe_pipeline_tests.support.disturbed_loads import LOAD, SIXTY, User, asked_again
from universe_pipeline_tests.support.embedded_causes import (
    IN_A_NAMESPACE,
    OF_THE_MACHINE,
    message,
)
from universe_pipeline_tests.support.embedded_homes import (
    fresh_home,
    kill,
    postmasters,
    supervisors,
)
from universe_pipeline_tests.support.embedded_removals import (
    MORE_REMOVALS,
    Act,
    disturbed,
)
from universe_pipeline_tests.support.fault_tally import Tally

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def stopped_home() -> Iterator[Path]:
    """A home with data, whose server does not run."""
    with fresh_home() as home:
        attach(home).detach()
        assert stop(home)
        yield home


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with fresh_home() as place:
        yield place


@pytest.mark.parametrize("name", OF_THE_MACHINE)
def test_the_message_names_the_cause(
    tally: Callable[[str], Tally], stopped_home: Path, name: str
) -> None:
    line = tally(f"embedded server cannot start: {name}")
    obstacle = OF_THE_MACHINE[name]
    said = message(obstacle, stopped_home, *IN_A_NAMESPACE)

    line.times = 1
    assert "\n" not in said
    for part in obstacle.said:
        assert part in said


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in MORE_REMOVALS.items()])
def test_a_server_whose_files_were_removed_loses_nothing(
    tally: Callable[[str], Tally], home: Path, act: Act, request: pytest.FixtureRequest
) -> None:
    line = tally(f"embedded server loses files: {request.node.callspec.id}")
    rows, left = disturbed(home, act)

    line.times, line.rows_lost, line.stuck = 1, 3 - rows, len(left)
    assert line.lost_or_doubled == (0, 0, 0, 0)


def user_of(home: Path, environment: dict[str, str], folder: Path) -> User:
    chosen = {**environment, "UNIVERSE_HOME": str(home), "UNIVERSE_CONCURRENCY": "2"}
    return User({name: chosen[name] for name in chosen if name != "UNIVERSE_DATABASE_URL"}, folder)


def test_a_full_disk_under_a_load_is_named_with_its_folder(
    tally: Callable[[str], Tally],
    environment: dict[str, str],
    tmp_path: Path,
    vendor: SimulatedVendor,
) -> None:
    line = tally("full disk of the embedded server")
    vendor.faults.add("delay", endpoint="grouped", seconds=0.05)
    with small_disk(SMALL_DISK) as disk:
        home, ballast = disk / "home", disk / "ballast"
        user = user_of(home, environment, tmp_path)
        assert user.run("status")[0] == 0
        with attach(home) as server:
            filling = threading.Thread(target=fill, args=(server.url, ballast))
            filling.start()
            code, said = user.run(*LOAD)
            filling.join()
            shown, then_said = user.run("status")
            ballast.unlink()
        again, then = user.run(*LOAD)
        line.times = 1
        line.calls_wasted = asked_again(vendor, 0)
        vendor.faults.clear()
        with attach(home, linger=0.2) as server, psycopg.connect(server.url) as connection:
            line.compare(connection, vendor, SIXTY, again=True)
        assert stop(home)

    assert code == 1, said
    assert "No space left on device" in said
    assert f"make room: see `df -h` and `df -i` of {home}/postgres" in said
    assert "Traceback" not in said, said
    assert (shown, "json was not written: No space left" in then_said) == (0, True), then_said
    assert again == 0, then
    assert line.lost_or_doubled == (0, 0, 0, 0)


def test_a_full_disk_of_the_log_disturbs_no_load(
    tally: Callable[[str], Tally],
    environment: dict[str, str],
    tmp_path: Path,
    vendor: SimulatedVendor,
) -> None:
    line = tally("full disk of the embedded server's log")
    with small_disk(1) as disk, fresh_home() as home:
        (home / "postgres").mkdir()
        (home / "postgres" / "log").symlink_to(disk)
        fill_whole(disk / "server.log")
        code, said = user_of(home, environment, tmp_path).run(*LOAD)
        line.times = 1
        with attach(home, linger=0.2) as server, psycopg.connect(server.url) as connection:
            line.compare(connection, vendor, SIXTY)
        assert stop(home)

    assert code == 0, said
    assert line.lost_or_doubled == (0, 0, 0, 0)


def fill_whole(ballast: Path) -> None:
    """Leave no room on the disk of `ballast`."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


def test_a_server_that_recovers_without_end_is_named_with_the_cause(
    tally: Callable[[str], Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = tally("WAL gone under a running server")
    monkeypatch.setattr("universe_pipeline.adapters.embedded_postgres.start.START_SECONDS", 5.0)
    with fresh_home() as home:
        server = attach(home)
        try:
            shutil.rmtree(home / "postgres" / "data" / "pg_wal")
            with (
                suppress(psycopg.Error),
                psycopg.connect(server.url, autocommit=True) as connection,
            ):
                connection.execute("CREATE TABLE t AS SELECT 1; SELECT pg_switch_wal()")
                connection.execute("CREATE TABLE u AS SELECT generate_series(1, 1000000)")

            with pytest.raises(EmbeddedServerError) as failed:
                attach(home)
        finally:
            kill(*supervisors(home), *postmasters(home))
            server.detach()

    line.times = 1
    assert "has not answered for 5 s" in str(failed.value)
    assert "pg_wal" in str(failed.value)
    assert "universe restore FILE" in str(failed.value)
