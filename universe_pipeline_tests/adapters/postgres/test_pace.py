"""One pace for all who share the database.

When a turn was given is read off the database's clock, so that a slow machine fails no test: it
only makes turns later.
"""

import os
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise

import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres import pace
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.pace import SharedPace

WINDOW = 0.5
"""Stands for the minute."""


@pytest.fixture
def turns(store: Connection, monkeypatch: pytest.MonkeyPatch) -> Generator[Connection]:
    """A database in which every turn that is given is noted, and in which minutes are short."""
    monkeypatch.setattr(pace, "MINUTE", WINDOW)
    store.execute(
        """
        CREATE TABLE turns (at double precision);
        CREATE TABLE sent (at double precision);
        CREATE FUNCTION note_turn() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO turns VALUES (extract(epoch FROM new.due)); RETURN new; END $$;
        CREATE TRIGGER note_turn AFTER UPDATE ON request_slots
            FOR EACH ROW EXECUTE FUNCTION note_turn();
        """
    )
    yield store
    store.execute("DROP TABLE turns, sent; DROP FUNCTION note_turn CASCADE")


Two = tuple[SharedPace, SharedPace]


@pytest.fixture
def two(turns: Connection, store_database: Database) -> Generator[Callable[[int], Two]]:
    """Makes the paces of two processes with the same limit; they are closed after the test."""
    with ExitStack() as stack:

        def made(limit: int) -> SharedPace:
            return stack.enter_context(closing(SharedPace(store_database, limit)))

        yield lambda limit: (made(limit), made(limit))


def noted(connection: Connection, table: str) -> list[float]:
    query = sql.SQL("SELECT at FROM {} ORDER BY at").format(sql.Identifier(table))
    return [row[0] for row in connection.execute(query)]


def send(database: Database, shared: SharedPace, times: int) -> None:
    """Wait for a turn, and note on the database's clock that it has come, so many times."""
    with database.connect() as connection:
        for _ in range(times):
            shared.wait()
            connection.execute("INSERT INTO sent SELECT extract(epoch FROM clock_timestamp())")


@pytest.mark.parametrize("processes", [1, 3])
def test_no_window_has_more_turns_than_the_limit_however_many_ask(
    turns: Connection, store_database: Database, processes: int
):
    paces = [SharedPace(store_database, 4) for _ in range(processes)]

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(send, store_database, paces[n % processes], 3) for n in range(6)]
        for each in asking:
            each.result()
    for shared in paces:
        shared.close()

    given = [due - WINDOW for due in noted(turns, "turns")]
    assert len(given) == 18
    assert all(
        fifth - first >= WINDOW - 1e-5 for first, fifth in zip(given, given[4:], strict=False)
    )
    sent = noted(turns, "sent")
    assert all(at >= turn - 1e-3 for at, turn in zip(sent, given, strict=True))


def test_a_pause_gives_no_turns_in_store(turns: Connection, store_database: Database):
    with closing(SharedPace(store_database, 2)) as shared:
        send(store_database, shared, 2)
        time.sleep(3 * WINDOW)
        send(store_database, shared, 3)

    given = noted(turns, "turns")
    assert all(
        third - first >= WINDOW - 1e-5 for first, third in zip(given, given[2:], strict=False)
    )


def test_a_new_process_inherits_the_turns_that_were_taken(
    turns: Connection, store_database: Database
):
    for _ in range(3):
        with closing(SharedPace(store_database, 1)) as shared:
            send(store_database, shared, 1)

    given = noted(turns, "turns")
    assert all(second - first >= WINDOW - 1e-5 for first, second in pairwise(given))


def test_a_back_off_holds_everybody(two: Callable[[int], Two]):
    one, other = two(100)
    one.wait()
    began = time.monotonic()

    one.back_off(0.6)
    other.wait()
    others = time.monotonic() - began
    one.wait()

    assert others >= 0.6
    assert time.monotonic() - began >= 0.6


