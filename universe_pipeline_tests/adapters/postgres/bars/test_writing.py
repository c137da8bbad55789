"""Writing a session's answer: what stands, what is revised, what a failure leaves."""

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from universe_pipeline.adapters.postgres.bars.writing import Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import (
    record_empty_answer,
    record_unstored,
)
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.session_answers import (
    A_DAY,
    JULY_1,
    JULY_2,
    T1,
    T2,
    T3,
    T4,
    answered,
    bar,
    grouped,
    load_of,
    revisions,
    stored,
    versions,
    write_session,
)

TEN = [bar(f"S{n}") for n in range(10)]


def test_a_first_load_stands_row_for_row(store: Connection):
    rows = [
        bar("BCPC"),
        bar("BCpC", volume=0.0, vwap=None, transactions=None),
        bar("NA", open=0.1 + 0.2, high=1e300, low=5e-324, close=1 / 3, volume=213849.305802),
        bar("Ä", vwap=None),
        bar("ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ", transactions=9_007_199_254_740_993),
    ]

    write = write_session(store, answered(JULY_1, *reversed(rows)), "run")

    assert write == Write(stored=5, added=5, status=SessionStatus.LOADED)
    assert stored(store, JULY_1) == [grouped(row) for row in rows]


def test_a_load_leaves_its_record(store: Connection):
    bad = RejectedRow("undecodable", "B", {"T": "B", "o": "x"})

    write_session(store, answered(JULY_1, bar(), rejected=[bad]), "run-1")

    columns = ("status", "received", "stored", "rejected", "revised", "final", "source", "run_id")
    assert load_of(store, JULY_1, *columns) == ("loaded", 2, 1, 1, 0, False, "grouped", "run-1")
    assert load_of(store, JULY_1, "fetched_at", "covered") == (T1, False)


def test_an_identical_answer_writes_no_bar(store: Connection):
    write_session(store, answered(JULY_1, bar("A"), bar("B", vwap=None)), None)
    before = versions(store)

    write = write_session(store, answered(JULY_1, bar("B", vwap=None), bar("A"), at=T2), None)

    assert versions(store) == before
    assert write == Write(stored=2, status=SessionStatus.LOADED)
    assert load_of(store, JULY_1, "revised", "fetched_at") == (0, T2)
    assert revisions(store) == []


def test_an_identical_answer_of_a_covered_session_stays_covered(store: Connection):
    write_session(store, answered(JULY_1, bar("A")), None)
    store.execute("UPDATE session_loads SET covered = true")

    write_session(store, answered(JULY_1, bar("A"), at=T2), None)

    assert load_of(store, JULY_1, "covered") == (True,)


def test_a_changed_answer_of_a_covered_session_is_to_be_covered_again(store: Connection):
    write_session(store, answered(JULY_1, bar("A")), None)
    store.execute("UPDATE session_loads SET covered = true")

    write_session(store, answered(JULY_1, bar("A"), bar("B"), at=T2), None)

    assert load_of(store, JULY_1, "covered") == (False,)


def test_a_changed_answer_writes_only_what_differs(store: Connection):
    write_session(store, answered(JULY_1, *TEN, bar("T", close=10.7)), None)
    before = set(versions(store))
    rows = [*TEN[1:], bar("S0", volume=999.5), bar("U")]

    write = write_session(store, answered(JULY_1, *rows, at=T2), "run-2")

    assert stored(store, JULY_1) == sorted(grouped(row) for row in rows)
    assert write == Write(stored=11, revised=2, added=1, status=SessionStatus.LOADED)
    assert len(before.intersection(versions(store))) == 9
    assert load_of(store, JULY_1, "stored", "received", "revised") == (11, 11, 2)


