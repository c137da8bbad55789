"""The data directory: whole or absent, and not confused by what a crash leaves behind."""

import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.attachment import attach, psql_binary, stop
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline_tests.support.embedded_homes import (
    attached_process,
    fresh_home,
    kill,
    postmasters,
    supervisors,
    until,
)


@pytest.fixture(scope="module")
def stopped_home() -> Iterator[Path]:
    """A home with data, whose server does not run."""
    with fresh_home() as home:
        attach(home).detach()
        assert stop(home)
        yield home


def answers(home: Path) -> bool:
    with attach(home) as server, psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT 1").fetchone() == (1,)
    assert stop(home)
    return found


def test_a_kill_during_initdb_leaves_nothing_half_made() -> None:
    with fresh_home() as home, attached_process(home) as first:
        until((home / "postgres" / "data.new" / "base").exists)
        kill(first.pid, *supervisors(home))
        half_made = (home / "postgres" / "data").exists()

        assert not half_made
        assert answers(home)


def test_a_pid_file_that_names_a_living_stranger_is_no_obstacle(stopped_home: Path) -> None:
    data = stopped_home / "postgres" / "data"
    # PostgreSQL takes no notice of other accounts' processes.
    with subprocess.Popen(["sleep", "60"], user=data.stat().st_uid) as stranger:
        (data / "postmaster.pid").write_text(
            f"{stranger.pid}\n{data}\n1700000000\n5432\n/tmp\n\n  5432001         0\nready   \n"
        )
        works = answers(stopped_home)
        spared = stranger.poll() is None
        stranger.kill()

    assert works
    assert spared


def test_an_empty_pid_file_is_no_obstacle(stopped_home: Path) -> None:
    (stopped_home / "postgres" / "data" / "postmaster.pid").touch()

    assert answers(stopped_home)


def test_a_server_that_somebody_started_on_the_data_is_left_alone(stopped_home: Path) -> None:
    data = stopped_home / "postgres" / "data"
    with subprocess.Popen(
        [
            *(psql_binary().with_name("postgres"), "-D", data),
            *("-c", "listen_addresses=", "-c", "unix_socket_directories=."),
        ],
        stderr=subprocess.DEVNULL,
        user=data.stat().st_uid,
        group=data.stat().st_gid,
    ) as by_hand:
        until((data / "postmaster.pid").exists)
        until(lambda: "ready" in (data / "postmaster.pid").read_text())
        with pytest.raises(EmbeddedServerError) as refused:
            attach(stopped_home)
        running = postmasters(stopped_home)
        by_hand.terminate()

    assert running == [by_hand.pid]
    assert str(refused.value) == (
        f"the embedded PostgreSQL in {stopped_home}/postgres ended: "
        'FATAL:  lock file "postmaster.pid" already exists; '
        f"HINT:  Is another postmaster (PID {by_hand.pid}) running in data directory "
        f'"{data}"?; see {stopped_home}/postgres/log/server.log'
    )


def test_a_data_folder_of_something_else_is_not_touched() -> None:
    with fresh_home() as home:
        (home / "postgres" / "data").mkdir(parents=True)
        (home / "postgres" / "data" / "holiday.jpg").touch()
        with pytest.raises(EmbeddedServerError) as refused:
            attach(home)

        assert str(refused.value) == (
            f"{home}/postgres/data is no PostgreSQL data directory (no PG_VERSION): move it away"
        )
        assert (home / "postgres" / "data" / "holiday.jpg").exists()


@pytest.mark.parametrize("other", ["17", "19"])
def test_data_of_another_major_version_are_left_alone_and_the_way_on_is_reported(
    stopped_home: Path, other: str
) -> None:
    data = stopped_home / "postgres" / "data"
    made_by = data / "PG_VERSION"
    ours = made_by.read_text()
    before = [(path, path.stat().st_mtime_ns) for path in sorted(data.rglob("*"))]
    made_by.write_text(f"{other}\n")
    with pytest.raises(EmbeddedServerError) as refused:
        attach(stopped_home)
    started = postmasters(stopped_home)
    until(lambda: supervisors(stopped_home) == [])
    changed = [(path, path.stat().st_mtime_ns) for path in sorted(data.rglob("*"))]
    made_by.write_text(ours)
    unharmed = answers(stopped_home)
    data.rename(data.with_name("moved-away"))
    again = answers(stopped_home)
    shutil.rmtree(data)
    data.with_name("moved-away").rename(data)

    release = version("embedded-postgres").rpartition(".")[0]
    assert str(refused.value) == (
        f"{data} is of PostgreSQL {other}, which this release's PostgreSQL {release} cannot read: "
        "back it up with the release that made it (`universe backup FILE`), move that folder away, "
        "and restore it with this one (`universe restore FILE`)"
    )
    assert started == []
    assert [path for path, _ in set(changed) ^ set(before)] == [made_by, made_by]
    assert unharmed
    assert again