def test_a_shorter_back_off_does_not_end_a_longer_one(turns: Connection, store_database: Database):
    with closing(SharedPace(store_database, 100)) as shared:
        began = time.monotonic()

        shared.back_off(0.6)
        shared.back_off(0.1)
        shared.wait()

    assert time.monotonic() - began >= 0.6


def test_a_429_holds_the_unpaced_too(turns: Connection, two: Callable[[int], Two]):
    one, other = two(0)
    began = time.monotonic()
    one.wait()

    one.back_off(0.3)
    other.wait()

    assert time.monotonic() - began >= 0.3
    assert turns.execute("SELECT count(*) FROM request_slots").fetchone() == (0,)


def test_the_unpaced_look_for_a_429_now_and_then(two: Callable[[int], Two]):
    one, other = two(0)
    other.wait()
    began = time.monotonic()

    one.back_off(2.0)
    while time.monotonic() - began < 1.0:  # a wait that heeds it ends after two seconds
        other.wait()

    assert time.monotonic() - began >= 2.0


def test_between_two_looks_the_unpaced_ask_nothing_but_heed_their_own_429(
    turns: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace, "LOOK_AGAIN", 3_600.0)
    with closing(SharedPace(store_database, 0)) as shared:
        shared.wait()
        turns.execute("INSERT INTO request_pause (id, until) VALUES (1, 'infinity')")
        shared.wait()  # a look would never return
        turns.execute("DELETE FROM request_pause")

        began = time.monotonic()
        shared.back_off(0.3)
        shared.wait()

        assert time.monotonic() - began >= 0.3
        shared.close()
        with pytest.raises(CancelledError):
            shared.wait()


def test_without_a_limit_a_process_sends_so_many_a_second_evenly(
    turns: Connection, store_database: Database
):
    sent: list[float] = []
    with (
        closing(SharedPace(store_database, 0, per_second=50)) as shared,
        ThreadPoolExecutor(8) as threads,
    ):

        def ask(_: int) -> None:
            shared.wait()
            sent.append(time.monotonic())

        list(threads.map(ask, range(20)))

    assert max(sent) - min(sent) >= 0.3  # 19 x 20 ms, of which a late first one takes some
    assert noted(turns, "turns") == []


def test_a_process_with_turns_in_store_still_sends_so_many_a_second(
    turns: Connection, store_database: Database
):
    began = time.monotonic()

    with closing(SharedPace(store_database, 1_000, per_second=50)) as shared:
        send(store_database, shared, 20)

    assert time.monotonic() - began >= 0.38
    assert len(noted(turns, "turns")) == 20


def test_who_waits_for_a_turn_when_a_429_comes_waits_longer(
    turns: Connection, store_database: Database, two: Callable[[int], Two]
):
    one, other = two(1)
    with ThreadPoolExecutor() as pool:
        one.wait()
        waiting = pool.submit(send, store_database, other, 1)
        while len(noted(turns, "turns")) < 2:
            time.sleep(0.01)

        one.back_off(1.5)
        waiting.result()

    (sent,) = noted(turns, "sent")
    assert sent >= noted(turns, "turns")[0] - WINDOW + 1.5
    newest = noted(turns, "turns")[-1] - WINDOW
    assert len(noted(turns, "turns")) == 4  # one each, those put off, and another
    assert sent >= newest - 0.01


def test_while_somebody_is_urgent_others_take_no_turn(turns: Connection, store_database: Database):
    patient = SharedPace(store_database, 100)
    urgent = SharedPace(store_database, 100, urgent=True)
    urgent.wait()

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(send, store_database, patient, 1)
        for _ in range(5):
            urgent.wait()
            time.sleep(0.05)
        before = noted(turns, "sent")
        urgent.close()
        waiting.result()
    patient.close()

    assert before == []
    assert len(noted(turns, "sent")) == 1


def test_the_pace_survives_the_loss_of_its_connection(turns: Connection, store_database: Database):
    with closing(SharedPace(store_database, 2)) as shared:
        send(store_database, shared, 1)
        turns.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        send(store_database, shared, 1)
        turns.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        shared.back_off(0.1)

    assert len(noted(turns, "sent")) == 2


