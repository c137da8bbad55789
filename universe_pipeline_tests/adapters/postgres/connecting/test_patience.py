"""Long waits for the server: what they are for, and when they end."""

import os
import resource
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from functools import partial
from threading import Thread, Timer

import psycopg2
import pytest

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.bars import writing
from universe_pipeline.adapters.postgres.connecting import patience
from universe_pipeline.adapters.postgres.connecting.patience import (
    SilentServerError,
    WaitGivenUpError,
    WatchedConnection,
)
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.locks import MIGRATION_LOCK, exclusive
from universe_pipeline.domain.errors import DatabaseLostError
from universe_pipeline_tests.support.proxy import FreezingProxy, freezing_proxy

SESSION = date(2024, 3, 12)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of half a minute."""
    monkeypatch.setattr(patience, "EXPLAIN_AFTER", 0.3)
    monkeypatch.setattr(patience, "LOOK_AGAIN", 0.3)
    monkeypatch.setattr(patience, "SILENT_AFTER", 2.0)
    monkeypatch.setattr(patience, "PROBE_SECONDS", 1)
    monkeypatch.setattr(patience, "TICK", 0.1)


@pytest.fixture
def proxy(store_database: Database) -> Generator[FreezingProxy]:
    with freezing_proxy(store_database.url) as proxy:
        yield proxy


def in_migration(connection: Connection) -> None:
    with exclusive(connection, MIGRATION_LOCK):
        pass


def in_session(connection: Connection) -> None:
    with writing.locked_session(connection, SESSION):
        pass


def on_table(connection: Connection) -> None:
    connection.execute("INSERT INTO vendor_of_record (vendor) VALUES ('x') ON CONFLICT DO NOTHING")


@contextmanager
def a_table(connection: Connection) -> Generator[None]:
    with connection.transaction():
        connection.execute("LOCK TABLE vendor_of_record")
        yield


@pytest.mark.parametrize(
    ("held", "waits", "named"),
    [
        (partial(exclusive, number=MIGRATION_LOCK), in_migration, "migration"),
        (partial(writing.locked_session, session=SESSION), in_session, f"session {SESSION}"),
        (a_table, on_table, "table vendor_of_record"),
    ],
)
def test_a_wait_for_another_process_names_it_once(
    store: Connection,
    store_database: Database,
    caplog: pytest.LogCaptureFixture,
    held: Callable[[Connection], AbstractContextManager[object]],
    waits: Callable[[Connection], None],
    named: str,
) -> None:
    with store_database.connect() as waiting:
        thread = Thread(target=waits, args=(waiting,))
        with held(store):
            thread.start()
            time.sleep(2)
        thread.join()

    (line,) = [record.message for record in caplog.records if "waiting for" in record.message]
    assert f"waiting for {named}: " in line
    assert ", process " in line
    assert ", since 20" in line


def test_a_slow_statement_is_waited_for_without_a_word(
    store: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.execute("SELECT pg_sleep(3), 5").fetchall() == [("", 5)]
    assert not caplog.records


def queries(connection: Connection) -> None:
    connection.execute("SELECT 1")


def copies(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS taken (text text)")
    with connection.cursor().copy("COPY taken FROM STDIN") as copy:
        for _ in range(2000):
            copy.write(b"x" * 65_535 + b"\n")


def pipelines(connection: Connection) -> None:
    with connection.pipeline():
        connection.execute("SELECT 1")
        connection.execute("SELECT 2").fetchone()


def until_lost(work: Callable[[Connection], None], proxy: FreezingProxy, look: Database) -> None:
    """Work through a proxy that freezes soon; the server is asked through `look` meanwhile."""
    with Database(proxy.url).connect() as connection:
        assert isinstance(connection, WatchedConnection)
        connection.url = look.conninfo
        Timer(0.3, proxy.freeze).start()
        while True:
            work(connection)


@pytest.mark.parametrize("work", [queries, copies, pipelines])
def test_a_frozen_server_is_lost_after_a_while(
    proxy: FreezingProxy, work: Callable[[Connection], None]
) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseLostError, match="it has not answered for"):
        until_lost(work, proxy, Database(proxy.url))

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("work", [queries, copies, pipelines])
def test_a_connection_that_alone_is_cut_off_is_lost_too(
    store_database: Database, proxy: FreezingProxy, work: Callable[[Connection], None]
) -> None:
    """New connections are answered, but the server waits for this one, which waits for it."""
    with pytest.raises(DatabaseLostError, match="it has not answered for"):
        until_lost(work, proxy, store_database)


def test_a_wait_is_given_up_once_a_signal_has_come(store: Connection) -> None:
    began = time.monotonic()
    with pytest.raises(WaitGivenUpError), patience.given_up_when(lambda: True):
        store.execute("SELECT pg_sleep(30)")

    assert time.monotonic() - began < 5


def test_waits_of_dagsters_driver_are_watched_too(
    store_database: Database, proxy: FreezingProxy
) -> None:
    with patience.in_psycopg2(store_database.conninfo):
        connection = psycopg2.connect(Database(proxy.url).conninfo)
        cursor = connection.cursor()
        cursor.execute("SELECT 7")
        assert cursor.fetchall() == [(7,)]
    with patience.in_psycopg2(proxy.url):
        proxy.freeze()
        with pytest.raises(SilentServerError):
            cursor.execute("SELECT 8")
    connection.close()


def test_a_load_may_have_more_than_a_thousand_files_open(store_database: Database) -> None:
    with (
        many_open_files(),
        liveness.hold_lock(store_database, "a job") as hold,
        patience.in_psycopg2(store_database.conninfo),
        closing(psycopg2.connect(store_database.conninfo)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 7")
        assert cursor.fetchall() == [(7,)]
        time.sleep(0.5)
        assert connection.fileno() > 1023
        assert hold
        assert "lock a job" in {thread.name for thread in threading.enumerate()}


@contextmanager
def many_open_files() -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        yield
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_refuses_connections_has_answered(
    store_database: Database, proxy: FreezingProxy
) -> None:
    nobody = store_database.url.replace("universe@", "nobody_at_all@")
    assert patience.answers(nobody, 5)
    assert patience.answers(proxy.url, 2)
    proxy.freeze()
    assert not patience.answers(proxy.url, 2)
