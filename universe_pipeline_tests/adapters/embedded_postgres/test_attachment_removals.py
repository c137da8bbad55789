"""A running server whose files are removed or replaced ends, and the next start finds its rows."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.attachment import attach, stop
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline_tests.support.embedded_homes import (
    fresh_home,
    postmasters,
    processes,
    supervisors,
    until,
    until_ended,
)
from universe_pipeline_tests.support.embedded_removals import (
    REMOVALS,
    Act,
    disturbed,
    remove,
    replace,
)

PID_FILE = "data/postmaster.pid"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with fresh_home() as place:
        yield place


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in REMOVALS.items()])
def test_the_next_user_has_a_fresh_server_with_all_rows(home: Path, act: Act) -> None:
    """`disturbed` gives each wait 20 s."""
    assert disturbed(home, act) == (3, set())


@pytest.mark.parametrize(
    ("act", "file"),
    [
        (remove("stop"), "stop"),
        (replace("users.lock", Path.touch), "users.lock"),
        (replace(PID_FILE, lambda path: path.write_text("1\n")), PID_FILE),
    ],
    ids=["FIFO", "users.lock", "pid file"],
)
def test_the_supervisor_ends_it_though_no_other_user_comes(home: Path, act: Act, file: str) -> None:
    with attach(home, linger=600):
        act(home / "postgres")
        until(lambda: processes(home) == {}, seconds=20)
        log = (home / "postgres" / "log" / "server.log").read_text()

    assert f"stopping the server: {home}/postgres/{file} was removed, replaced or closed" in log


@pytest.mark.parametrize("victims", [supervisors, postmasters])
def test_a_stopped_process_is_named(home: Path, victims: Callable[[Path], list[int]]) -> None:
    with attach(home, linger=600):
        pid = victims(home)[0]
        os.kill(pid, signal.SIGSTOP)
        remove("stop")(home / "postgres")
        with pytest.raises(EmbeddedServerError) as refused:
            attach(home)
        os.kill(pid, signal.SIGCONT)
        until(lambda: processes(home) == {})

    assert str(refused.value) == (
        f"the embedded PostgreSQL in {home}/postgres does not answer, because its process {pid} is "
        f"stopped: let it go on by `kill -CONT {pid}`, or end it by `kill -KILL {pid}`"
    )


def test_a_server_that_refuses_everybody_does_not_live_forever(home: Path) -> None:
    rules = home / "postgres" / "data" / "pg_hba.conf"
    attach(home).detach()
    assert stop(home)
    shutil.copy2(rules, home / "rules")
    rules.write_text("local all all reject\n")
    with pytest.raises(EmbeddedServerError) as refused:
        attach(home, linger=0.2)
    until_ended(home)
    rules.write_text((home / "rules").read_text())

    assert str(refused.value) == (
        f"the embedded PostgreSQL in {home}/postgres refuses connections: FATAL:  pg_hba.conf "
        'rejects connection for host "[local]", user "universe", database "universe", no '
        f"encryption; correct the settings in {home}/postgres/data; see "
        f"{home}/postgres/log/server.log"
    )


def test_two_homes_do_not_know_each_other(home: Path) -> None:
    with fresh_home() as other, attach(other, linger=600) as neighbour:
        with attach(home, linger=600):
            subprocess.run(["rm", "-rf", home / "postgres" / "stop"], check=True)
            until(lambda: processes(home) == {}, seconds=20)
        with psycopg.connect(neighbour.url) as connection:
            found = connection.execute("SELECT 1").fetchone()

    assert found == (1,)
