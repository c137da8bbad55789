"""Quarters that are over get their index by symbol, also after failures and corrections."""

import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import get_ident

import psycopg
import pytest

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.bars.sealing import seal, unsealed
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.locks import SEALING_LOCK
from universe_pipeline_tests.support.embedded_homes import until
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    Row,
    answered,
    bar,
    stored,
    write_session,
)

FIRST = date(2024, 6, 24)
JUNE = [date(2024, 6, day) for day in (24, 25, 26, 27, 28)]
"""All sessions of the second quarter of 2024 from FIRST on."""
Q2, Q3 = "daily_bars_2024q2", "daily_bars_2024q3"


def load(connection: Connection, days: Sequence[date]) -> None:
    make_quarters(connection, days)
    for day in days:
        write_session(connection, answered(day, bar("A"), bar("B")), None)


def due(connection: Connection, still_open: date = date(2024, 7, 1)) -> list[str]:
    return unsealed(connection, FIRST, still_open, datetime.now(UTC))


def plan(connection: Connection) -> str:
    rows = connection.execute(
        "EXPLAIN SELECT date, close FROM daily_bars"
        " WHERE symbol = 'A' AND date BETWEEN '2024-04-01' AND '2024-06-30'"
    )
    return "\n".join(row[0] for row in rows)


@pytest.fixture
def loaded(connection: Connection) -> Connection:
    """The whole of June's quarter, and the first session of the next, fetched just now."""
    load(connection, [*JUNE, JULY_1])
    connection.execute("UPDATE session_loads SET fetched_at = now()")
    return connection


def test_a_quarter_is_due_when_it_is_over_and_every_session_is_loaded(loaded: Connection):
    assert due(loaded) == [Q2]


def test_a_quarter_is_not_due_while_its_last_session_may_be_fetched_again(loaded: Connection):
    assert due(loaded, still_open=date(2024, 6, 28)) == []


def test_a_quarter_that_lacks_a_session_is_left_alone_while_it_is_being_loaded(loaded: Connection):
    loaded.execute("UPDATE session_loads SET status = 'failed' WHERE date = '2024-06-26'")

    assert due(loaded) == []


def test_a_quarter_that_lacks_a_session_is_due_after_a_quiet_day(loaded: Connection):
    loaded.execute("UPDATE session_loads SET status = 'failed' WHERE date = '2024-06-26'")
    loaded.execute("UPDATE session_loads SET fetched_at = now() - interval '25 hours'")

    assert due(loaded) == [Q2]


def test_an_unloaded_quarter_is_not_due(connection: Connection):
    make_quarters(connection, JUNE)

    assert due(connection) == []


def test_a_sealed_quarter_is_no_longer_due(loaded: Connection, database: Database):
    assert list(seal(database, [Q2])) == [Q2]

    assert due(loaded) == []


def test_one_symbol_is_read_from_the_index_alone(loaded: Connection, database: Database):
    list(seal(database, [Q2]))
    loaded.execute("SET enable_seqscan = off")  # which is cheaper for ten rows

    assert f"Index Only Scan using {Q2}_by_symbol" in plan(loaded)


def test_sealing_changes_no_row(loaded: Connection, database: Database):
    before = [stored(loaded, day) for day in JUNE]

    list(seal(database, [Q2]))

    assert [stored(loaded, day) for day in JUNE] == before


def test_sealing_again_does_no_harm(loaded: Connection, database: Database):
    list(seal(database, [Q2]))

    assert list(seal(database, [Q2])) == [Q2]


def test_a_sealed_quarter_can_still_be_corrected(loaded: Connection, database: Database):
    list(seal(database, [Q2]))

    rows = [bar("A"), bar("B", close=10.3), bar("C")]
    write = write_session(loaded, answered(JUNE[0], *rows, at=datetime.now(UTC)), None)

    assert (write.revised, write.added) == (1, 1)
    assert [row[0] for row in stored(loaded, JUNE[0])] == ["A", "B", "C"]
    assert due(loaded) == []


def test_an_index_whose_building_was_interrupted_is_built_anew(
    loaded: Connection, database: Database
):
    list(seal(database, [Q2]))
    loaded.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
        (f"{Q2}_by_symbol",),
    )
    was_due = due(loaded)

    list(seal(database, [Q2]))

    assert was_due == [Q2]
    assert due(loaded) == []


def test_a_quarter_that_was_not_vacuumed_is_due_again(loaded: Connection, database: Database):
    """As after a restore: the index is there, and nothing is marked as visible."""
    list(seal(database, [Q2]))
    rows: list[Row] = loaded.execute("SELECT * FROM daily_bars_2024q2").fetchall()
    loaded.execute("TRUNCATE daily_bars_2024q2")
    with loaded.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO daily_bars VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows
        )

    assert due(loaded) == [Q2]


def test_while_another_seals_nothing_is_done(loaded: Connection, database: Database):
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (SEALING_LOCK,))

        assert list(seal(database, [Q2])) == []

    assert due(loaded) == [Q2]


def test_two_quarters_are_sealed_at_once(loaded: Connection, database: Database):
    """Held up by a lock on both, both wait for it."""
    with ThreadPoolExecutor(1) as sealing, psycopg.connect(database.url) as other:
        other.execute(f"LOCK TABLE {Q2}, {Q3} IN SHARE ROW EXCLUSIVE MODE".encode())
        sealed = sealing.submit(lambda: sorted(seal(database, [Q2, Q3])))
        until(lambda: waiting(loaded) == 2)
        other.rollback()

        assert sealed.result() == [Q2, Q3]


@pytest.fixture
def interruptible() -> Generator[int]:
    """The main thread, which SIGINT interrupts also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield get_ident()
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_leaves_no_statement_at_work(
    loaded: Connection, database: Database, interruptible: int
):
    def interrupt() -> None:
        until(lambda: waiting(loaded) == 2)
        signal.pthread_kill(interruptible, signal.SIGINT)

    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url) as other:
        other.execute(f"LOCK TABLE {Q2}, {Q3} IN SHARE ROW EXCLUSIVE MODE".encode())
        interrupting = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(seal(database, [Q2, Q3]))
        interrupting.result()

        assert waiting(loaded) == 0
    assert sorted(seal(database, [Q2, Q3])) == [Q2, Q3]


def waiting(connection: Connection) -> int:
    """How many statements build an index and wait for a lock."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'"
    ).fetchone()
    return row[0] if row else 0
