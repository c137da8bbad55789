"""Stored bars against the per-symbol endpoint, as traded and adjusted."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.reference.splits import SPLIT_TABLES
from universe_pipeline.adapters.postgres.reference.whole_lists import swap_list
from universe_pipeline.domain.quality.findings import Violation
from universe_pipeline.domain.reference_lists import Listed
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.quality.comparison import compare, draw_symbols
from universe_pipeline.loading.sessions import Encoding, fetch_sessions
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.loading.universe import discover
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.made_actions import NOW, list_split
from universe_pipeline_tests.support.session_answers import JULY_1, JULY_2, JULY_3

DAYS = (JULY_1, JULY_2, JULY_3)
TODAY = date(2026, 11, 24)
AROUND_A_SPLIT = sessions_between(date(2024, 8, 13), date(2024, 8, 16))
"""BCPC has a split of 2 for 1 on the third of them."""


def load(client: PolygonClient, connection: Connection, days: Sequence[date] = DAYS) -> None:
    for each in fetch_sessions(client, days, Encoding(), machine):
        store_answer(connection, each, None)


def compared(
    client: PolygonClient, connection: Connection, symbol: str, days: Sequence[date] = DAYS
) -> tuple[list[Violation], list[Violation]]:
    """The differences, of the bars as traded and of the adjusted ones."""
    different, unadjusted, _ = compare(client, connection, [symbol], days, TODAY)
    return list(different.worst), list(unadjusted.worst)


def test_both_ways_to_a_bar_say_the_same(client: PolygonClient, store: Connection):
    load(client, store)

    assert compared(client, store, "AAPL") == ([], [])


def test_a_value_that_differs_is_reported_with_both(client: PolygonClient, store: Connection):
    load(client, store)
    store.execute(
        "UPDATE daily_bars SET volume = 1.5, transactions = NULL"
        " WHERE symbol = 'AAPL' AND date = %s",
        (JULY_2,),
    )

    (found,), adjusted = compared(client, store, "AAPL")

    assert (found.symbol, found.day, adjusted) == ("AAPL", JULY_2, [])
    assert found.detail.startswith("volume 1.5 here, ")
    assert ", transactions None here, " in found.detail


def test_a_bar_that_the_vendor_has_not_is_reported(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store)
    vendor.faults.add("missing", endpoint="range", tickers=["AAPL"])

    found, _ = compared(client, store, "AAPL")

    text = "stored, and the per-symbol endpoint has no bar"
    assert found == [Violation(day, "AAPL", text) for day in DAYS]


def test_a_bar_that_is_not_stored_is_reported(client: PolygonClient, store: Connection):
    load(client, store)
    store.execute("DELETE FROM daily_bars WHERE symbol = 'AAPL' AND date = %s", (JULY_2,))

    found, _ = compared(client, store, "AAPL")

    assert [(each.symbol, each.day) for each in found] == [("AAPL", JULY_2)]


def test_a_symbol_that_cannot_be_compared_is_reported_and_the_next_one_is_compared(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store)
    store.execute("DELETE FROM daily_bars WHERE symbol = 'MSFT' AND date = %s", (JULY_2,))
    vendor.faults.add("404", endpoint="range", ticker="AAPL")

    found, *_ = compare(client, store, ["AAPL", "MSFT"], DAYS, TODAY)

    assert [(each.symbol, each.day) for each in found.worst] == [("AAPL", JULY_1), ("MSFT", JULY_2)]
    assert "could not be compared" in found.worst[0].detail


def test_adjusted_bars_are_the_stored_ones_times_the_splits(
    client: PolygonClient, store: Connection
):
    load(client, store, AROUND_A_SPLIT)
    without = compared(client, store, "BCPC", AROUND_A_SPLIT)
    known = pl.DataFrame(
        [("BCPC", date(2024, 8, 15), 1.0, 2.0, None)], schema=SPLIT_SCHEMA, orient="row"
    )
    swap_list(store, SPLIT_TABLES, Listed("splits", known, (), datetime.now(UTC)), None)

    assert compared(client, store, "BCPC", AROUND_A_SPLIT) == ([], [])
    assert without[0] == []
    assert [each.day for each in without[1]] == list(AROUND_A_SPLIT[:2])


def test_factors_that_differ_from_the_verdicts_are_reported(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store, AROUND_A_SPLIT)
    list_split(store, "BCPC", AROUND_A_SPLIT[2], 2)
    refresh_actions(store, NOW)

    def misfactored() -> list[Violation]:
        return list(compare(client, store, ["BCPC"], AROUND_A_SPLIT, TODAY)[2].worst)

    same = misfactored()
    store.execute("UPDATE action_verdicts SET multiplier = 4")
    other = misfactored()
    vendor.faults.add("403_not_entitled", endpoint="dividends")
    vendor.faults.add("400", endpoint="splits")
    unasked = misfactored()

    assert same == []
    detail = "split factor 0.500000 there, 0.250000 here"
    assert other == [Violation(AROUND_A_SPLIT[2], "BCPC", detail)]
    assert [each.detail.partition(":")[0] for each in unasked] == [
        "split factors could not be compared"
    ]


def test_the_same_seed_draws_the_same_symbols(client: PolygonClient, store: Connection):
    discover(client, store, machine)
    load(client, store)
    cover(store)

    drawn = draw_symbols(store, 5, seed=1)

    assert len(set(drawn)) == 5
    assert draw_symbols(store, 5, seed=1) == drawn
    assert draw_symbols(store, 5, seed=2) != drawn
    assert set(draw_symbols(store, 100_000, seed=3)) > set(drawn)


def test_nothing_is_drawn_of_nothing(store: Connection):
    assert draw_symbols(store, 5, seed=1) == []