def test_old_values_go_to_the_revisions(store: Connection):
    removed = bar("R", close=10.7, vwap=None, transactions=None)
    write_session(store, answered(JULY_1, *TEN, removed), "run-1")

    write_session(store, answered(JULY_1, bar("S0", close=10.6), *TEN[1:], at=T2), "run-2")

    values = ("open", "high", "low", "close", "volume", "vwap", "transactions", "source")
    assert revisions(store, "symbol", *values) == [grouped(removed), grouped(TEN[0])]
    assert revisions(store, "date", "believed_from", "run_id") == [(JULY_1, T1, "run-2")] * 2


@pytest.mark.parametrize(
    "change", [{"vwap": None}, {"transactions": None}, {"vwap": 10.3}, {"volume": 1000.000001}]
)
def test_any_value_that_differs_is_a_revision(store: Connection, change: dict[str, Any]):
    write_session(store, answered(JULY_1, bar()), None)

    write = write_session(store, answered(JULY_1, bar(**change), at=T2), None)

    assert write.revised == 1
    assert stored(store, JULY_1) == [grouped(bar(**change))]


def test_each_revision_begins_where_the_one_before_it_ends(store: Connection):
    for at, close in ((T1, 10.1), (T2, 10.2), (T3, 10.3)):
        write_session(store, answered(JULY_1, bar(close=close), at=at), None)

    first, second = revisions(store, "close", "believed_from", "replaced_at")
    assert first[:2] == (10.1, T1)
    assert second[:2] == (10.2, first[2])
    assert second[2] > second[1]


def test_a_bar_that_comes_in_later_is_believed_from_then(store: Connection):
    write_session(store, answered(JULY_1, *TEN), None)
    before = _now(store)
    write_session(store, answered(JULY_1, *TEN, bar("NEW"), at=T2), None)
    after = _now(store)

    write_session(store, answered(JULY_1, *TEN, at=T3), None)

    ((symbol, believed_from),) = revisions(store, "symbol", "believed_from")
    assert symbol == "NEW"
    assert before < believed_from < after


def test_a_bar_that_comes_back_is_believed_from_its_return(store: Connection):
    write_session(store, answered(JULY_1, *TEN, bar("BACK")), None)
    write_session(store, answered(JULY_1, *TEN, at=T2), None)
    before = _now(store)
    write_session(store, answered(JULY_1, *TEN, bar("BACK"), at=T3), None)

    write_session(store, answered(JULY_1, *TEN, bar("BACK", close=10.9), at=T4), None)

    (first, second) = revisions(store, "symbol", "believed_from")
    assert first == ("BACK", T1)
    assert second[1] > before


def test_an_empty_answer_before_the_first_bars_is_no_belief_in_them(store: Connection):
    record_empty_answer(store, JULY_1, T1 - A_DAY, None)
    write_session(store, answered(JULY_1, bar(), at=T1), None)

    write_session(store, answered(JULY_1, bar(close=10.9), at=T2), None)

    assert revisions(store, "believed_from") == [(T1,)]


def test_a_collapsed_answer_replaces_nothing(store: Connection):
    write_session(store, answered(JULY_1, *TEN), "run-1")
    before = versions(store), versions(store, "session_loads")

    write = write_session(store, answered(JULY_1, *TEN[:8], at=T2), "run-2")

    assert write == Write(stored=10, collapsed=True)
    assert (versions(store), versions(store, "session_loads")) == before


def test_an_answer_with_nine_tenths_of_the_rows_is_taken(store: Connection):
    write_session(store, answered(JULY_1, *TEN), None)

    write = write_session(store, answered(JULY_1, *TEN[:9], at=T2), None)

    assert write == Write(stored=9, revised=1, status=SessionStatus.LOADED)


