"""Splits: swapped whole, what a swap changes kept, and applied to bars when they are read."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reference.splits import (
    SPLIT_TABLES,
    rejected_splits,
    stored_splits,
)
from universe_pipeline.adapters.postgres.reference.symbols import swap_universe
from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListSnapshot,
    newest_list,
    swap_list,
)
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.reference_lists import Listed
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    Row,
    answered,
    bar,
    write_session,
)

MONDAY = datetime(2024, 7, 1, 21, 0, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
NEWER, OLDER = "/stocks/v1/splits", "/v3/reference/splits"

AAPL = ("AAPL", date(2020, 8, 31), 1.0, 4.0, "forward_split")
NULL = ("NULL", date(2012, 8, 6), 8.0, 1.0, "reverse_split")


def listed(
    *rows: tuple[str, date, float, float, str | None],
    at: datetime = MONDAY,
    endpoint: str = NEWER,
    rejected: tuple[RejectedRow, ...] = (),
) -> Listed:
    return Listed(endpoint, pl.DataFrame(rows, SPLIT_SCHEMA, orient="row"), rejected, at)


def stored(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, execution_date, split_from, split_to, adjustment_type, fetched_at,"
        " believed_from FROM splits ORDER BY symbol, execution_date"
    ).fetchall()


def revisions(connection: Connection) -> list[Row]:
    return connection.execute("SELECT * FROM split_revisions ORDER BY symbol").fetchall()


def test_a_list_becomes_the_splits_and_is_remembered(store: Connection):
    bad = RejectedRow("sides_positive", "B\0D", {"ticker": "B\0D", "split_from": 0.0}, JULY_1)

    snapshot = swap_list(store, SPLIT_TABLES, listed(NULL, AAPL, rejected=(bad,)), "run-1")

    assert stored(store) == [(*AAPL, MONDAY, MONDAY), (*NULL, MONDAY, MONDAY)]
    assert stored_splits(store).rows() == [AAPL, NULL]
    assert stored_splits(store).schema == SPLIT_SCHEMA
    assert rejected_splits(store) == [("B\\u0000D", JULY_1, "sides_positive")]
    assert snapshot == ListSnapshot(MONDAY, NEWER, 2, 2, 0, 0, 1, snapshot.content_hash)
    assert newest_list(store, SPLIT_TABLES) == snapshot
    assert revisions(store) == []


def test_a_later_list_replaces_the_first_and_what_it_changes_is_kept(store: Connection):
    gone = ("SHOP", date(2022, 6, 22), 1.0, 10.0, "forward_split")
    moved = ("SHOP", date(2022, 6, 29), 1.0, 10.0, "forward_split")
    corrected = (*NULL[:2], 10.0, 1.0, "reverse_split")
    bad = RejectedRow("duplicate", "X", {}, JULY_1)
    swap_list(store, SPLIT_TABLES, listed(AAPL, NULL, gone, rejected=(bad,)), None)

    snapshot = swap_list(store, SPLIT_TABLES, listed(AAPL, corrected, moved, at=TUESDAY), "run-2")

    assert stored(store) == [
        (*AAPL, TUESDAY, MONDAY),
        (*corrected, TUESDAY, TUESDAY),
        (*moved, TUESDAY, TUESDAY),
    ]
    assert revisions(store) == [
        (*NULL, MONDAY, TUESDAY, "run-2"),
        (*gone, MONDAY, TUESDAY, "run-2"),
    ]
    assert (snapshot.added, snapshot.changed, snapshot.removed) == (1, 1, 1)
    assert rejected_splits(store) == []


def test_the_same_list_again_changes_nothing_but_when_it_was_fetched(store: Connection):
    first = swap_list(store, SPLIT_TABLES, listed(AAPL, NULL), None)

    again = swap_list(store, SPLIT_TABLES, listed(NULL, AAPL, at=TUESDAY), None)

    assert stored(store) == [(*AAPL, TUESDAY, MONDAY), (*NULL, TUESDAY, MONDAY)]
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert again.content_hash == first.content_hash
    assert revisions(store) == []


@pytest.mark.parametrize(
    ("symbol", "day", "kept"),
    [
        ("AAPL", AAPL[1], True),
        ("AAPL", None, True),  # a row whose day cannot be read
        (None, AAPL[1], True),  # a row without a ticker
        ("AAPL", JULY_1, False),
        ("NULL", AAPL[1], False),
        (None, None, False),
    ],
)
def test_a_split_stays_where_the_row_about_it_was_rejected(
    store: Connection, symbol: str | None, day: date | None, kept: bool
):
    swap_list(store, SPLIT_TABLES, listed(AAPL, NULL), None)
    bad = RejectedRow("undecodable", symbol, {"split_to": "four"}, day)

    snapshot = swap_list(store, SPLIT_TABLES, listed(NULL, at=TUESDAY, rejected=(bad,)), "run-2")

    assert stored_splits(store).rows() == ([AAPL, NULL] if kept else [NULL])
    assert snapshot.removed == (0 if kept else 1)
    assert len(revisions(store)) == (0 if kept else 1)


def test_a_list_without_types_takes_none_away_unless_the_ratio_differs(store: Connection):
    swap_list(store, SPLIT_TABLES, listed(AAPL, NULL), None)
    untyped = [(*AAPL[:4], None), (*NULL[:2], 9.0, 1.0, None)]

    snapshot = swap_list(store, SPLIT_TABLES, listed(*untyped, at=TUESDAY, endpoint=OLDER), None)

    assert stored_splits(store).rows() == [AAPL, untyped[1]]
    assert snapshot.changed == 1


def test_the_newest_list_of_an_endpoint_is_found_below_that_of_the_other(store: Connection):
    newer = swap_list(store, SPLIT_TABLES, listed(AAPL), None)
    older = swap_list(store, SPLIT_TABLES, listed(AAPL, at=TUESDAY, endpoint=OLDER), None)

    assert newest_list(store, SPLIT_TABLES) == older
    assert newest_list(store, SPLIT_TABLES, NEWER) == newer
    assert newest_list(store, SPLIT_TABLES, "/nowhere") is None


@pytest.mark.parametrize("side", [0.0, -1.0, float("nan"), float("inf"), None])
@pytest.mark.parametrize("column", ["split_from", "split_to"])
def test_no_side_can_be_other_than_finite_and_above_zero(
    store: Connection, column: str, side: float | None
):
    swap_list(store, SPLIT_TABLES, listed(AAPL), None)

    with pytest.raises(psycopg.IntegrityError):
        store.execute(sql.SQL("UPDATE splits SET {} = %s").format(sql.Identifier(column)), (side,))


def test_symbols_of_splits_are_compared_byte_by_byte(store: Connection):
    day = date(2012, 8, 6)
    rows = [(symbol, day, 1.0, 2.0, None) for symbol in ("BCPC", "BCpC", "TPC", "TRUE", "TpC")]

    swap_list(store, SPLIT_TABLES, listed(*rows[::-1]), None)

    assert stored_splits(store).rows() == rows


def today_in_new_york(connection: Connection) -> date:
    row: Any = connection.execute("SELECT (now() AT TIME ZONE 'America/New_York')::date")
    return row.fetchone()[0]


def test_bars_are_read_in_the_shares_of_today(store: Connection):
    securities = [{"symbol": symbol, "name": "", "type": "CS"} for symbol in ("AAA", "BBB", "CCC")]
    universe = pl.DataFrame(securities, SYMBOL_SCHEMA).with_columns(active=True)
    swap_universe(store, universe, MONDAY, None)
    for day in (JULY_1, JULY_2, JULY_3):
        bars = [
            bar("AAA", open=80, high=120, low=60, close=100, volume=1_000, vwap=90, transactions=5),
            bar("BBB", open=8, high=12, low=6, close=10, volume=999, vwap=None, transactions=None),
            bar("CCC", open=8, high=12, low=6, close=10, volume=100, vwap=9, transactions=5),
        ]
        write_session(store, answered(day, *bars), None)
    today = today_in_new_york(store)
    splits = (
        ("AAA", JULY_2, 1.0, 2.0, "forward_split"),
        ("AAA", JULY_3, 2.0, 5.0, "forward_split"),
        ("AAA", today + timedelta(days=1), 1.0, 10.0, "forward_split"),
        ("BBB", JULY_3, 3.0, 1.0, "reverse_split"),
        ("CCC", today, 1.0, 4.0, "forward_split"),
    )
    swap_list(store, SPLIT_TABLES, listed(*splits), None)

    rows = store.execute(
        "SELECT symbol, date, open, high, low, close, volume, vwap, transactions, price_factor"
        " FROM adjusted_bars ORDER BY symbol, date"
    ).fetchall()

    assert rows == [
        ("AAA", JULY_1, 16, 24, 12, 20, 5_000, 18, 5, 0.2),
        ("AAA", JULY_2, 32, 48, 24, 40, 2_500, 36, 5, 0.4),
        ("AAA", JULY_3, 80, 120, 60, 100, 1_000, 90, 5, 1),
        ("BBB", JULY_1, 24, 36, 18, 30, 333, None, None, 3),
        ("BBB", JULY_2, 24, 36, 18, 30, 333, None, None, 3),
        ("BBB", JULY_3, 8, 12, 6, 10, 999, None, None, 1),
        ("CCC", JULY_1, 2, 3, 1.5, 2.5, 400, 2.25, 5, 0.25),
        ("CCC", JULY_2, 2, 3, 1.5, 2.5, 400, 2.25, 5, 0.25),
        ("CCC", JULY_3, 2, 3, 1.5, 2.5, 400, 2.25, 5, 0.25),
    ]


def test_factors_are_spans_from_one_execution_date_to_the_next(store: Connection):
    earlier = ("AAPL", date(2014, 6, 9), 1.0, 7.0, "forward_split")
    announced = ("AAPL", today_in_new_york(store) + timedelta(days=60), 1.0, 2.0, None)

    swap_list(store, SPLIT_TABLES, listed(earlier, AAPL, announced), None)

    assert store.execute("SELECT * FROM split_factors ORDER BY until").fetchall() == [
        ("AAPL", None, earlier[1], 1 / 28, 28),
        ("AAPL", earlier[1], AAPL[1], 0.25, 4),
    ]
