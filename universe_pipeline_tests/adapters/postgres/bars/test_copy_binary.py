"""The binary encoding, through a real COPY and back."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.bars import copy_binary
from universe_pipeline.adapters.postgres.bars.writing import copy_in
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA
from universe_pipeline.domain.fingerprint import BarValues, of_session
from universe_pipeline_tests.support.session_answers import JULY_1, JULY_2, Row, bar


def returned(connection: Connection, frame: pl.DataFrame, session: date | None) -> list[Row]:
    """What the server has of `frame`: date, the bar, source."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.copied")
    connection.execute("CREATE TEMPORARY TABLE copied (LIKE daily_bars)")
    copy_in(connection, "copied", copy_binary.encode(frame, "grouped", session).buffers())
    return connection.execute(
        "SELECT date, symbol, open, high, low, close, volume, vwap, transactions, source"
        " FROM copied"
    ).fetchall()


def session_frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=BAR_SCHEMA, orient="row")


@pytest.mark.parametrize(
    "row",
    [
        bar(),
        bar("F"),
        bar("BRK.B"),
        bar("Ä"),
        bar("日本"),
        bar("🙂"),
        bar("X" * 32),
        bar("🙂" * 32),
        bar("a\\b'\"$%"),
        bar(vwap=None),
        bar(transactions=None),
        bar(vwap=None, transactions=None),
        bar(open=0.1 + 0.2, high=1 / 3, low=5e-324, close=1.7976931348623157e308),
        bar(volume=213849.305802),
        bar(volume=0.0),
        bar(volume=-1.0),
        bar(transactions=0),
        bar(transactions=9_223_372_036_854_775_807),
        bar(transactions=-9_223_372_036_854_775_808),
    ],
)
def test_a_row_comes_back_as_it_was(store: Connection, row: Row):
    assert returned(store, session_frame(row), JULY_1) == [(JULY_1, *row, "grouped")]


def test_rows_of_all_layouts_come_back_together(store: Connection):
    rows = [
        bar(f"{'Ä' * (n % 5)}{n}", vwap=10.2 if n % 2 else None, transactions=n if n % 3 else None)
        for n in range(100)
    ]

    found = returned(store, session_frame(*rows), JULY_1)

    assert sorted(found) == sorted((JULY_1, *row, "grouped") for row in rows)


@pytest.mark.parametrize(
    "session", [date(2003, 9, 10), date(1999, 12, 31), date(2000, 1, 1), date(2100, 1, 4)]
)
def test_any_date_comes_back(store: Connection, session: date):
    ((found, *_),) = returned(store, session_frame(bar()), session)

    assert found == session


def test_an_empty_frame_is_a_copy_of_nothing(store: Connection):
    assert returned(store, session_frame(), JULY_1) == []


def test_dated_rows_keep_their_dates(store: Connection):
    days = [date(1999, 12, 31), date(2024, 7, 1), date(2024, 2, 29)]
    rows: list[Row] = [(day, *bar()) for day in days]
    frame = pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")

    found = returned(store, frame, None)

    assert sorted(row[0] for row in found) == sorted(days)


def test_equal_bars_give_equal_bytes_in_any_order():
    rows = [
        bar("B"),
        bar("C"),
        bar("A"),
        bar("D", vwap=None),
        bar("CC"),
        bar("A.B", transactions=None),
    ]

    encoded = copy_binary.encode(session_frame(*rows), "grouped", JULY_1)

    turned = copy_binary.encode(session_frame(*reversed(rows)), "grouped", JULY_1)
    assert b"".join(turned.buffers()) == b"".join(encoded.buffers())
    assert turned.fingerprint == encoded.fingerprint


def test_the_fingerprint_is_of_the_bars_not_of_the_day():
    frame = session_frame(bar("A"), bar("B"))

    of_days = {copy_binary.encode(frame, "grouped", day).fingerprint for day in (JULY_1, JULY_2)}

    assert len(of_days) == 1


