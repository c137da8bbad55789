"""Figures of a database that was filled by hand."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.fetch_errors import record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.adapters.postgres.reference.splits import SPLIT_TABLES
from universe_pipeline.adapters.postgres.reference.symbols import swap_universe
from universe_pipeline.adapters.postgres.reference.whole_lists import swap_list
from universe_pipeline.adapters.postgres.summaries.figures import Figures, figures, server_version
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.reference_lists import Listed
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline_tests.support.session_answers import (
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
    write_session,
    write_symbol,
)

COUNTS = (
    *("bars", "rejected", "rejected_of_symbols", "symbols", "active_symbols", "universe_symbols"),
    *(
        "covered_symbols",
        "universe_covered",
        "missing_bars",
        "splits",
        "announced_splits",
        "open_failures",
    ),
)


def test_an_empty_database_has_figures_too(store: Connection):
    found = figures(store)

    nothing = dict.fromkeys(COUNTS, 0)
    assert found == Figures(
        sessions={},
        first_session=None,
        last_session=None,
        splits_fetched_at=None,
        database_bytes=found.database_bytes,
        **nothing,
    )
    assert found.database_bytes > 1_000_000


def test_figures_are_those_of_the_tables(store: Connection):
    listed = [("A", "CS", True), ("B", "CS", False), ("F", "ETF", True), ("N", "CS", True)]
    names = ["symbol", "type", "active", "name"]
    rows = [dict(zip(names, (*row, "A name"), strict=True)) for row in listed]
    swap_universe(
        store, pl.DataFrame(rows, schema=SYMBOL_SCHEMA), datetime(2024, 7, 1, tzinfo=UTC), None
    )
    bad = RejectedRow("undecodable", None, {"value": 1})
    write_session(store, answered(JULY_1, bar("A"), bar("F"), rejected=[bad, bad]), None)
    write_session(store, answered(JULY_2, bar("F"), bar("TEST"), rejected=[bad]), None)
    write_session(store, answered(JULY_3, bar("A"), bar("B"), bar("F")), None)
    broken = [RejectedRow("ohlc_order", "A", {"o": 1}, JULY_3)]
    write_symbol(store, answered_symbol("A", [JULY_3], {JULY_3: bar("A")}, T2, broken), None)
    record_unstored(store, JULY_5, SessionStatus.FAILED, T1, None)
    record_unstored(store, JULY_8, SessionStatus.PENDING, T1, None)
    cover(store)
    later = date.today() + timedelta(days=30)  # noqa: DTZ011  # any zone's day will do
    sides = [
        ("A", JULY_1, 1.0, 4.0, None),
        ("A", later, 1.0, 2.0, None),
        ("F", JULY_2, 8.0, 1.0, None),
    ]
    splits = pl.DataFrame(sides, SPLIT_SCHEMA, orient="row")
    swap_list(store, SPLIT_TABLES, Listed("/stocks/v1/splits", splits, (), T1), None)
    for day in (JULY_5, JULY_8):
        record_failure(
            store, RetryableError(FailureKind.TIMEOUT, "/v2", "slow"), Dataset.DAILY_BARS, day=day
        )
    store.execute("UPDATE data_fetch_errors SET resolved_at = now() WHERE date = %s", (JULY_8,))

    found = figures(store)

    assert found == Figures(
        sessions={"loaded": 3, "failed": 1, "pending": 1},
        first_session=JULY_1,
        last_session=JULY_3,
        bars=7,
        rejected=4,
        rejected_of_symbols=1,
        symbols=4,
        active_symbols=3,
        universe_symbols=3,
        covered_symbols=4,
        universe_covered=2,
        missing_bars=1,
        splits=3,
        announced_splits=1,
        splits_fetched_at=T1,
        open_failures=1,
        database_bytes=found.database_bytes,
    )


def test_a_version_is_written_as_people_write_it(store: Connection):
    major, _, minor = server_version(store).partition(".")

    row = store.execute("SHOW server_version").fetchone()
    assert row is not None
    assert row[0].startswith(f"{major}.{minor}")
