"""Locks of living processes: a lost connection does not make them look dead."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.holders import holders
from universe_pipeline.domain.errors import LockLostError
from universe_pipeline_tests.support.proxy import freezing_proxy

WHAT = "a job"


def backend(connection: Connection) -> int:
    """The server's process of the connection that holds the lock."""
    (holder,) = holders(connection, [WHAT])
    return holder.backend


def await_true(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def terminate(connection: Connection, pid: int) -> None:
    connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_a_lock_whose_connection_is_ended_is_taken_again_at_once(
    store: Connection, store_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with liveness.hold_lock(store_database, WHAT) as hold:
        for _ in range(3):
            before = backend(store)
            terminate(store, before)
            began = time.monotonic()
            await_true(lambda: liveness.is_held(store, WHAT))
            away = time.monotonic() - began
            assert backend(store) != before
            assert away < 1
        assert hold

    assert not liveness.is_held(store, WHAT)
    assert f"the lock of {WHAT} was lost and taken again" in caplog.text


def test_a_shared_lock_is_taken_again_too(store: Connection, store_database: Database) -> None:
    with liveness.hold_lock(store_database, WHAT, shared=True):
        terminate(store, backend(store))

        await_true(lambda: liveness.is_held(store, WHAT))


def test_idle_time_outs_of_a_role_do_not_end_it(
    store: Connection, store_database: Database
) -> None:
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        change(store, name, "SET {} = '200ms'")
    try:
        with liveness.hold_lock(store_database, WHAT):
            before = backend(store)
            time.sleep(1)
            assert backend(store) == before
    finally:
        for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            change(store, name, "RESET {}")


def change(connection: Connection, setting: str, how: LiteralString) -> None:
    """Change a setting of the database."""
    names = sql.Identifier(connection.info.dbname), sql.Identifier(setting)
    connection.execute(
        sql.SQL("ALTER DATABASE {} ").format(names[0]) + sql.SQL(how).format(names[1])
    )


@contextmanager
def other_process(url: str) -> Generator[subprocess.Popen[str]]:
    """Another process, that takes the lock as soon as it is free."""
    program = """\
import sys, time
from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Database
print("ready", flush=True)
while True:
    with liveness.hold_lock(Database(sys.argv[1]), sys.argv[2]) as hold:
        if hold:
            print("held", flush=True)
            time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, url, WHAT], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_lock_that_another_process_took_meanwhile_stops_this_one(
    store: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = network_away(monkeypatch)
    with pytest.raises(LockLostError, match=f"lock of {WHAT}.*, process [0-9]+") as lost:
        lose_to_another(store, store_database, taken.set)

    assert "stops" in str(lost.value)


def test_an_interrupt_that_comes_while_the_lock_is_released_is_the_loss_of_it(
    store: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, kill = network_away(monkeypatch), signal.pthread_kill

    def slowly(thread: int, number: int) -> None:
        time.sleep(0.5)
        kill(thread, number)

    monkeypatch.setattr(signal, "pthread_kill", slowly)
    with pytest.raises(LockLostError):
        end_once_lost(store, store_database, taken.set)


def end_once_lost(connection: Connection, database: Database, go_on: Callable[[], None]) -> None:
    with liveness.hold_lock(database, WHAT) as hold, other_process(database.url) as process:
        terminate(connection, backend(connection))
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        go_on()
        await_true(lambda: hold.taken_by is not None)


def network_away(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the keeper of the lock connect again only once the event is set."""
    back = threading.Event()
    opened = Database.open

    def late(self: Database, application: str | None = None) -> psycopg.Connection:
        if threading.current_thread().name == f"lock {WHAT}":
            back.wait(30)
        return opened(self, application)

    monkeypatch.setattr(Database, "open", late)
    return back


def lose_to_another(connection: Connection, database: Database, go_on: Callable[[], None]) -> None:
    """Hold a lock that another process takes once its connection is lost."""
    with liveness.hold_lock(database, WHAT) as hold, other_process(database.url) as process:
        terminate(connection, backend(connection))
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with suppress(KeyboardInterrupt):
            go_on()
            time.sleep(30)
            pytest.fail("it was not interrupted")
        assert not hold


def test_its_own_connection_that_the_server_believes_in_is_not_another_process(
    store: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy has cut the connection, and the server has not noticed yet."""
    monkeypatch.setattr(liveness, "AGAIN_SECONDS", 0.1)
    with (
        freezing_proxy(store_database.url) as proxy,
        liveness.hold_lock(Database(proxy.url), WHAT) as hold,
    ):
        believed = backend(store)
        proxy.lose_clients()
        time.sleep(0.5)
        assert backend(store) == believed
        assert hold

        terminate(store, believed)
        await_true(lambda: liveness.is_held(store, WHAT))
        assert backend(store) != believed
        assert hold


def test_a_silent_server_does_not_keep_a_process_from_its_end(
    store: Connection, store_database: Database
) -> None:
    """The server's process of the lock is stopped, as all of them are where it is frozen."""
    stopped = 0
    began = 0.0
    try:
        with liveness.hold_lock(store_database, WHAT):
            stopped = backend(store)
            signal_backend(stopped, signal.SIGSTOP)
            began = time.monotonic()
        assert time.monotonic() - began < 3
    finally:
        signal_backend(stopped, signal.SIGCONT)


def signal_backend(pid: int, number: signal.Signals) -> None:
    subprocess.run(["kill", f"-{number.value}", str(pid)], check=True)