@pytest.mark.parametrize(
    "change",
    [{"close": 10.3}, {"vwap": None}, {"vwap": 0.0}, {"transactions": None}, {"transactions": 0}],
)
def test_the_fingerprint_is_another_for_another_bar(change: dict[str, float | None]):
    same = copy_binary.encode(session_frame(bar("A"), bar("B")), "grouped", JULY_1)

    other = copy_binary.encode(session_frame(bar("A"), bar("B", **change)), "grouped", JULY_1)

    assert other.fingerprint != same.fingerprint


def test_the_fingerprint_is_the_one_that_databases_hold():
    """Another one would have every stored session fetched and written again."""
    rows = [bar("B"), bar("A.B", vwap=None, transactions=None), bar("Ä" * 9, transactions=None)]

    held = "1:442e83db19606f52cec757e885042510"  # pragma: allowlist secret
    assert copy_binary.fingerprint(session_frame(*rows)) == held


LONG = "X" * 23


@pytest.mark.parametrize(
    "symbols",
    [
        ["b", "A.B", "Ä", "AAA", "A", "ABCDEFGH"],
        ["Z", f"{LONG}B", f"{LONG}A", LONG, f"{LONG}AA", "X" * 8, "A", "日本"],
    ],
)
def test_rows_are_encoded_in_the_order_of_the_primary_key(store: Connection, symbols: list[str]):
    frame = session_frame(*(bar(symbol, vwap=None) for symbol in symbols))

    found = returned(store, frame, JULY_1)

    assert [row[1] for row in found] == sorted(symbols)  # by code points, as bytes of UTF-8 are


def test_dated_rows_are_encoded_in_the_order_of_the_primary_key(store: Connection):
    keys = [(JULY_2, "A"), (JULY_1, "BB"), (JULY_2, LONG), (JULY_1, "B"), (JULY_1, LONG)]
    rows: list[Row] = [(day, *bar(symbol)) for day, symbol in keys]

    found = returned(store, pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row"), None)

    assert [row[:2] for row in found] == sorted(keys)


@pytest.mark.parametrize(("most", "expected"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (9, [5])])
def test_buffers_hold_at_most_the_rows_asked_for(most: int, expected: list[int]):
    rows = [bar(symbol, vwap=None) for symbol in ("A", "BB", "CCC", "DDDD", "EEEEE")]
    encoded = copy_binary.encode(session_frame(*rows), "grouped", JULY_1)

    buffers = [bytes(buffer) for buffer in encoded.buffers(most)]

    assert [buffer.count(b"grouped") for buffer in buffers] == expected
    assert b"".join(buffers) == b"".join(encoded.buffers())


SYMBOL = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=32)
FINITE: Any = st.floats(allow_nan=False, allow_infinity=False)
ROW = st.tuples(
    SYMBOL,
    *(FINITE, FINITE, FINITE, FINITE, FINITE),
    st.none() | FINITE,
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(st.lists(ROW, max_size=8))
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_anything_that_can_be_a_bar_comes_back(store: Connection, rows: list[Row]):
    found = returned(store, session_frame(*rows), JULY_1)

    assert sorted(map(repr, found)) == sorted(repr((JULY_1, *row, "grouped")) for row in rows)


ANY = st.floats() | st.sampled_from([0.0, -0.0])


@given(
    st.lists(
        st.tuples(
            SYMBOL,
            *(ANY, ANY, ANY, ANY, ANY),
            st.none() | ANY,
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=8,
        unique_by=lambda row: row[0],
    )
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_fingerprint_is_the_one_that_the_domain_defines(rows: list[BarValues]):
    encoded = copy_binary.encode(session_frame(*rows), "grouped", JULY_1)

    assert encoded.fingerprint == of_session(rows)
    assert copy_binary.fingerprint(session_frame(*rows)) == of_session(rows)


def test_a_zero_with_a_sign_is_stored_as_it_came_and_has_the_fingerprint_of_zero(store: Connection):
    plus, minus = bar(volume=0.0), bar(volume=-0.0)

    assert repr(returned(store, session_frame(minus), JULY_1)) == repr(
        [(JULY_1, *minus, "grouped")]
    )
    assert copy_binary.fingerprint(session_frame(minus)) == of_session([plus])
