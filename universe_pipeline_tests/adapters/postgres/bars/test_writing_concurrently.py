"""Writers at once, on real connections: the latest requests win, and no writer waits for ever."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import psycopg
import pytest

from universe_pipeline.adapters.postgres.bars.writing import EncodedSession, EncodedSymbol
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    T1,
    T2,
    T3,
    answered,
    answered_symbol,
    bar,
    by_symbol,
    grouped,
    load_of,
    requests_of,
    revisions,
    stored,
    write_session,
    write_symbol,
)

WEEK = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8)
OTHERS = [bar(f"S{n}") for n in range(50)]

Work = Callable[[Connection], object]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_writers_of_one_session_leave_the_latest_answer(
    store_database: Database, store: Connection, loaded_before: bool
):
    if loaded_before:
        write_session(store, answered(JULY_1, *OTHERS, bar(close=9.5), at=T1), None)
    answers = [
        answered(JULY_1, *OTHERS, bar(close=10 + n / 10), at=T1 + timedelta(minutes=n))
        for n in range(1, 9)
    ]

    _at_once(store_database, [_writing(answers[n::4]) for n in (2, 0, 3, 1)])

    assert stored(store, JULY_1) == [grouped(bar(close=10.8)), *sorted(map(grouped, OTHERS))]
    assert load_of(store, JULY_1, "fetched_at") == (T1 + timedelta(minutes=8),)


def test_the_beliefs_of_a_bar_follow_each_other_also_when_a_writer_had_to_wait(
    store_database: Database, store: Connection
):
    write_session(store, answered(JULY_1, bar(close=10.1), at=T1), None)
    with store_database.connect() as late:
        late.execute("BEGIN")
        late.execute("SELECT now()")  # its transaction begins before that of the other writer
        write_session(store, answered(JULY_1, bar(close=10.2), at=T2), None)

        write_session(late, answered(JULY_1, bar(close=10.3), at=T3), None)

    beliefs = sorted(revisions(store, "close", "believed_from", "replaced_at"))
    assert [close for close, _, _ in beliefs] == [10.1, 10.2]
    assert beliefs[0][1] < beliefs[0][2] == beliefs[1][1] < beliefs[1][2]


def test_writers_that_meet_in_opposite_order_do_not_wait_for_each_other(
    store_database: Database, store: Connection
):
    first = [answered(day, *OTHERS, bar(close=10.1), at=T1) for day in WEEK]
    second = [answered(day, *OTHERS, bar(close=10.2), at=T2) for day in WEEK]

    _at_once(store_database, [_writing(first), _writing(second[::-1])])

    assert [stored(store, day)[0] for day in WEEK] == [grouped(bar(close=10.2))] * 5


def test_writers_of_one_symbol_leave_each_session_to_the_latest_request_for_it(
    store_database: Database, store: Connection
):
    days = {number: WEEK[number % 3 : number % 3 + 3] for number in range(1, 13)}
    answers = [
        answered_symbol(
            "AAPL",
            days[number],
            {day: bar(close=10 + number / 100) for day in days[number]},
            at=T1 + timedelta(minutes=number),
        )
        for number in days
    ]

    _at_once(store_database, [_writing_symbols(answers[n::4]) for n in (2, 0, 3, 1)])

    # 10 was for July 2 to 5, 11 for July 3 to 8, 12 for July 1 to 3.
    latest = {JULY_1: 12, JULY_2: 12, JULY_3: 12, JULY_5: 11, JULY_8: 11}
    for day, number in latest.items():
        assert stored(store, day) == [by_symbol(bar(close=10 + number / 100))]
    assert requests_of(store, "AAPL") == [
        (T1 + timedelta(minutes=11), "{[2024-07-04,2024-07-09)}"),
        (T1 + timedelta(minutes=12), "{[2024-07-01,2024-07-04)}"),
    ]


def test_writers_of_sessions_and_symbols_and_the_coverage_go_together(
    store_database: Database, store: Connection
):
    for day in WEEK:
        write_session(store, answered(day, *OTHERS, bar(), at=T1), None)
    again = [answered(day, *OTHERS[1:], bar("NEW"), bar(), at=T2) for day in WEEK]
    symbols = [
        answered_symbol(f"S{n}", WEEK, {day: bar(f"S{n}", close=10.9) for day in WEEK}, at=T3)
        for n in range(10)
    ]

    _at_once(
        store_database,
        [
            _writing(again),
            _writing_symbols(symbols[::2]),
            _writing_symbols(symbols[1::2]),
            lambda connection: [cover(connection) for _ in range(30)],
        ],
    )
    cover(store)

    for day in WEEK:
        found = stored(store, day)
        assert by_symbol(bar("S9", close=10.9)) in found
        assert grouped(bar("NEW")) in found
        assert load_of(store, day, "stored") == (42,)  # 50 others without S0 to S9, AAPL and NEW
    covered = store.execute(
        "SELECT count(*), min(bar_count), max(missing_count) FROM data_coverage"
    )
    assert covered.fetchone() == (52, 5, 0)


def test_a_writer_that_is_cut_off_in_the_middle_leaves_nothing(
    store_database: Database, store: Connection
):
    with store_database.connect() as writer, store.transaction(force_rollback=True):
        # Its bars are copied; its record waits for this one, and the connection is cut.
        store.execute(
            "INSERT INTO session_loads (date, status, fetched_at) VALUES (%s, 'failed', now())",
            (JULY_1,),
        )
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write_session, writer, answered(JULY_1, *OTHERS), None)
            _wait_until_it_waits(store, writer)
            store.execute("SELECT pg_terminate_backend(%s)", (writer.info.backend_pid,))
            with pytest.raises(psycopg.OperationalError):
                writing.result()

    assert stored(store, JULY_1) == []
    assert load_of(store, JULY_1, "status") is None


def _wait_until_it_waits(connection: Connection, other: Connection) -> None:
    """Return once `other` waits for what `connection` has locked."""
    for _ in range(600):
        waiting = connection.execute(
            "SELECT pg_backend_pid() = ANY (pg_blocking_pids(%s))", (other.info.backend_pid,)
        ).fetchone()
        if waiting == (True,):
            return
        time.sleep(0.05)
    raise AssertionError("the other never waited")


def _at_once(database: Database, works: Sequence[Work]) -> None:
    """Do each work on a connection of its own, all from one moment on; raises what one raises."""
    ready = Barrier(len(works))

    def do(work: Work) -> None:
        with database.connect() as connection:
            connection.execute("SET statement_timeout = '30s'")
            ready.wait(30)
            work(connection)

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(do, work) for work in works]:
            done.result()


def _writing(answers: Sequence[EncodedSession]) -> Work:
    return lambda connection: [write_session(connection, answer, None) for answer in answers]


def _writing_symbols(answers: Sequence[EncodedSymbol]) -> Work:
    return lambda connection: [write_symbol(connection, answer, None) for answer in answers]
