"""`data_coverage`: hand-made histories, and any small history recomputed in plain Python."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    JULY_9,
    T1,
    T2,
    Row,
    answered,
    answered_symbol,
    bar,
    versions,
    write_session,
    write_symbol,
)

WEEK = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8)
"""2024-07-04 is a holiday, 2024-07-06 and -07 a weekend."""

OTHERS = [bar(f"S{n}") for n in range(10)]


def load(connection: Connection, days: Sequence[date], without: Sequence[date] = ()) -> None:
    """Load AAPL and ten others; `without` are sessions in which it has no bar."""
    for day in days:
        rows = OTHERS if day in without else [*OTHERS, bar("AAPL")]
        write_session(connection, answered(day, *rows), None)


def coverage_of(connection: Connection, symbol: str = "AAPL") -> Row | None:
    """First and last date, bars, missing sessions, runs."""
    return connection.execute(
        "SELECT first_date, last_date, bar_count, missing_count, loaded::text"
        " FROM data_coverage WHERE symbol = %s",
        (symbol,),
    ).fetchone()


def test_neither_a_holiday_nor_a_weekend_breaks_a_run(store: Connection):
    load(store, WEEK)

    known = cover(store)

    assert known == 5
    assert coverage_of(store) == (JULY_1, JULY_8, 5, 0, "{[2024-07-01,2024-07-09)}")


@pytest.mark.parametrize(
    "order",
    [
        (JULY_8, JULY_5, JULY_3, JULY_2, JULY_1),
        (JULY_1, JULY_8, JULY_3, JULY_2, JULY_5),
        (JULY_3, JULY_1, JULY_5, JULY_8, JULY_2),
    ],
)
def test_the_order_of_loading_does_not_matter(store: Connection, order: tuple[date, ...]):
    for day in order:
        load(store, [day])
        cover(store)

    assert coverage_of(store) == (JULY_1, JULY_8, 5, 0, "{[2024-07-01,2024-07-09)}")


def test_runs_reach_over_the_middle_and_the_end_of_a_quarter(store: Connection):
    days = [JULY_1, *(date(2024, *day) for day in ((8, 30), (9, 3), (9, 30), (10, 1)))]
    make_quarters(store, days)
    load(store, days)

    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, date(2024, 10, 1), 5, 0),
        "{[2024-07-01,2024-07-02),[2024-08-30,2024-09-04),[2024-09-30,2024-10-02)}",
    )


@pytest.mark.parametrize("symbol", ['A"B', "A,B", "\\.", "Ä\\N"])
def test_a_symbol_is_covered_as_it_is_written(store: Connection, symbol: str):
    write_session(store, answered(JULY_1, bar(symbol)), None)

    cover(store)

    assert coverage_of(store, symbol) == (JULY_1, JULY_1, 1, 0, "{[2024-07-01,2024-07-02)}")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_session_without_a_bar_breaks_a_run_and_is_missing(store: Connection, at_once: bool):
    for days in [WEEK] if at_once else [WEEK[:2], WEEK[2:]]:
        load(store, days, without=[JULY_3])
        cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_8, 4, 1),
        "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-09)}",
    )


def test_a_session_that_is_not_loaded_breaks_a_run_and_is_not_missing(store: Connection):
    load(store, [JULY_1, JULY_2, JULY_5, JULY_8])
    record_unstored(store, JULY_3, SessionStatus.FAILED, T1, None)

    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_8, 4, 0),
        "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-09)}",
    )


def test_sessions_before_the_first_and_after_the_last_bar_are_not_missing(store: Connection):
    load(store, WEEK, without=[JULY_1, JULY_2, JULY_8])

    cover(store)

    assert coverage_of(store) == (JULY_3, JULY_5, 2, 0, "{[2024-07-03,2024-07-06)}")


def test_a_session_loaded_later_between_two_bars_is_missing_where_it_has_none(store: Connection):
    load(store, [JULY_1, JULY_5])
    cover(store)

    load(store, [JULY_2, JULY_3], without=[JULY_2])
    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_5, 3, 1),
        "{[2024-07-01,2024-07-02),[2024-07-03,2024-07-06)}",
    )


def test_a_removed_bar_leaves_the_coverage(store: Connection):
    load(store, WEEK)
    cover(store)

    write_session(store, answered(JULY_2, *OTHERS, at=T2), None)
    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_8, 4, 1),
        "{[2024-07-01,2024-07-02),[2024-07-03,2024-07-09)}",
    )


def test_a_symbol_whose_last_bar_is_removed_leaves_the_table(store: Connection):
    load(store, [JULY_2])
    cover(store)

    write_session(store, answered(JULY_2, *OTHERS, at=T2), None)
    cover(store)

    assert coverage_of(store) is None
    assert coverage_of(store, "S9") == (JULY_2, JULY_2, 1, 0, "{[2024-07-02,2024-07-03)}")


def test_a_quarantined_session_does_not_count(store: Connection):
    load(store, WEEK)
    cover(store)

    store.execute(
        "UPDATE session_loads SET status = 'quarantined', covered = false WHERE date = %s",
        (JULY_3,),
    )
    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_8, 4, 0),
        "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-09)}",
    )


def test_sessions_that_were_asked_for_the_symbol_count_for_it_alone(store: Connection):
    load(store, [JULY_1, JULY_8])
    asked = answered_symbol("AAPL", WEEK, {day: bar() for day in (JULY_1, JULY_2, JULY_5)}, at=T1)
    write_symbol(store, asked, None)

    cover(store)

    assert coverage_of(store) == (
        *(JULY_1, JULY_8, 4, 1),
        "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-09)}",
    )
    assert coverage_of(store, "S0") == (
        *(JULY_1, JULY_8, 2, 0),
        "{[2024-07-01,2024-07-02),[2024-07-08,2024-07-09)}",
    )


def test_a_session_that_is_quarantined_still_counts_for_a_symbol_that_was_asked_there(
    store: Connection,
):
    load(store, WEEK)
    asked = answered_symbol("AAPL", WEEK, {day: bar() for day in WEEK}, at=T2)
    write_symbol(store, asked, None)
    cover(store)

    store.execute(
        "UPDATE session_loads SET status = 'quarantined', covered = false WHERE date = %s",
        (JULY_3,),
    )
    cover(store)

    assert coverage_of(store) == (JULY_1, JULY_8, 5, 0, "{[2024-07-01,2024-07-09)}")
    assert coverage_of(store, "S0") == (
        *(JULY_1, JULY_8, 4, 0),
        "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-09)}",
    )


def test_a_symbol_without_any_bar_has_no_coverage(store: Connection):
    write_symbol(store, answered_symbol("NONE", WEEK, {}), None)

    cover(store)

    assert coverage_of(store, "NONE") is None


def test_the_last_session_that_the_calendar_knows_can_be_covered(store: Connection):
    load(store, [JULY_8, JULY_9])
    store.execute("BEGIN")
    store.execute("DELETE FROM nyse_sessions WHERE date > %s", (JULY_9,))
    store.execute("UPDATE nyse_sessions SET until = %s WHERE date = %s", (date.max, JULY_9))

    cover(store)
    found = coverage_of(store)
    store.execute("ROLLBACK")

    assert found == (JULY_8, JULY_9, 2, 0, "{[2024-07-08,2024-07-10)}")


def test_covering_again_changes_nothing(store: Connection):
    load(store, WEEK, without=[JULY_3])
    write_symbol(store, answered_symbol("S1", WEEK, {JULY_1: bar("S1")}, at=T2), None)
    cover(store)
    before = [versions(store, table) for table in ("data_coverage", "session_loads")]

    known = cover(store)

    assert known == 0
    assert [versions(store, table) for table in ("data_coverage", "session_loads")] == before


def test_covering_touches_only_symbols_that_changed(store: Connection):
    load(store, WEEK)
    cover(store)
    before = versions(store, "data_coverage")

    write_session(store, answered(JULY_3, *OTHERS, bar(), bar("NEW"), at=T2), None)
    cover(store)

    assert set(before) < set(versions(store, "data_coverage"))


NAMES = ("A", "a", "BCpC")
DAYS = (*WEEK, JULY_9)

SESSION = st.tuples(st.just("session"), st.sampled_from(DAYS), st.sets(st.sampled_from(NAMES)))
SYMBOL = st.tuples(
    st.just("symbol"),
    st.sampled_from(NAMES),
    st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted),
    st.sets(st.sampled_from(DAYS)),
)
STATUS = st.tuples(
    st.just("status"), st.sampled_from(DAYS), st.sampled_from(["quarantined", "loaded"])
)
HISTORY = st.lists(st.one_of(SESSION, SESSION, SYMBOL, STATUS, st.just(("cover",))), max_size=12)


@given(HISTORY)
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_history_is_covered_as_if_from_scratch(
    reused_database: Database, history: list[tuple[Any, ...]]
):
    with emptied(reused_database) as store:
        for number, step in enumerate(history):
            _take(store, number, *step)
        cover(store)

        assert _covered(store) == _from_scratch(store)


def _take(connection: Connection, number: int, step: str, *given: Any) -> None:
    at = T1.replace(minute=number)
    match step, given:
        case "session", (day, names):
            rows = [*OTHERS, *(bar(name, close=10 + number / 100) for name in names)]
            write_session(connection, answered(day, *rows, at=at), None)
        case "symbol", (name, (first, last), days):
            asked = DAYS[first : last + 1]
            bars = {day: bar(name, open=9 + number / 100) for day in days.intersection(asked)}
            write_symbol(connection, answered_symbol(name, asked, bars, at=at), None)
        case "status", (day, status):
            connection.execute(
                "UPDATE session_loads SET status = %s, covered = false WHERE date = %s",
                (status, day),
            )
        case _:
            cover(connection)


def _covered(connection: Connection) -> dict[str, Row]:
    rows = connection.execute(
        "SELECT symbol, first_date, last_date, bar_count, missing_count, loaded::text"
        " FROM data_coverage"
    )
    return {symbol: tuple(rest) for symbol, *rest in rows}


def _from_scratch(connection: Connection) -> dict[str, Row]:
    """The coverage by the words of its definition, from what stands in the other tables."""
    loaded = {
        row[0]
        for row in connection.execute("SELECT date FROM session_loads WHERE status = 'loaded'")
    }
    asked: dict[str, set[date]] = {}
    for symbol, ranges in connection.execute("SELECT symbol, loaded FROM symbol_loads"):
        asked[symbol] = {day for day in DAYS if any(day in each for each in ranges)}
    bars: dict[str, set[date]] = {}
    for symbol, day in connection.execute("SELECT symbol, date FROM daily_bars"):
        if day in loaded or day in asked.get(symbol, ()):
            bars.setdefault(symbol, set()).add(day)
    return {
        symbol: _described(days, loaded | asked.get(symbol, set())) for symbol, days in bars.items()
    }


def _described(days: set[date], known: set[date]) -> Row:
    first, last = min(days), max(days)
    missing = [day for day in DAYS if first <= day <= last and day in known - days]
    runs: list[list[date]] = []
    for before, day in zip((None, *DAYS), DAYS, strict=False):
        if day in days and before in days:
            runs[-1][1] = day
        elif day in days:
            runs.append([day, day])
    shown = ",".join(f"[{start},{date.fromordinal(end.toordinal() + 1)})" for start, end in runs)
    return first, last, len(days), len(missing), f"{{{shown}}}"
