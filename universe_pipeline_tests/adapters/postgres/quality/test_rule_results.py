"""What the rules found is kept; a session that breaks one that quarantines is kept from readers."""

from datetime import date

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    COUNTS_KEPT,
    NO_REPEAT,
    ROW_COUNT_USUAL,
    VWAP_NEAR,
    Rule,
)
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    T1,
    T2,
    T3,
    answered,
    bar,
    write_session,
)

DAYS = (JULY_1, JULY_2, JULY_3)


def broken(rule: Rule, *days: date) -> Finding:
    return listed(rule, (Violation(day, None, "so it is") for day in days))


def broken_rules(connection: Connection) -> list[tuple[date, str]]:
    return connection.execute("SELECT date, rule FROM broken_rules ORDER BY 1, 2").fetchall()


def conditions(connection: Connection, start: date, end: date) -> dict[str, str]:
    rows = connection.execute(
        "SELECT date::text, condition FROM session_conditions WHERE date BETWEEN %s AND %s",
        (start, end),
    )
    return dict(rows.fetchall())


@pytest.fixture
def loaded(store: Connection) -> Connection:
    for day in DAYS:
        write_session(store, answered(day, bar()), None)
    return store


def test_what_the_rules_found_is_kept_by_run(store: Connection):
    many = [Violation(JULY_1, f"S{n}\0", "vwap 9", weight=n) for n in range(60)]
    findings = [listed(VWAP_NEAR, many), Finding(NO_REPEAT)]

    rule_results.record_results(store, "load", findings, (JULY_1, JULY_3), "run-1")
    rule_results.record_results(store, "verification", [Finding(VWAP_NEAR)], None, "run-2")

    first, second = rule_results.results_of(store, "run-1")
    assert (first.rule, first.severity, first.offenders) == ("vwap_is_near_the_range", "WARN", 60)
    assert first.examples[0] == {
        "date": "2024-07-01",
        "symbol": "S59\\u0000",
        "detail": "vwap 9",
    }
    assert len(first.examples) == 50
    assert (second.rule, second.offenders, second.examples) == (NO_REPEAT.name, 0, [])
    assert store.execute(
        "SELECT occasion, first_date, last_date, run_id FROM rule_results ORDER BY id DESC LIMIT 2"
    ).fetchall() == [("verification", None, None, "run-2"), ("load", JULY_1, JULY_3, "run-1")]


def test_only_a_rule_that_quarantines_keeps_a_session_from_readers(loaded: Connection):
    findings = [broken(NO_REPEAT, JULY_2), broken(ROW_COUNT_USUAL, JULY_1, JULY_2)]

    quarantined = rule_results.record_verdicts(loaded, DAYS, findings, "run-1", T2)
    again = rule_results.record_verdicts(loaded, DAYS, findings, "run-2", T2)

    assert (quarantined, again) == ([JULY_2], [])
    assert loaded.execute("SELECT status FROM session_loads ORDER BY date").fetchall() == [
        ("loaded",),
        ("quarantined",),
        ("loaded",),
    ]
    assert broken_rules(loaded) == [
        (JULY_1, ROW_COUNT_USUAL.name),
        (JULY_2, NO_REPEAT.name),
        (JULY_2, ROW_COUNT_USUAL.name),
    ]


def test_a_verdict_replaces_the_one_before_and_ends_no_quarantine(loaded: Connection):
    first = [broken(NO_REPEAT, JULY_2), broken(ROW_COUNT_USUAL, *DAYS)]
    rule_results.record_verdicts(loaded, DAYS, first, None, T2)

    rule_results.record_verdicts(
        loaded, DAYS[1:], [Finding(NO_REPEAT), Finding(ROW_COUNT_USUAL)], None, T2
    )

    assert broken_rules(loaded) == [(JULY_1, ROW_COUNT_USUAL.name), (JULY_2, NO_REPEAT.name)]
    assert loaded.execute(
        "SELECT date FROM session_loads WHERE status = 'quarantined'"
    ).fetchall() == [(JULY_2,)]


def test_a_verdict_says_nothing_of_what_was_fetched_since(loaded: Connection):
    write_session(loaded, answered(JULY_2, bar(close=10.7), at=T3), None)

    quarantined = rule_results.record_verdicts(loaded, DAYS, [broken(NO_REPEAT, *DAYS)], None, T2)

    assert quarantined == [JULY_1, JULY_3]
    assert broken_rules(loaded) == [(JULY_1, NO_REPEAT.name), (JULY_3, NO_REPEAT.name)]


def test_a_verdict_leaves_alone_what_a_person_approved_since(loaded: Connection):
    rule_results.record_verdicts(loaded, DAYS, [broken(NO_REPEAT, JULY_2)], None, T2)
    approval = rule_results.Approval(JULY_2, "so it was", "somebody")
    rule_results.approve(loaded, approval, answered(JULY_2, bar()).content_hash)

    findings = [broken(NO_REPEAT, JULY_2), broken(ROW_COUNT_USUAL, JULY_2)]
    again = rule_results.record_verdicts(loaded, DAYS, findings, None, T2)

    assert again == []
    assert broken_rules(loaded) == [(JULY_2, ROW_COUNT_USUAL.name)]


def test_four_words_for_every_closed_session(loaded: Connection):
    rule_results.record_verdicts(
        loaded, DAYS,
        [broken(ROW_COUNT_USUAL, JULY_1), broken(NO_REPEAT, JULY_2)], None, T2,
    )  # fmt: skip
    record_unstored(loaded, JULY_5, SessionStatus.PENDING, T1, None)
    record_unstored(loaded, date(2024, 7, 8), SessionStatus.FAILED, T1, None)

    assert conditions(loaded, date(2024, 6, 28), date(2024, 7, 9)) == {
        "2024-06-28": "missing",
        "2024-07-01": "degraded",
        "2024-07-02": "degraded",
        "2024-07-03": "available",
        "2024-07-05": "pending",
        "2024-07-08": "missing",
        "2024-07-09": "missing",
    }


def test_sessions_that_have_not_closed_have_no_condition(store: Connection):
    newest, count = store.execute(
        "SELECT max(date), count(*) FILTER (WHERE (date + time '16:00')"
        " AT TIME ZONE 'America/New_York' > now()) FROM session_conditions"
    ).fetchone() or (None, None)

    assert newest is not None
    assert count == 0


def test_a_session_that_lost_bars_is_written_although_the_answer_is_the_same(loaded: Connection):
    loaded.execute("DELETE FROM daily_bars WHERE date = %s", (JULY_2,))
    before = write_session(loaded, answered(JULY_2, bar()), None)
    rule_results.record_verdicts(loaded, DAYS, [broken(COUNTS_KEPT, JULY_2)], None, T2)

    after = write_session(loaded, answered(JULY_2, bar()), None)

    assert (before.added, after.added) == (0, 1)
    assert loaded.execute("SELECT count(*) FROM daily_bars").fetchone() == (3,)