def test_rejected_rows_are_no_rows_of_a_collapse(store: Connection):
    write_session(store, answered(JULY_1, *TEN), None)
    rejected = [RejectedRow("undecodable", None, {"value": n}) for n in range(5)]

    write = write_session(store, answered(JULY_1, *TEN[:8], rejected=rejected, at=T2), None)

    assert write.collapsed
    assert store.execute("SELECT count(*) FROM rejected_bars").fetchone() == (0,)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_requests_the_later_wins_whichever_is_written_first(store: Connection, turned: bool):
    early = answered(JULY_1, bar(close=10.1), at=T1)
    late = answered(JULY_1, bar(close=10.2), at=T2)

    for answer in (late, early) if turned else (early, late):
        write_session(store, answer, None)

    assert stored(store, JULY_1) == [grouped(bar(close=10.2))]
    assert load_of(store, JULY_1, "fetched_at") == (T2,)


def test_a_superseded_answer_changes_nothing(store: Connection):
    write_session(store, answered(JULY_1, bar(), at=T2), None)
    before = versions(store), versions(store, "session_loads")

    write = write_session(store, answered(JULY_1, bar(close=9.9), bar("B"), at=T1), None)

    assert write == Write(stored=1, superseded=True)
    assert (versions(store), versions(store, "session_loads")) == before


@pytest.mark.parametrize("state", [SessionStatus.FAILED, SessionStatus.PENDING])
def test_an_answer_is_not_superseded_by_a_later_request_that_stored_nothing(
    store: Connection, state: SessionStatus
):
    record_unstored(store, JULY_1, state, T2, None)

    write = write_session(store, answered(JULY_1, bar(), at=T1), None)

    assert write == Write(stored=1, added=1, status=SessionStatus.LOADED)
    assert load_of(store, JULY_1, "status") == ("loaded",)


def test_rejected_rows_are_kept_as_sent_and_replaced_by_a_reload(store: Connection):
    first = [
        RejectedRow("undecodable", None, {"value": [1, "x", None]}),
        RejectedRow("symbol_form", "A\0B", {"T": "A\0B", "nested": {"k\0": ["\ud800"]}}),
    ]
    write_session(store, answered(JULY_1, bar(), rejected=first), "run-1")
    write_session(store, answered(JULY_2, bar(), rejected=first[:1]), "run-1")
    kept = _rejected(store, JULY_1)

    again = [RejectedRow("duplicate", "AAPL", {"T": "AAPL", "c": 10.5})]
    write_session(store, answered(JULY_1, bar(), rejected=again, at=T2), "run-2")

    assert kept == [
        (None, "undecodable", {"value": [1, "x", None]}, T1, "run-1"),
        (
            *("A\\u0000B", "symbol_form"),
            {"T": "A\\u0000B", "nested": {"k\\u0000": ["\\ud800"]}},
            *(T1, "run-1"),
        ),
    ]
    assert _rejected(store, JULY_1) == [
        ("AAPL", "duplicate", {"T": "AAPL", "c": 10.5}, T2, "run-2")
    ]
    assert len(_rejected(store, JULY_2)) == 1
    assert load_of(store, JULY_1, "received", "stored", "rejected") == (2, 1, 1)


def test_a_load_resolves_the_failures_of_its_session_alone(store: Connection):
    error = RetryableError(FailureKind.TIMEOUT, "/v2", "too slow")
    for day, symbol in ((JULY_1, None), (JULY_2, None), (None, None), (JULY_1, "AAPL")):
        record_failure(
            store,
            error,
            Dataset.SYMBOL_BARS if symbol else Dataset.DAILY_BARS,
            day=day,
            symbol=symbol,
        )

    write_session(store, answered(JULY_1, bar()), None)

    open_rows = store.execute(
        "SELECT date, symbol FROM data_fetch_errors WHERE resolved_at IS NULL ORDER BY id"
    )
    assert open_rows.fetchall() == [(JULY_2, None), (None, None), (JULY_1, "AAPL")]


def test_a_session_that_is_final_by_age_is_final(store: Connection):
    write_session(store, answered(JULY_1, bar(), final_by_age=True), None)

    assert load_of(store, JULY_1, "final") == (True,)


