"""Writing a symbol's answer: who owns a bar, and what each endpoint leaves of the other's."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import permutations

import pytest

from universe_pipeline.adapters.postgres.bars.writing import Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    T1,
    T2,
    T3,
    T4,
    Row,
    answered,
    answered_symbol,
    bar,
    by_symbol,
    grouped,
    load_of,
    requests_of,
    revisions,
    stored,
    versions,
    write_session,
    write_symbol,
)

DAYS = (JULY_1, JULY_2, JULY_3)
OTHERS = [bar(f"S{n}") for n in range(9)]


def test_a_symbols_bars_stand_with_the_sessions_that_were_asked(store: Connection):
    bars = {JULY_1: bar(), JULY_3: bar(close=10.9, vwap=None, transactions=None)}

    write = write_symbol(store, answered_symbol("AAPL", DAYS, bars), None)

    assert write == Write(stored=2, added=2)
    assert stored(store, JULY_1) == [by_symbol(bar())]
    assert stored(store, JULY_3) == [by_symbol(bars[JULY_3])]
    assert _asked(store, "AAPL") == ("{[2024-07-01,2024-07-04)}", T1)


def test_a_symbol_load_marks_no_session(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}), None)

    assert versions(store, "session_loads") == []


def test_nothing_is_an_answer_too(store: Connection):
    write = write_symbol(store, answered_symbol("NONE", DAYS, {}), None)

    assert write == Write(stored=0)
    assert _asked(store, "NONE") == ("{[2024-07-01,2024-07-04)}", T1)


def test_what_was_asked_adds_up(store: Connection):
    write_symbol(store, answered_symbol("AAPL", [JULY_5], {}, at=T2), None)

    write_symbol(store, answered_symbol("AAPL", [JULY_1, JULY_2], {}, at=T1), None)

    assert _asked(store, "AAPL") == ("{[2024-07-01,2024-07-03),[2024-07-05,2024-07-06)}", T2)


SPANS = {T1: (JULY_1, JULY_8), T2: (JULY_2, JULY_3), T3: (JULY_3, JULY_5)}


@pytest.mark.parametrize("order", list(permutations(SPANS)))
def test_whatever_the_order_each_day_belongs_to_the_newest_request_for_it(
    store: Connection, order: Sequence[datetime]
):
    for at in order:
        write_symbol(store, answered_symbol("AAPL", SPANS[at], {}, at=at), None)

    assert requests_of(store, "AAPL") == [
        (T1, "{[2024-07-01,2024-07-02),[2024-07-06,2024-07-09)}"),
        (T2, "{[2024-07-02,2024-07-03)}"),
        (T3, "{[2024-07-03,2024-07-06)}"),
    ]
    assert _asked(store, "AAPL") == ("{[2024-07-01,2024-07-09)}", T3)


@pytest.mark.parametrize("order", list(permutations([T1, T2])))
def test_whatever_the_order_a_request_that_was_repeated_whole_is_forgotten(
    store: Connection, order: Sequence[datetime]
):
    for at in order:
        write_symbol(store, answered_symbol("AAPL", DAYS, {}, at=at), None)

    assert requests_of(store, "AAPL") == [(T2, "{[2024-07-01,2024-07-04)}")]


def test_requests_of_the_same_moment_add_up(store: Connection):
    for day in (JULY_1, JULY_3):
        write_symbol(store, answered_symbol("AAPL", [day], {}), None)

    assert requests_of(store, "AAPL") == [(T1, "{[2024-07-01,2024-07-02),[2024-07-03,2024-07-04)}")]


def test_a_request_takes_no_days_of_another_symbol(store: Connection):
    write_symbol(store, answered_symbol("aapl", DAYS, {}, at=T1), None)

    write_symbol(store, answered_symbol("AAPL", DAYS, {}, at=T2), None)

    assert requests_of(store, "aapl") == [(T1, "{[2024-07-01,2024-07-04)}")]


def test_the_same_answer_again_writes_no_bar(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}), None)
    before = versions(store)

    write = write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, at=T2), None)

    assert write == Write(stored=1)
    assert versions(store) == before


def test_a_later_symbol_answer_takes_over_a_grouped_bar(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, bar(close=10.1), at=T1), None)

    write = write_symbol(
        store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.2)}, at=T2), "repair"
    )

    assert write == Write(stored=1, revised=1)
    assert stored(store, JULY_1) == [by_symbol(bar(close=10.2)), *map(grouped, OTHERS)]
    assert revisions(store, "close", "source", "believed_from", "run_id") == [
        (10.1, "grouped", T1, "repair")
    ]


def test_a_bar_that_only_changes_hands_is_no_revision(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, bar(), at=T1), None)

    write = write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, at=T2), None)

    assert write == Write(stored=1)
    assert stored(store, JULY_1)[0] == by_symbol(bar())
    assert revisions(store, "symbol") == []


def test_the_session_counts_its_own_bars_and_forgets_its_hash(store: Connection):
    bad = RejectedRow("undecodable", None, {"value": 1})
    write_session(store, answered(JULY_1, *OTHERS, bar(), rejected=[bad], at=T1), None)
    write_session(store, answered(JULY_2, *OTHERS, bar(), at=T1), None)

    write_symbol(store, answered_symbol("AAPL", [JULY_1], {JULY_1: bar()}, at=T2), None)

    columns = ("received", "stored", "rejected", "content_hash")
    assert load_of(store, JULY_1, *columns) == (10, 9, 1, None)
    assert load_of(store, JULY_2, *columns[:3]) == (10, 10, 0)


def test_a_later_grouped_answer_takes_the_bar_back(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, bar(close=10.1), at=T1), None)
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.2)}, at=T2), None)

    write = write_session(store, answered(JULY_1, *OTHERS, bar(close=10.1), at=T3), None)

    assert write == Write(stored=10, revised=1, status=SessionStatus.LOADED)
    assert stored(store, JULY_1)[0] == grouped(bar(close=10.1))
    assert load_of(store, JULY_1, "stored", "received") == (10, 10)


def test_a_grouped_answer_leaves_symbol_bars_that_it_lacks(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, at=T1), None)
    write_symbol(store, answered_symbol("HALT", DAYS, {JULY_1: bar("HALT")}, at=T2), None)

    write = write_session(store, answered(JULY_1, *OTHERS, bar("T"), at=T3), None)

    assert write == Write(stored=10, added=1, status=SessionStatus.LOADED)
    assert by_symbol(bar("HALT")) in stored(store, JULY_1)
    assert load_of(store, JULY_1, "stored") == (10,)


def test_a_first_grouped_answer_joins_symbol_bars(store: Connection):
    write_symbol(store, answered_symbol("HALT", DAYS, {JULY_1: bar("HALT")}, at=T1), None)

    write = write_session(store, answered(JULY_1, bar("A"), at=T2), None)

    assert write == Write(stored=1, added=1, status=SessionStatus.LOADED)
    assert stored(store, JULY_1) == [grouped(bar("A")), by_symbol(bar("HALT"))]


def test_a_symbol_answer_leaves_grouped_bars_that_it_lacks(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, bar(), at=T1), None)
    before = versions(store)

    write = write_symbol(store, answered_symbol("AAPL", DAYS, {}, at=T2), None)

    assert write == Write(stored=0)
    assert versions(store) == before
    assert load_of(store, JULY_1, "stored") == (10,)


def test_a_symbol_answer_removes_symbol_bars_that_it_lacks(store: Connection):
    bars = {JULY_1: bar(), JULY_2: bar(close=10.2), JULY_5: bar()}
    write_symbol(store, answered_symbol("AAPL", (*DAYS, JULY_5), bars, at=T1), None)

    write = write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, at=T2), None)

    assert write == Write(stored=1, revised=1)
    assert [len(stored(store, day)) for day in (*DAYS, JULY_5)] == [1, 0, 0, 1]
    assert revisions(store, "date", "close", "source") == [(JULY_2, 10.2, "symbol")]


def test_a_symbols_bar_is_believed_from_when_it_came_in(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, at=T1), None)
    added = store.execute("SELECT added_at FROM bar_additions").fetchone()

    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.9)}, at=T2), None)

    assert revisions(store, "believed_from") == [added]


def test_sessions_of_a_later_grouped_request_keep_their_bar(store: Connection):
    write_session(store, answered(JULY_1, bar(close=10.1), at=T2), None)
    answer = answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.2), JULY_2: bar()}, at=T1)

    write = write_symbol(store, answer, None)

    assert write == Write(stored=1, added=1)
    assert write.overtaken == 1
    assert stored(store, JULY_1) == [grouped(bar(close=10.1))]
    assert stored(store, JULY_2) == [by_symbol(bar())]


@pytest.mark.parametrize("state", [SessionStatus.FAILED, SessionStatus.PENDING])
def test_a_later_request_that_stored_nothing_keeps_no_bar_out(
    store: Connection, state: SessionStatus
):
    record_unstored(store, JULY_1, state, T2, None)

    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, at=T1), None)

    assert stored(store, JULY_1) == [by_symbol(bar())]


def test_an_earlier_grouped_request_that_is_written_later_takes_no_bar(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.2)}, at=T2), None)

    write_session(store, answered(JULY_1, *OTHERS, bar(close=10.1), at=T1), None)

    assert stored(store, JULY_1)[0] == by_symbol(bar(close=10.2))


def test_a_later_request_for_other_sessions_keeps_no_grouped_bar_out(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.1)}, at=T1), None)
    write_symbol(store, answered_symbol("AAPL", [JULY_5], {}, at=T3), None)

    write = write_session(store, answered(JULY_1, *OTHERS, bar(close=10.2), at=T2), None)

    assert write == Write(stored=10, revised=1, added=9, status=SessionStatus.LOADED)
    assert stored(store, JULY_1)[0] == grouped(bar(close=10.2))


def test_a_later_request_for_other_sessions_keeps_no_bar_of_the_symbol_out(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.1)}, at=T1), None)
    write_symbol(store, answered_symbol("AAPL", [JULY_3, JULY_5], {}, at=T4), None)
    bars = {JULY_1: bar(close=10.2), JULY_3: bar(close=10.2)}

    write = write_symbol(store, answered_symbol("AAPL", DAYS, bars, at=T2), None)

    assert write == Write(stored=1, revised=1)
    assert write.overtaken == 1
    assert stored(store, JULY_1) == [by_symbol(bar(close=10.2))]
    assert stored(store, JULY_3) == []


def test_an_earlier_symbol_request_that_is_written_later_takes_no_bar(store: Connection):
    write_symbol(store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.2)}, at=T2), None)

    write_symbol(
        store, answered_symbol("AAPL", DAYS, {JULY_1: bar(close=10.1), JULY_2: bar()}, at=T1), None
    )

    assert stored(store, JULY_1) == [by_symbol(bar(close=10.2))]


@pytest.mark.parametrize("symbol_is_later", [False, True])
@pytest.mark.parametrize("symbol_is_written_first", [False, True])
@pytest.mark.parametrize(
    ("session_has", "symbol_has"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_whatever_the_order_the_later_of_those_that_have_a_bar_owns_it(
    store: Connection,
    symbol_is_later: bool,
    symbol_is_written_first: bool,
    session_has: bool,
    symbol_has: bool,
):
    session_at, symbol_at = (T1, T2) if symbol_is_later else (T2, T1)
    rows = [*OTHERS, bar(close=10.1)] if session_has else OTHERS
    bars = {JULY_1: bar(close=10.2)} if symbol_has else {}

    if symbol_is_written_first:
        write_symbol(store, answered_symbol("AAPL", DAYS, bars, at=symbol_at), None)
    write_session(store, answered(JULY_1, *rows, at=session_at), None)
    if not symbol_is_written_first:
        write_symbol(store, answered_symbol("AAPL", DAYS, bars, at=symbol_at), None)

    owned_by_symbol = symbol_has and (symbol_is_later or not session_has)
    expected = [by_symbol(bar(close=10.2))] if owned_by_symbol else []
    if session_has and not owned_by_symbol:
        expected = [grouped(bar(close=10.1))]
    assert stored(store, JULY_1) == [*expected, *map(grouped, OTHERS)]
    count = 9 + (session_has and not owned_by_symbol)
    assert load_of(store, JULY_1, "stored", "received") == (count, count)


def test_an_overtaken_session_answer_removes_no_bar_of_the_one_before(store: Connection):
    write_session(store, answered(JULY_1, *OTHERS, bar(close=10.1), at=T1), None)
    write_symbol(store, answered_symbol("AAPL", DAYS, {}, at=T3), None)

    write_session(store, answered(JULY_1, *OTHERS, bar(close=10.3), at=T2), None)

    assert stored(store, JULY_1)[0] == grouped(bar(close=10.3))


@pytest.mark.parametrize(
    "payload", [{"T": "AAPL", "c": None}, {"t": 1719806400000, "o": "ten"}, {"value": 7}]
)
def test_a_rejected_row_does_not_stop_the_others(store: Connection, payload: dict[str, object]):
    bad = RejectedRow("undecodable", "AAPL", payload)

    write = write_symbol(
        store, answered_symbol("AAPL", DAYS, {JULY_1: bar()}, rejected=[bad]), "run"
    )

    assert write == Write(stored=1, rejected=1, added=1)
    assert _rejected(store) == [("AAPL", "undecodable", payload)]


def test_a_reload_of_a_symbol_replaces_its_rejected_rows(store: Connection):
    bad = RejectedRow("undecodable", "AAPL", {"date": "2024-07-01", "value": 7})

    for at in (T1, T2):
        write_symbol(store, answered_symbol("AAPL", DAYS, {}, at=at, rejected=[bad]), None)

    assert len(_rejected(store)) == 1


def test_a_symbol_load_resolves_the_failures_of_its_symbol_alone(store: Connection):
    error = RetryableError(FailureKind.TIMEOUT, "/v2", "too slow")
    wanted: list[tuple[date | None, str | None]] = [
        (JULY_1, "AAPL"),
        (JULY_1, "aapl"),
        (JULY_1, None),
    ]
    for day, symbol in wanted:
        record_failure(
            store,
            error,
            Dataset.SYMBOL_BARS if symbol else Dataset.DAILY_BARS,
            day=day,
            symbol=symbol,
        )

    write_symbol(store, answered_symbol("AAPL", DAYS, {}), None)

    left = store.execute("SELECT symbol FROM data_fetch_errors WHERE resolved_at IS NULL")
    assert left.fetchall() == [("aapl",), (None,)]


def test_symbols_are_text_not_sql(store: Connection):
    name = "x');DROP--%s{}"

    write_symbol(store, answered_symbol(name, DAYS, {JULY_1: bar(name)}), None)

    assert stored(store, JULY_1) == [by_symbol(bar(name))]


def _asked(connection: Connection, symbol: str) -> Row | None:
    return connection.execute(
        "SELECT loaded::text, fetched_at FROM symbol_loads WHERE symbol = %s", (symbol,)
    ).fetchone()


def _rejected(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, rule, payload FROM rejected_bars ORDER BY id"
    ).fetchall()
