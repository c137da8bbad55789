"""What still stands of earlier judgements."""

from collections.abc import Sequence
from datetime import date

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.standing import standing
from universe_pipeline.adapters.postgres.verdicts import record_results
from universe_pipeline.domain.quality.findings import Finding, Offender, listed
from universe_pipeline.domain.quality.rules import NO_GAPS, ROW_COUNT_PLAUSIBLE, SYMBOLS_UNIQUE
from universe_pipeline_tests.adapters.postgres.session_answers import (
    A_DAY,
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    T1,
    T2,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)


def record(
    connection: Connection,
    occasion: str,
    span: tuple[date, date] | None,
    findings: Sequence[Finding],
    run: str,
) -> None:
    record_results(connection, occasion, findings, span, run)
    connection.execute("UPDATE rule_results SET judged_at = %s WHERE run_id = %s", (T1, run))
    connection.execute("UPDATE rule_results SET judged_at = judged_at - interval '1 minute'")


def gaps(*days: date) -> Finding:
    return listed(NO_GAPS, (Offender(day, "A", "gap") for day in days))


def stands(connection: Connection, *judged: date, without: str | None = None) -> dict[str, int]:
    found = standing(connection, without=without, judged=judged)
    return {name: one.count for name, one in found.items()}


def test_a_load_ends_nothing_of_the_sessions_that_it_did_not_judge(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [gaps(JULY_1, JULY_2)], "whole")
    record(store, "load", (JULY_5, JULY_5), [gaps()], "small")

    assert stands(store) == {"series_have_no_gaps": 2}
    assert stands(store, JULY_1) == {"series_have_no_gaps": 1}
    assert stands(store, without="whole") == {}


def test_a_verification_ends_what_it_no_longer_finds_in_its_range(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [gaps(JULY_1, JULY_3)], "whole")
    record(store, "load", (JULY_2, JULY_2), [gaps(JULY_2)], "load")
    record(store, "verification", (JULY_2, JULY_5), [gaps(JULY_5)], "part")

    (found,) = standing(store).values()

    assert [one["date"] for one in found.examples] == ["2024-07-05", "2024-07-01"]
    assert (found.count, found.severity) == (2, "WARN")


def test_what_was_fetched_again_is_over(store: Connection):
    for day in (JULY_1, JULY_2, JULY_3):
        write_session(store, answered(day, bar("A"), at=T1 - A_DAY), None)
    record(store, "verification", (JULY_1, JULY_5), [gaps(JULY_1, JULY_2, JULY_3)], "whole")
    assert stands(store) == {"series_have_no_gaps": 3}

    write_session(store, answered(JULY_1, bar("A"), bar("B"), at=T2), None)
    write_symbol(store, answered_symbol("A", [JULY_2], {JULY_2: bar("A")}, at=T2), None)

    assert stands(store) == {"series_have_no_gaps": 1}


def test_an_approval_ends_what_a_session_is_quarantined_for(store: Connection):
    broken = listed(ROW_COUNT_PLAUSIBLE, [Offender(JULY_1, None, "few")])
    record(store, "verification", (JULY_1, JULY_5), [broken, gaps(JULY_1)], "whole")
    store.execute(
        "INSERT INTO session_approvals VALUES (%s, 'x', 'a test', '{}', 'me', now())", (JULY_1,)
    )

    assert stands(store) == {"series_have_no_gaps": 1}


def test_each_judgement_of_a_list_replaces_the_one_before(store: Connection):
    twice = listed(SYMBOLS_UNIQUE, [Offender(None, "A", "twice")])
    record(store, "verification", None, [twice], "first")
    assert stands(store) == {"symbols_are_unique": 1}

    record(store, "load", None, [listed(SYMBOLS_UNIQUE, [])], "second")

    assert stands(store) == {}


def test_offenders_that_are_not_listed_are_counted(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [Finding(NO_GAPS, 80, gaps(JULY_1).worst)], "x")

    assert stands(store) == {"series_have_no_gaps": 80}
