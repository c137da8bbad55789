"""`session_loads`: what is recorded of sessions without rows, and what a range still needs."""

from datetime import timedelta

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import (
    record_empty_answer,
    record_unstored,
)
from universe_pipeline.adapters.postgres.ledger.session_states import (
    SessionState,
    committed,
    revisitable,
    sessions_unasked,
    states,
)
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.session_answers import (
    A_DAY,
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    T1,
    T2,
    answered,
    answered_symbol,
    bar,
    load_of,
    stored,
    versions,
    write_session,
    write_symbol,
)

WEEK = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8)


def test_states_are_those_of_the_sessions_asked_about(store: Connection):
    bad = RejectedRow("undecodable", None, {"value": 1})
    write_session(store, answered(JULY_1, bar(), rejected=[bad], final_by_age=True), None)
    record_unstored(store, JULY_2, SessionStatus.PENDING, T2, None)
    record_unstored(store, JULY_8, SessionStatus.FAILED, T2, None)

    found = states(store, [JULY_1, JULY_2, JULY_3])

    assert found == {
        JULY_1: SessionState(
            JULY_1, SessionStatus.LOADED, 2, 1, 1, 0, final=True, fetched_at=T1, run_id=None
        ),
        JULY_2: SessionState(
            JULY_2, SessionStatus.PENDING, 0, 0, 0, 0, final=False, fetched_at=T2, run_id=None
        ),
    }


def test_committed_are_loaded_empty_and_quarantined_sessions(store: Connection):
    for day, status in zip(
        WEEK, ("loaded", "empty", "quarantined", "failed", "pending"), strict=True
    ):
        record_unstored(store, day, SessionStatus.FAILED, T1, None)
        store.execute("UPDATE session_loads SET status = %s WHERE date = %s", (status, day))

    assert committed(store, WEEK) == {JULY_1, JULY_2, JULY_3}
    assert committed(store, [JULY_2, JULY_5]) == {JULY_2}


def test_committed_since_is_what_was_fetched_since(store: Connection):
    write_session(store, answered(JULY_1, bar(), at=T1), None)
    write_session(store, answered(JULY_2, bar(), at=T2), None)

    assert committed(store, WEEK, since=T2) == {JULY_2}


@pytest.mark.parametrize("state", [SessionStatus.FAILED, SessionStatus.PENDING])
def test_what_is_not_stored_is_recorded(store: Connection, state: SessionStatus):
    record_unstored(store, JULY_1, state, T1, "run-1")

    columns = ("status", "received", "stored", "rejected", "final", "fetched_at", "run_id")
    assert load_of(store, JULY_1, *columns) == (state, 0, 0, 0, False, T1, "run-1")


def test_the_later_of_two_that_stored_nothing_counts(store: Connection):
    record_unstored(store, JULY_1, SessionStatus.PENDING, T2, "late")

    record_unstored(store, JULY_1, SessionStatus.FAILED, T1, "early")
    early = load_of(store, JULY_1, "status", "run_id")
    record_unstored(store, JULY_1, SessionStatus.FAILED, T2 + A_DAY, "next")

    assert early == ("pending", "late")
    assert load_of(store, JULY_1, "status", "run_id") == ("failed", "next")


@pytest.mark.parametrize("state", [SessionStatus.FAILED, SessionStatus.PENDING])
def test_a_stored_session_stays_as_it_is(store: Connection, state: SessionStatus):
    write_session(store, answered(JULY_1, bar()), None)
    before = versions(store, "session_loads")

    record_unstored(store, JULY_1, state, T2, None)

    assert versions(store, "session_loads") == before


def test_the_third_empty_answer_on_a_third_day_confirms(store: Connection):
    error = RetryableError(FailureKind.EMPTY, "grouped", "no row on a session")
    confirmed: list[bool] = []
    for day in range(3):
        confirmed.append(record_empty_answer(store, JULY_1, T1 + day * A_DAY, None))
        if not confirmed[-1]:
            record_failure(store, error, Dataset.DAILY_BARS, day=JULY_1)

    assert confirmed == [False, False, True]
    assert load_of(store, JULY_1, "status", "stored", "received") == ("empty", 0, 0)
    assert open_failures(store) == []


