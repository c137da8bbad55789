"""Bars read in columns are the bars that are stored, value for value."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.fingerprint import of_session
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    T2,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)


def test_bars_come_by_date_with_what_they_lack(store: Connection):
    bare = bar("b", vwap=None, transactions=None, volume=0.25)
    odd = bar("Ä", transactions=-1, open=9.3, volume=-1e300)
    write_session(store, answered(JULY_2, bar("A")), None)
    write_session(store, answered(JULY_1, bare, bar("NA"), odd), None)
    write_session(store, answered(JULY_5, bar("A")), None)

    found = packed.read(store, JULY_1, JULY_3)

    assert found.bars.schema == DATED_BAR_SCHEMA
    assert found.bars["date"].to_list() == [JULY_1] * 3 + [JULY_2]
    assert found.bars.sort("date", "symbol").rows() == [
        (JULY_1, *bar("NA")),
        (JULY_1, *bare),
        (JULY_1, *odd),
        (JULY_2, *bar("A")),
    ]
    assert found.counts == {JULY_1: (3, 3), JULY_2: (1, 1)}


def test_bars_of_one_endpoint_can_be_read_alone(store: Connection):
    write_session(store, answered(JULY_1, bar("A"), bar("B")), None)
    write_symbol(store, answered_symbol("B", [JULY_1], {JULY_1: bar("B", close=9.5)}, at=T2), None)

    both, one = (packed.read(store, JULY_1, JULY_1, source) for source in (None, "grouped"))

    assert both.counts == {JULY_1: (2, 1)}
    assert one.bars["symbol"].to_list() == ["A"]


def test_where_there_are_no_bars_the_frame_has_its_columns(store: Connection):
    found = packed.read(store, date(2024, 7, 6), date(2024, 7, 7))

    assert found.bars.schema == DATED_BAR_SCHEMA
    assert (found.bars.height, found.counts) == (0, {})


def test_no_day_is_lost_where_clocks_change_at_midnight(store: Connection):
    first, last = date(2024, 9, 6), date(2024, 9, 9)  # Santiago has no midnight on the 8th
    for day in (first, last):
        write_session(store, answered(day, bar("A")), None)

    store.execute("SET timezone = 'America/Santiago'")
    found = packed.read(store, first, last)
    store.execute("RESET timezone")

    assert found.counts == {first: (1, 1), last: (1, 1)}


def test_fingerprints_are_those_of_the_values(store: Connection):
    rows = [
        bar("B", vwap=None, transactions=None, volume=-0.0),
        bar("A", vwap=-0.0, transactions=-1),
        bar("longer.than.a.word", volume=0.25),
        bar("Ä"),
    ]
    write_session(store, answered(JULY_1, *rows), None)
    write_session(store, answered(JULY_2, bar("A")), None)

    found = packed.receive(store, JULY_1, JULY_3).fingerprints({JULY_1, JULY_3})

    assert found == {JULY_1: of_session(rows)}


NUMBER = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("day", [JULY_1])
@given(
    st.lists(NUMBER, min_size=5, max_size=5),
    st.none() | NUMBER,
    st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_number_survives(
    store: Connection, day: date, values: list[float], vwap: float | None, transactions: int | None
):
    with store.transaction(force_rollback=True):
        store.execute(
            "INSERT INTO daily_bars VALUES (%s, 'A', %s, %s, %s, %s, %s, %s, %s, 'grouped')",
            (day, *values, vwap, transactions),
        )

        found = packed.read(store, day, day)

    assert found.bars.rows() == [(day, "A", *values, vwap, transactions)]