def test_closing_wakes_whoever_waits_and_lets_nobody_send(
    store_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace, "MINUTE", 3600.0)
    shared = SharedPace(store_database, 1)
    shared.wait()

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(shared.wait) for _ in range(2)]
        shared.close()
        shared.close()

        for each in waiting:
            with pytest.raises(CancelledError):
                each.result()
    with pytest.raises(CancelledError):
        shared.wait()


AN_HOUR = "set_at = set_at + interval '1 hour'"


def test_a_database_clock_that_is_set_back_stops_nobody_for_longer_than_the_pace(
    turns: Connection, store_database: Database
):
    with closing(SharedPace(store_database, 2)) as shared:
        send(store_database, shared, 2)
        shared.back_off(0.2)
        # To the database it is now an hour earlier than when these rows were written.
        turns.execute(f"UPDATE request_slots SET due = due + interval '1 hour', {AN_HOUR}")
        turns.execute(f"UPDATE request_pause SET until = until + interval '1 hour', {AN_HOUR}")
        began = time.monotonic()

        send(store_database, shared, 3)

    assert 0.2 <= time.monotonic() - began < 60.0
    assert turns.execute(
        "SELECT count(*) FROM request_slots"
        " WHERE slot < 2 AND due > clock_timestamp() + interval '1 minute'"
    ).fetchone() == (0,)


class Sleepy(SharedPace):
    """A process that the machine wakes late for its first turn."""

    def _sleep_until(self, due: float) -> None:
        super()._sleep_until(due + 0.3 if self._overslept == 0 else due)
        self._overslept += 1

    _overslept = 0


def test_a_late_sender_moves_its_slot_on(
    turns: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace, "MINUTE", 2.0)
    with (
        closing(Sleepy(store_database, 1)) as late,
        closing(SharedPace(store_database, 1)) as next_,
    ):
        send(store_database, late, 1)
        send(store_database, next_, 1)

    first, second = noted(turns, "sent")
    # The first is noted a moment after its turn; a slot that had not moved on would take off 0.3 s.
    assert second - first >= 2.0 - 0.15


def test_a_sender_that_is_half_a_minute_late_takes_another_turn(
    turns: Connection, store_database: Database
):
    with closing(Sleepy(store_database, 1)) as late:
        send(store_database, late, 1)

    assert len(noted(turns, "turns")) == 3  # the missed one, moved on, and another


def test_a_long_wait_for_urgent_requests_names_their_process(
    two: Callable[[int], Two],
    store_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pace, "EXPLAIN_AFTER", 0.2)
    monkeypatch.setattr(pace, "GIVE_WAY", 0.05)
    caplog.set_level("INFO", "universe_pipeline.pace")
    other, _ = two(100)
    with closing(SharedPace(store_database, 100, urgent=True)) as urgent, ThreadPoolExecutor() as p:
        urgent.wait()
        waiting = p.submit(other.wait)
        time.sleep(1)
        urgent.close()
        waiting.result()

    (line,) = [record.message for record in caplog.records if "urgent" in record.message]
    assert line.startswith("requests wait: urgent ones go first, of ")
    assert f"process {os.getpid()}" in line


def test_a_sender_that_waits_for_the_database_moves_its_slot_on(
    turns: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace, "MINUTE", 2.0)
    with (
        closing(SharedPace(store_database, 1)) as late,
        closing(SharedPace(store_database, 1)) as next_,
        ThreadPoolExecutor() as pool,
    ):
        with turns.transaction():
            turns.execute("LOCK TABLE request_pause IN ACCESS EXCLUSIVE MODE")
            waiting = pool.submit(send, store_database, late, 1)
            time.sleep(0.6)
        waiting.result()
        send(store_database, next_, 1)

    first, second = noted(turns, "sent")
    assert second - first >= 2.0 - pace.LATE