@pytest.mark.parametrize(
    ("closes", "hours", "final"),
    [
        ([10.1, 10.1], [0, 24], True),
        ([10.1, 10.1], [0, 1], False),  # agreed, on one day
        ([10.1, 10.2], [0, 24], False),  # on two days, but differed
        ([10.1, 10.2, 10.2], [0, 24, 48], True),
        ([10.1, 10.2, 10.1], [0, 24, 48], False),
        ([10.1, 10.1, 10.1], [0, 1, 24], True),
    ],
)
def test_final_is_what_two_fetches_on_different_days_agreed_on(
    store: Connection, closes: list[float], hours: list[int], final: bool
):
    for close, hour in zip(closes, hours, strict=True):
        at = T1 + timedelta(hours=hour)
        write_session(store, answered(JULY_1, bar(close=close), at=at), None)

    assert load_of(store, JULY_1, "final") == (final,)


def test_a_day_of_fetching_does_not_depend_on_the_servers_zone(store: Connection):
    store.execute("SET TimeZone = 'Asia/Tokyo'")

    for hour in (0, 5):  # of one day in New York and in UTC, around midnight in Tokyo
        at = T1 + timedelta(hours=hour)
        write_session(store, answered(JULY_1, bar(), at=at), None)

    assert load_of(store, JULY_1, "final") == (False,)


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 10, 11, None])
def test_the_size_of_batches_changes_nothing(store: Connection, batch_rows: int | None):
    mixed = [bar(f"S{'x' * (n % 4)}{n}", vwap=None if n % 3 else 10.2) for n in range(10)]
    whole = answered(JULY_1, *mixed)

    batched = answered(JULY_1, *mixed, batch_rows=batch_rows)
    write_session(store, batched, None)

    assert batched.content_hash == whole.content_hash
    assert stored(store, JULY_1) == sorted(grouped(row) for row in mixed)


def test_the_hash_knows_every_value_and_no_order():
    same = answered(JULY_1, bar("A"), bar("C"), bar("B", vwap=None)).content_hash
    others = [
        answered(JULY_1, bar("A"), bar("C"), bar("B", **change)).content_hash
        for change in ({}, {"vwap": None, "close": 10.6}, {"vwap": None, "transactions": 13})
    ]

    turned = answered(JULY_2, bar("B", vwap=None), bar("C"), bar("A"))
    assert turned.content_hash == same
    assert len({same, *others}) == 4


def test_a_loaded_session_without_bars_takes_some(store: Connection):
    write_session(store, answered(JULY_1), None)

    write_session(store, answered(JULY_1, bar(), at=T2), None)

    assert stored(store, JULY_1) == [grouped(bar())]


def test_what_fails_in_the_middle_leaves_nothing(store: Connection):
    write_session(store, answered(JULY_1, *TEN), None)
    store.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'the disk is full'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON session_loads EXECUTE FUNCTION refuse()"
    )
    tables = ("daily_bars", "bar_revisions", "bar_additions", "rejected_bars", "session_loads")
    before = [versions(store, table) for table in tables]
    bad = RejectedRow("undecodable", None, {"value": 1})
    answer = answered(JULY_1, *TEN[1:], bar("NEW"), rejected=[bad], at=T2)

    with pytest.raises(psycopg.errors.RaiseException, match="the disk is full"):
        write_session(store, answer, None)
    store.execute("DROP TRIGGER refuse ON session_loads; DROP FUNCTION refuse")

    assert [versions(store, table) for table in tables] == before


def test_a_session_without_a_quarter_is_refused_whole(store: Connection):
    with pytest.raises(psycopg.Error):
        write_session(store, answered(date(1999, 1, 4), bar()), None)

    assert versions(store, "session_loads") == []


def _now(connection: Connection) -> object:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    return row and row[0]


def _rejected(connection: Connection, session: date) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT symbol, rule, payload, fetched_at, run_id FROM rejected_bars"
        " WHERE date = %s ORDER BY id",
        (session,),
    ).fetchall()
