"""What the report reads: one state of the small tables, and no bars."""

from datetime import date

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.adapters.postgres.summaries import overview
from universe_pipeline.domain.quality.findings import Violation, listed
from universe_pipeline.domain.quality.rules import NO_REPEAT, ROW_COUNT_USUAL, VWAP_NEAR
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    T1,
    T2,
    answered,
    bar,
    write_session,
)


def test_where_nothing_is_stored_there_is_no_range(store: Connection) -> None:
    assert overview.stored_range(store) is None


def test_the_range_reaches_from_the_first_to_the_last_session_that_was_asked_for(
    store: Connection,
) -> None:
    record_unstored(store, JULY_5, SessionStatus.PENDING, T1, None)
    write_session(store, answered(JULY_2, bar()), None)

    assert overview.stored_range(store) == (JULY_2, JULY_5)


def test_the_range_includes_the_bars_of_symbols(store: Connection) -> None:
    write_session(store, answered(JULY_2, bar()), None)
    cover(store)
    store.execute("UPDATE data_coverage SET first_date = '2024-07-01', last_date = '2024-07-03'")

    assert overview.stored_range(store) == (JULY_1, JULY_3)


def test_every_closed_session_has_a_state_whether_it_was_asked_for_or_not(
    store: Connection,
) -> None:
    write_session(store, answered(JULY_1, bar(), bar("B")), None)
    record_unstored(store, JULY_3, SessionStatus.FAILED, T1, None)

    assert overview.session_states(store, JULY_1, date(2024, 7, 4)).rows() == [
        (JULY_1, "available", "loaded", 2),
        (JULY_2, "missing", None, 0),
        (JULY_3, "missing", "failed", 0),
    ]


def test_symbols_are_counted_by_their_span_and_the_unlisted_are_not_chosen(
    store: Connection,
) -> None:
    write_session(store, answered(JULY_1, bar(), bar("B"), bar("C"), bar("W")), None)
    write_session(store, answered(JULY_2, bar(), bar("B")), None)
    cover(store)
    store.execute(
        "INSERT INTO symbols (symbol, name, type, active, first_seen_at, last_seen_at) SELECT"
        " symbol, 'x', kind, true, now(), now() FROM (VALUES ('AAPL', 'CS'), ('B', 'CS'),"
        " ('C', 'ETF')) AS listed (symbol, kind)"
    )

    assert overview.symbol_spans(store).rows() == [
        (JULY_1, JULY_1, False, 2),
        (JULY_1, JULY_2, True, 2),
    ]


def test_broken_rules_come_by_session_errors_first(store: Connection) -> None:
    for day in (JULY_1, JULY_2, JULY_3):
        write_session(store, answered(day, bar()), None)
    findings = [
        listed(ROW_COUNT_USUAL, [Violation(JULY_3, None, "c"), Violation(JULY_2, None, "b")]),
        listed(NO_REPEAT, [Violation(JULY_2, None, "a")]),
    ]
    rule_results.record_verdicts(store, (JULY_1, JULY_2, JULY_3), findings, None, T2)

    found = overview.broken_rules(store, JULY_1, JULY_2)

    assert [(one.session, one.severity, one.detail) for one in found] == [
        (JULY_2, "ERROR", "a"),
        (JULY_2, "WARN", "b"),
    ]


def test_all_reads_see_the_same_moment(store: Connection, store_database: Database) -> None:
    with overview.one_moment(store):
        before = overview.stored_range(store)
        with store_database.connect() as other:
            record_unstored(other, JULY_5, SessionStatus.PENDING, T1, None)
        during = overview.stored_range(store)

    assert (before, during) == (None, None)
    assert overview.stored_range(store) == (JULY_5, JULY_5)


def test_nothing_can_be_written_meanwhile(store: Connection) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), overview.one_moment(store):
        record_unstored(store, JULY_5, SessionStatus.PENDING, T1, None)


def test_the_last_judgements_come_oldest_first_with_their_worst_examples(
    store: Connection,
) -> None:
    many = listed(VWAP_NEAR, [Violation(JULY_1, f"S{n}", "x", weight=n) for n in range(9)])
    for run in ("run-1", "run-2", "run-3"):
        rule_results.record_results(store, "load", [many], (JULY_1, JULY_2), run)
        rule_results.record_results(store, "load", [listed(NO_REPEAT, [])], None, run)

    found = rule_results.newest_results(store, JULY_1, JULY_5, runs=2, examples=3)

    assert [(one.run, one.result.rule, one.result.offenders) for one in found] == [
        ("run-2", VWAP_NEAR.name, 9),
        ("run-2", NO_REPEAT.name, 0),
        ("run-3", VWAP_NEAR.name, 9),
        ("run-3", NO_REPEAT.name, 0),
    ]
    assert [each["symbol"] for each in found[0].result.examples] == ["S8", "S7", "S6"]
    assert found[0].judged_at == found[1].judged_at


def test_judgements_of_other_sessions_are_left_out(store: Connection) -> None:
    for run, span in (("run-1", (JULY_1, JULY_1)), ("run-2", (JULY_2, JULY_5)), ("run-3", None)):
        rule_results.record_results(store, "load", [listed(NO_REPEAT, [])], span, run)

    found = rule_results.newest_results(store, JULY_3, JULY_3, runs=9, examples=1)

    assert [one.run for one in found] == ["run-2", "run-3"]
