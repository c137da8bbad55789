"""What still stands of earlier judgements."""

from collections.abc import Sequence
from datetime import date

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.quality.rule_results import record_results
from universe_pipeline.adapters.postgres.quality.standing import standing
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    NO_GAPS,
    ROW_COUNT_PLAUSIBLE,
    SOME_END,
    SYMBOLS_UNIQUE,
)
from universe_pipeline_tests.support.session_answers import (
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
    return listed(NO_GAPS, (Violation(day, "A", "gap") for day in days))


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
    broken = listed(ROW_COUNT_PLAUSIBLE, [Violation(JULY_1, None, "few")])
    record(store, "verification", (JULY_1, JULY_5), [broken, gaps(JULY_1)], "whole")
    store.execute(
        "INSERT INTO session_approvals VALUES (%s, 'x', 'a test', '{}', 'me', now())", (JULY_1,)
    )

    assert stands(store) == {"series_have_no_gaps": 1}


def test_each_judgement_of_a_list_replaces_the_one_before(store: Connection):
    twice = listed(SYMBOLS_UNIQUE, [Violation(None, "A", "twice")])
    record(store, "verification", None, [twice], "first")
    assert stands(store) == {"symbols_are_unique": 1}

    record(store, "load", None, [listed(SYMBOLS_UNIQUE, [])], "second")

    assert stands(store) == {}


def test_offenders_that_are_not_listed_are_counted(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [Finding(NO_GAPS, 80, gaps(JULY_1).worst)], "x")

    assert stands(store) == {"series_have_no_gaps": 80}


def many(count: int, *days: date) -> Finding:
    """So many gaps, of which those of `days` are listed."""
    return Finding(NO_GAPS, count, gaps(*days).worst)


NONE_ENDS = listed(SOME_END, [Violation(None, None, "no symbol ends")])


def test_a_verification_itself_ends_what_it_judged_again(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [many(5_000, JULY_1), NONE_ENDS], "first")
    assert stands(store) == {"series_have_no_gaps": 5_000, "some_symbols_end": 1}

    clean = [gaps(), listed(SOME_END, [])]
    record(store, "verification", (JULY_1, JULY_5), clean, "second")

    assert stands(store, JULY_1, JULY_2, JULY_3, JULY_5, without="second") == {}
    assert stands(store) == {}


def test_a_verification_that_finds_less_leaves_nothing_of_the_one_before(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [many(5_000, JULY_1)], "first")
    record(store, "verification", (JULY_1, JULY_5), [many(70, JULY_2)], "second")

    assert stands(store, without="second") == {}
    assert stands(store) == {"series_have_no_gaps": 70}


def test_a_verification_of_a_part_ends_only_what_is_listed_inside(store: Connection):
    whole = [many(5_000, JULY_1, JULY_2, JULY_3), NONE_ENDS]
    record(store, "verification", (JULY_1, JULY_5), whole, "whole")
    clean = [gaps(), listed(SOME_END, [])]
    record(store, "verification", (JULY_2, JULY_5), clean, "part")

    left = {"series_have_no_gaps": 4_998, "some_symbols_end": 1}
    assert stands(store, JULY_2, JULY_3, JULY_5, without="part") == left
    assert stands(store) == left

    record(store, "verification", (JULY_1, JULY_5), clean, "all of it")

    assert stands(store) == {}


def test_a_load_ends_nothing_of_its_range_that_is_not_listed(store: Connection):
    record(store, "verification", (JULY_1, JULY_5), [many(80, JULY_1), NONE_ENDS], "whole")
    record(store, "load", (JULY_1, JULY_5), [gaps(), listed(SOME_END, [])], "load")

    left = {"series_have_no_gaps": 79, "some_symbols_end": 1}
    assert stands(store, JULY_1, JULY_2, JULY_3, JULY_5, without="load") == left


def test_findings_of_a_load_stand_however_many_loads_follow(store: Connection):
    record(store, "load", (JULY_1, JULY_1), [gaps(JULY_1)], "first")
    for number in range(40):
        record(store, "load", (JULY_5, JULY_5), [gaps()], f"later {number}")
    assert stands(store) == {"series_have_no_gaps": 1}

    record(store, "verification", (JULY_1, JULY_5), [gaps()], "whole")

    assert stands(store) == {}


def test_no_finding_of_a_rule_that_is_judged_no_more_stands(store: Connection):
    record(store, "load", (JULY_1, JULY_1), [gaps(JULY_1)], "load")
    store.execute("UPDATE rule_results SET rule = 'a_rule_of_old'")

    assert stands(store) == {}
