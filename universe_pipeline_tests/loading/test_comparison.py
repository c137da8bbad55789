"""Stored bars against the per-symbol endpoint."""

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage import cover
from universe_pipeline.loading.comparison import Difference, compare, draw_symbols
from universe_pipeline.loading.sessions import Encoding, fetch_sessions
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.loading.universe import discover
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.adapters.postgres.session_answers import JULY_1, JULY_2, JULY_3

DAYS = (JULY_1, JULY_2, JULY_3)


def load(client: PolygonClient, connection: Connection) -> None:
    for each in fetch_sessions(client, DAYS, Encoding()):
        store_answer(connection, each, None)


def test_both_ways_to_a_bar_say_the_same(client: PolygonClient, store: Connection):
    load(client, store)

    assert compare(client, store, "AAPL", DAYS) == []


def test_a_value_that_differs_is_told_with_both(client: PolygonClient, store: Connection):
    load(client, store)
    store.execute(
        "UPDATE daily_bars SET close = 1.5, transactions = NULL"
        " WHERE symbol = 'AAPL' AND date = %s",
        (JULY_2,),
    )

    (found,) = compare(client, store, "AAPL", DAYS)

    assert (found.symbol, found.day) == ("AAPL", JULY_2)
    assert found.text.startswith("close 1.5 here, ")
    assert ", transactions None here, " in found.text


def test_a_bar_that_the_vendor_has_not_is_told(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store)
    vendor.faults.add("missing", endpoint="range", tickers=["AAPL"])

    found = compare(client, store, "AAPL", DAYS)

    text = "stored, and the per-symbol endpoint has no bar"
    assert found == [Difference("AAPL", day, text) for day in DAYS]


def test_a_bar_that_is_not_stored_is_told(client: PolygonClient, store: Connection):
    load(client, store)
    store.execute("DELETE FROM daily_bars WHERE symbol = 'AAPL' AND date = %s", (JULY_2,))

    found = compare(client, store, "AAPL", DAYS)

    assert [(each.symbol, each.day) for each in found] == [("AAPL", JULY_2)]


def test_a_symbol_that_cannot_be_compared_is_told(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store)
    vendor.faults.add("404", endpoint="range")

    (found,) = compare(client, store, "AAPL", DAYS)

    assert (found.symbol, found.day) == ("AAPL", JULY_1)
    assert "could not be compared" in found.text


def test_the_same_seed_draws_the_same_symbols(client: PolygonClient, store: Connection):
    discover(client, store)
    load(client, store)
    cover(store)

    drawn = draw_symbols(store, 5, seed=1)

    assert len(set(drawn)) == 5
    assert draw_symbols(store, 5, seed=1) == drawn
    assert draw_symbols(store, 5, seed=2) != drawn
    assert set(draw_symbols(store, 100_000, seed=3)) > set(drawn)


def test_nothing_is_drawn_of_nothing(store: Connection):
    assert draw_symbols(store, 5, seed=1) == []
