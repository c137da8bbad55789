"""What was ever asked for: by loads, by jobs that came to nothing, and for chosen symbols."""

from datetime import date

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked, lacking
from universe_pipeline.adapters.postgres.ledger.load_jobs import begin_job
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    JULY_9,
    T1,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

FAILED = """
    INSERT INTO data_fetch_errors
        (dataset, endpoint, symbol, date, kind, message, attempts, retryable)
    VALUES ('symbol_bars', '/x', %s, %s, 'not_found', 'm', 1, false)
    """


def details(connection: Connection, *days: date, newest: date = JULY_9) -> list[str]:
    found = lacking(connection, ever_asked(connection, newest), days, newest, 3)
    return [f"{one.session} {one.symbol or '-'} {one}" for one in found]


def test_nothing_was_asked_for_at_first(store: Connection):
    assert ever_asked(store, JULY_9).sessions == []
    assert lacking(store, ever_asked(store, JULY_9), [], JULY_9, 3) == []


@pytest.mark.parametrize("status", [SessionStatus.FAILED, SessionStatus.PENDING])
def test_ends_count_also_where_they_failed_or_are_not_out(store: Connection, status: SessionStatus):
    record_unstored(store, JULY_1, status, T1, None)
    write_session(store, answered(JULY_3, bar()), None)
    record_unstored(store, JULY_8, status, T1, None)

    asked = ever_asked(store, JULY_9)

    assert asked.sessions == [JULY_1, JULY_2, JULY_3, JULY_5, JULY_8]
    assert details(store, *asked.sessions) == [
        f"2024-07-01 - {status}",
        "2024-07-02 - not asked for",
        "2024-07-05 - not asked for",
        f"2024-07-08 - {status}",
    ]


@pytest.mark.parametrize("kind", ["historical", "daily", "retry"])
def test_a_job_that_ended_before_its_first_session_asked_for_its_range(
    store: Connection, kind: str
):
    begin_job(store, "j", kind, (JULY_2, date(2030, 1, 1)), at=machine())

    assert ever_asked(store, JULY_5).sessions == [JULY_2, JULY_3, JULY_5]
    assert ever_asked(store, JULY_1).sessions == []


def test_a_symbol_job_asked_for_its_sessions_for_its_symbols_alone(store: Connection):
    write_session(store, answered(JULY_8, bar()), None)
    begin_job(store, "j", "symbols", (JULY_1, JULY_3), ["A", "B", "C"], at=machine())
    days = [JULY_1, JULY_2, JULY_3]
    write_symbol(store, answered_symbol("A", days, {day: bar("A") for day in days}), None)
    store.execute(FAILED, ("B", JULY_1))

    asked = ever_asked(store, JULY_9)

    assert (asked.whole, asked.sessions) == ((JULY_8,), [*days, JULY_8])
    assert details(store, *asked.sessions) == [
        "2024-07-01 B 3 sessions failed, not_found",
        "2024-07-01 C 3 sessions not asked for",
    ]
    assert details(store, JULY_1, JULY_2, JULY_3, JULY_5)[0] == "2024-07-05 - not asked for"


def test_the_newest_bar_of_a_symbol_may_not_be_out_yet(store: Connection):
    begin_job(store, "j", "symbols", (JULY_1, JULY_8), ["A"], at=machine())
    write_symbol(store, answered_symbol("A", [JULY_1], {JULY_1: bar("A")}), None)

    assert details(store, JULY_1, JULY_8, newest=JULY_8) == []
    assert details(store, JULY_1, JULY_8) == ["2024-07-02 A 1 session not asked for"]