def test_empty_answers_of_one_day_count_once(store: Connection):
    hours = [T1 + timedelta(hours=hour) for hour in (0, 1, 2)]

    confirmed = [record_empty_answer(store, JULY_1, at, None) for at in (*hours, hours[0] + A_DAY)]

    assert confirmed == [False] * 4
    assert load_of(store, JULY_1, "status") == ("failed",)


def test_other_failures_in_between_do_not_undo_a_confirmation(store: Connection):
    record_empty_answer(store, JULY_1, T1, None)
    record_unstored(store, JULY_1, SessionStatus.FAILED, T1 + A_DAY, None)
    record_unstored(store, JULY_1, SessionStatus.PENDING, T1 + A_DAY, None)
    record_empty_answer(store, JULY_1, T1 + 2 * A_DAY, None)

    assert record_empty_answer(store, JULY_1, T1 + 3 * A_DAY, None)


def test_rows_in_between_begin_the_count_again(store: Connection):
    for day in range(2):
        record_empty_answer(store, JULY_1, T1 + day * A_DAY, None)
    write_session(store, answered(JULY_1, bar(), at=T1 + 2 * A_DAY), None)

    confirmed = [record_empty_answer(store, JULY_1, T1 + day * A_DAY, None) for day in range(3, 6)]

    assert confirmed == [False] * 3
    assert load_of(store, JULY_1, "status", "stored") == ("loaded", 1)


def test_one_more_empty_answer_confirms_an_empty_session(store: Connection):
    for day in range(3):
        record_empty_answer(store, JULY_1, T1 + day * A_DAY, None)

    again = record_empty_answer(store, JULY_1, T1 + 3 * A_DAY, None)

    assert again
    assert load_of(store, JULY_1, "status") == ("empty",)


def test_rows_after_all_fill_an_empty_session(store: Connection):
    for day in range(3):
        record_empty_answer(store, JULY_1, T1 + day * A_DAY, None)

    write_session(store, answered(JULY_1, bar(), at=T1 + 3 * A_DAY), None)

    assert load_of(store, JULY_1, "status", "empty_on") == ("loaded", [])
    assert len(stored(store, JULY_1)) == 1


def test_the_revisit_is_of_loaded_sessions_that_are_not_final(store: Connection):
    write_session(store, answered(JULY_3, bar()), None)
    write_session(store, answered(JULY_1, bar()), None)
    write_session(store, answered(JULY_2, bar(), final_by_age=True), None)
    record_unstored(store, JULY_5, SessionStatus.FAILED, T1, None)

    assert revisitable(store, WEEK[::-1]) == [JULY_1, JULY_3]
    assert revisitable(store, [JULY_3]) == [JULY_3]


def test_unasked_is_what_neither_endpoint_was_asked_for(store: Connection):
    write_session(store, answered(JULY_1, bar("OTHER")), None)
    write_symbol(store, answered_symbol("AAPL", [JULY_3, JULY_5], {}), None)
    record_unstored(store, JULY_8, SessionStatus.FAILED, T1, None)

    assert sessions_unasked(store, "AAPL", WEEK[::-1]) == [JULY_2, JULY_8]
    assert sessions_unasked(store, "aapl", WEEK) == [JULY_2, JULY_3, JULY_5, JULY_8]


def test_unasked_since_is_what_was_asked_for_before_alone(store: Connection):
    write_session(store, answered(JULY_1, bar("OTHER"), at=T1), None)
    write_session(store, answered(JULY_2, bar("OTHER"), at=T2), None)
    write_symbol(store, answered_symbol("AAPL", [JULY_3, JULY_5], {}, at=T1), None)
    write_symbol(store, answered_symbol("AAPL", [JULY_5, JULY_8], {}, at=T2), None)

    assert sessions_unasked(store, "AAPL", WEEK, since=T2) == [JULY_1, JULY_3]
    assert sessions_unasked(store, "AAPL", WEEK, since=T1) == []
