"""`load_jobs`: how far a job is, and whether a process still works on it."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date

import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.ledger.load_jobs import Job
from universe_pipeline.adapters.postgres.ledger.session_loads import (
    record_empty_answer,
    record_unstored,
)
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import (
    A_DAY,
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    T1,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

RANGE = (date(2024, 6, 29), date(2024, 7, 7))
"""From a Saturday to a Sunday: four sessions."""

NAME = "historical_load_2024-06-29_2024-07-07"

HOLDER = """
import sys, time
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger.load_jobs import hold_lock
with hold_lock(Database(sys.argv[1]), sys.argv[2]) as yes:
    print(bool(yes), flush=True)
    time.sleep(120)
"""


def begin(connection: Connection, name: str = NAME, symbols: Sequence[str] | None = None) -> None:
    load_jobs.begin_job(connection, name, "historical", RANGE, symbols, at=machine())


def only(connection: Connection) -> Job:
    (job,) = load_jobs.jobs(connection, machine())
    return job


def test_a_job_is_as_far_as_the_committed_sessions_of_its_range(store: Connection):
    begin(store)
    write_session(store, answered(JULY_1, bar("A"), bar("B")), None)
    write_session(store, answered(JULY_8, bar("A")), None)  # outside the range
    record_unstored(store, JULY_3, SessionStatus.FAILED, T1, None)
    record_unstored(store, JULY_2, SessionStatus.PENDING, T1, None)
    for day in range(3):
        record_empty_answer(store, JULY_5, T1 + day * A_DAY, None)

    job = only(store)

    assert (job.name, job.kind, job.start, job.end) == (NAME, "historical", *RANGE)
    assert (job.total_dates, job.processed_dates, job.total_bars) == (4, [JULY_1, JULY_5], 2)


def test_a_job_that_has_just_begun_has_done_nothing(store: Connection):
    begin(store)

    job = only(store)

    assert (job.total_dates, job.processed_dates, job.total_bars) == (4, [], 0)


def test_a_job_of_symbols_counts_what_was_asked_for_all_of_them(store: Connection):
    begin(store, symbols=["B", "A"])
    write_symbol(store, answered_symbol("A", [JULY_1, JULY_2, JULY_3], {JULY_2: bar("A")}), None)
    write_symbol(store, answered_symbol("B", [JULY_2], {JULY_2: bar("B")}), None)
    write_symbol(store, answered_symbol("C", [JULY_3], {JULY_3: bar("C")}), None)
    write_session(store, answered(JULY_5, bar("A"), bar("C")), None)

    job = only(store)

    assert job.symbols == ["A", "B"]
    assert (job.total_dates, job.processed_dates, job.total_bars) == (4, [JULY_2, JULY_5], 3)


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted"])
def test_a_job_that_ended_says_how(store: Connection, status: str):
    begin(store)

    load_jobs.end_job(store, NAME, status, machine())

    assert only(store).status == status


def test_a_job_that_is_held_is_in_progress(store: Connection, store_database: Database):
    with load_jobs.hold_lock(store_database, NAME) as held:
        begin(store)

        assert held
        assert only(store).status == "in_progress"


def test_a_job_that_nobody_holds_is_interrupted(store: Connection, store_database: Database):
    with load_jobs.hold_lock(store_database, NAME):
        begin(store)
    _wait_until(lambda: only(store).status != "in_progress")

    assert only(store).status == "interrupted"


def test_a_held_job_without_a_heartbeat_for_15_minutes_is_stuck(
    store: Connection, store_database: Database
):
    with load_jobs.hold_lock(store_database, NAME):
        begin(store)
        statuses: list[str] = []
        for minutes in (14, 16):
            store.execute(
                "UPDATE load_jobs SET last_updated = now() - make_interval(mins => %s)", (minutes,)
            )
            statuses.append(only(store).status)
        load_jobs.set_run(store, NAME, "a run")
        load_jobs.heartbeat(store, "a run", machine())
        statuses.append(only(store).status)

    assert statuses == ["in_progress", "stuck", "in_progress"]


def test_a_job_whose_process_is_killed_is_interrupted(store: Connection, store_database: Database):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store_database.url, NAME], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        said = holder.stdout.readline()
        begin(store)
        living = only(store).status
        holder.kill()
    _wait_until(lambda: only(store).status != "in_progress")

    assert (said, living) == ("True\n", "in_progress")
    assert only(store).status == "interrupted"


def test_a_job_is_held_by_one_at_a_time(store_database: Database):
    with (
        load_jobs.hold_lock(store_database, NAME),
        load_jobs.hold_lock(store_database, NAME) as second,
        load_jobs.hold_lock(store_database, "another") as other,
    ):
        assert (bool(second), bool(other)) == (False, True)


def test_a_job_that_was_let_go_can_be_held_at_once(store_database: Database):
    found: list[bool] = []
    for _ in range(50):
        with load_jobs.hold_lock(store_database, NAME) as held:
            found.append(bool(held))

    assert found == [True] * 50


def test_looking_at_a_job_does_not_keep_it_from_being_held(
    store: Connection, store_database: Database
):
    begin(store)
    with store.transaction():
        load_jobs.jobs(store, machine())

        with load_jobs.hold_lock(store_database, NAME) as held:
            assert held


def test_a_job_that_begins_again_goes_on(store: Connection):
    begin(store)
    write_session(store, answered(JULY_1, bar()), None)
    load_jobs.end_job(store, NAME, "interrupted", machine())

    begin(store)

    assert only(store).processed_dates == [JULY_1]
    assert store.execute("SELECT status FROM load_jobs").fetchall() == [("in_progress",)]


def test_jobs_come_oldest_first(store: Connection):
    for name in ("b", "a", "c"):
        begin(store, name)

    assert [job.name for job in load_jobs.jobs(store, machine())] == ["b", "a", "c"]


def test_a_cleared_checkpoint_counts_what_is_fetched_from_then_on(store: Connection):
    begin(store)
    for day in (JULY_1, JULY_2):
        write_session(store, answered(day, bar()), None)
    load_jobs.end_job(store, NAME, "completed", machine())

    found = load_jobs.clear_checkpoint(store, NAME, machine())
    cleared = only(store)
    since = load_jobs.fresh_since(store, NAME)
    assert since is not None
    write_session(store, answered(JULY_2, bar(), at=since + A_DAY), None)

    assert found
    assert (cleared.status, cleared.processed_dates, cleared.total_bars) == ("interrupted", [], 0)
    assert only(store).processed_dates == [JULY_2]


def test_a_cleared_checkpoint_of_symbols_counts_what_is_asked_from_then_on(store: Connection):
    begin(store, symbols=["A"])
    asked = [JULY_1, JULY_2, JULY_3, JULY_5]
    write_symbol(store, answered_symbol("A", asked, {JULY_1: bar("A")}), None)

    load_jobs.clear_checkpoint(store, NAME, machine())
    cleared = only(store)
    since = load_jobs.fresh_since(store, NAME)
    assert since is not None
    again = answered_symbol("A", asked, {JULY_1: bar("A")}, at=since + A_DAY)
    write_symbol(store, again, None)

    assert cleared.processed_dates == []
    assert only(store).processed_dates == asked


def test_what_is_asked_for_other_sessions_counts_for_no_cleared_checkpoint(store: Connection):
    begin(store, symbols=["A", "B"])
    for symbol in ("A", "B"):
        write_symbol(store, answered_symbol(symbol, [JULY_1, JULY_5], {}), None)

    load_jobs.clear_checkpoint(store, NAME, machine())
    since = load_jobs.fresh_since(store, NAME)
    assert since is not None
    for symbol, asked in (("A", [JULY_3, JULY_8]), ("B", [JULY_2, JULY_3])):
        write_symbol(store, answered_symbol(symbol, asked, {}, at=since + A_DAY), None)

    assert only(store).processed_dates == [JULY_3]


def test_there_is_no_checkpoint_of_an_unknown_job(store: Connection):
    assert not load_jobs.clear_checkpoint(store, "historical_load_x", machine())
    assert load_jobs.fresh_since(store, "historical_load_x") is None


def test_bars_stay_readable_when_a_checkpoint_is_cleared(store: Connection):
    begin(store)
    write_session(store, answered(JULY_1, bar()), None)

    load_jobs.clear_checkpoint(store, NAME, machine())

    assert store.execute("SELECT count(*) FROM daily_bars").fetchone() == (1,)


def _wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")
