"""Reading bars, and what is known of them."""

from datetime import date

import polars as pl

from universe_pipeline.adapters.postgres.bars import reading
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.adapters.postgres.reference.symbols import swap_universe
from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    T1,
    Row,
    answered,
    bar,
    write_session,
)

DAYS = (JULY_1, JULY_2, JULY_3)


def test_sessions_are_read_as_they_are_stored(store: Connection):
    bare = bar("b", vwap=None, transactions=None, volume=0.25)
    write_session(store, answered(JULY_2, bar("A")), None)
    write_session(store, answered(JULY_1, bare, bar("B")), None)
    write_session(store, answered(JULY_3, bar("A")), None)

    found = reading.session_bars(store, [JULY_2, JULY_1])

    assert found.schema == DATED_BAR_SCHEMA
    assert found.rows() == [(JULY_1, *bar("B")), (JULY_1, *bare), (JULY_2, *bar("A"))]


def test_a_frame_without_bars_has_its_columns(store: Connection):
    assert reading.session_bars(store, DAYS).schema == DATED_BAR_SCHEMA
    assert reading.symbol_bars(store, "A", DAYS).schema == DATED_BAR_SCHEMA
    assert reading.sample(store, JULY_1, 5).schema == BAR_SCHEMA


def test_a_hundred_rows_without_a_value_are_followed_by_one_that_has_it(store: Connection):
    rows = [bar(f"A{n:03}", vwap=None, transactions=None) for n in range(150)]
    write_session(store, answered(JULY_1, *rows, bar("Z")), None)

    found = reading.session_bars(store, [JULY_1])

    assert found.row(150) == (JULY_1, *bar("Z"))


def test_a_sample_is_of_the_largest_turnover(store: Connection):
    rows = [
        bar("CHEAP", close=9.5, volume=100.0),
        bar("LARGE", close=10.0, volume=1000.0),
        bar("DEAR", close=11.0, volume=500.0),
    ]
    write_session(store, answered(JULY_1, *rows), None)

    found = reading.sample(store, JULY_1, 2)

    assert found.rows() == [rows[1], rows[2]]


def test_a_symbols_bars_are_read_by_date(store: Connection):
    for day in (JULY_3, JULY_1, JULY_2):
        write_session(store, answered(day, bar("A"), bar("a")), None)

    found = reading.symbol_bars(store, "A", [JULY_3, JULY_1])

    assert found.rows() == [(JULY_1, *bar("A")), (JULY_3, *bar("A"))]


def test_committed_sessions_that_the_coverage_does_not_know_are_found(store: Connection):
    write_session(store, answered(JULY_1, bar()), None)
    cover(store)
    write_session(store, answered(JULY_3, bar()), None)
    write_session(store, answered(JULY_2, bar()), None)
    record_unstored(store, JULY_5, SessionStatus.FAILED, T1, None)

    assert reading.uncovered_loads(store, (*DAYS, JULY_5)) == [JULY_2, JULY_3]
    assert reading.uncovered_loads(store, [JULY_1, JULY_2]) == [JULY_2]


def test_bars_are_counted_by_symbol_within_the_range(store: Connection):
    for day in (*DAYS, JULY_5):
        write_session(store, answered(day, bar("A"), bar("a")), None)

    found = reading.bar_counts(store, ["A", "NONE"], JULY_2, date(2024, 7, 7))

    assert found == {"A": 3}


def test_covered_symbols_are_those_of_the_universe_that_have_bars(store: Connection):
    _list(store, "B", "A", "NOBAR")
    store.execute("UPDATE symbols SET type = 'ETF' WHERE symbol = 'B'")
    write_session(store, answered(JULY_1, bar("A"), bar("B"), bar("UNKNOWN")), None)
    cover(store)

    assert reading.covered_symbols(store) == ["A"]


def _list(connection: Connection, *symbols: str) -> None:
    rows: list[Row] = [(symbol, "A name", "CS", True) for symbol in symbols]
    columns = ["symbol", "name", "type", "active"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    missing = [
        pl.lit(None, kind).alias(name)
        for name, kind in SYMBOL_SCHEMA.items()
        if name not in columns
    ]
    swap_universe(connection, frame.with_columns(missing).select(SYMBOL_SCHEMA.names()), T1, None)
