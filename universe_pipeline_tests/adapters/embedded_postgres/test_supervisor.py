"""What becomes of the server when it is unused, when processes are killed, when its home goes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.attachment import attach, stop
from universe_pipeline_tests.support.embedded_homes import (
    attached_process,
    fresh_home,
    is_held,
    kill,
    postmasters,
    processes,
    supervisors,
    until,
    until_ended,
    url_of,
)

LINGER = 0.2
SEVERAL_LOOKS = 1.0
"""Seconds in which a supervisor with that linger could have stopped the server several times."""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with fresh_home() as place:
        yield place


@pytest.fixture(scope="module")
def rows(home: Path) -> str:
    """The name of a table with three committed rows."""
    with attach(home, linger=LINGER) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE committed AS SELECT * FROM generate_series(1, 3)")
    return "committed"


def delete(home: Path) -> None:
    """As people do: again when the server has just made another file."""
    until(lambda: subprocess.run(["rm", "-rf", home], check=False).returncode == 0)


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return found[0]


def test_an_unused_server_ends_by_itself(home: Path) -> None:
    with attach(home, linger=LINGER):
        running = processes(home)
    until_ended(home)

    assert len(running) == 2
    assert processes(home) == {}
    assert list((home / "postgres").glob("socket-*")) == []


def test_it_stays_for_a_client_that_is_only_connected(home: Path) -> None:
    with attach(home, linger=LINGER) as server:
        connection = psycopg.connect(server.url)
    time.sleep(SEVERAL_LOOKS)
    with connection:
        answer = connection.execute("SELECT 41 + 1").fetchone()
    until_ended(home)

    assert answer == (42,)


def test_it_stays_for_users_that_come_only_for_moments(home: Path) -> None:
    with attach(home, linger=3):
        started = postmasters(home)
    for _ in range(10):
        time.sleep(0.5)
        attach(home).detach()
    running = postmasters(home)
    assert stop(home)

    assert len(started) == 1
    assert running == started


def test_it_stays_while_another_process_is_attached(home: Path) -> None:
    with attached_process(home) as other:
        url_of(other)
        started = postmasters(home)
        time.sleep(SEVERAL_LOOKS)
        running = postmasters(home)

    assert len(started) == 1
    assert running == started


def test_a_killed_client_no_longer_holds_it(home: Path) -> None:
    with attached_process(home) as client:
        url_of(client)
        kill(client.pid)
    until_ended(home)

    assert postmasters(home) == []


@pytest.mark.parametrize("killed", ["supervisor", "postmaster", "both"])
def test_after_a_kill_the_next_attach_works_and_rows_are_there(
    home: Path, rows: str, killed: str
) -> None:
    with attach(home, linger=LINGER) as server, psycopg.connect(server.url) as connection:
        connection.execute(f"TRUNCATE {rows}".encode())
        victims = {
            "supervisor": supervisors(home),
            "postmaster": postmasters(home),
            "both": supervisors(home) + postmasters(home),
        }[killed]
        kill(*victims)
        with attach(home, linger=LINGER) as successor:
            found = count(successor.url, rows)
            running = postmasters(home)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert found == 3
    assert len(running) == 1
    assert not set(running) & set(victims)


def test_sigterm_to_the_supervisor_stops_a_used_server(home: Path) -> None:
    with attach(home, linger=600):
        os.kill(supervisors(home)[0], signal.SIGTERM)
        until(lambda: not is_held(home / "postgres" / "server.lock"))

        assert postmasters(home) == []


def test_a_newcomer_waits_for_the_end_and_gets_a_server(home: Path, rows: str) -> None:
    found: list[int] = []
    for _ in range(5):
        with attach(home, linger=LINGER) as server:
            found.append(count(server.url, rows))
        assert stop(home)

    assert found == [3, 3, 3, 3, 3]


def test_the_log_cannot_grow_without_bound(home: Path) -> None:
    log = home / "postgres" / "log" / "server.log"
    with attach(home, linger=LINGER) as server, psycopg.connect(server.url) as connection:
        with log.open("a") as opened:
            opened.write("many lines\n" * 900_000)
        until(lambda: log.stat().st_size < 9_000_000)
        connection.execute("DO $$ BEGIN RAISE WARNING 'still written'; END $$")
        until(lambda: "still written" in log.read_text())

    assert log.with_name("server.log.1").read_text().endswith("many lines\n")


def test_deleting_the_home_ends_its_server() -> None:
    with fresh_home() as outer, attach(outer / "home", linger=600):
        running = processes(outer)
        delete(outer / "home")
        until(lambda: not processes(outer))

        assert len(running) == 2
        assert not (outer / "home").exists()


def test_the_server_of_a_deleted_home_spares_its_successor() -> None:
    with fresh_home() as outer:
        home = outer / "home"
        with attach(home, linger=600):
            first = processes(home)
            asleep = supervisors(home)[0]
            os.kill(asleep, signal.SIGSTOP)
            delete(home)
            with attach(home, linger=600) as successor:
                with psycopg.connect(successor.url) as connection:
                    connection.execute("CREATE TABLE kept AS SELECT 1")
                os.kill(asleep, signal.SIGCONT)
                until(lambda: not set(first) & set(processes(home)))
                reachable = count(successor.url, "kept")
                kill(*supervisors(home), *postmasters(home))
        with attach(home, linger=600) as again:
            recovered = count(again.url, "kept")

    assert reachable == 1
    assert recovered == 1


def test_moving_the_home_moves_the_data_with_it() -> None:
    with fresh_home() as outer:
        with attach(outer / "old", linger=600) as server, psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE moved AS SELECT 1")
        (outer / "old").rename(outer / "new")
        with attach(outer / "new", linger=600) as server:
            found = count(server.url, "moved")
            until(lambda: not processes(outer / "old"))

    assert found == 1
