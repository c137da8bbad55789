"""Symbols from the vendor into the tables, one request each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.bars.writing import Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.sessions import newest_closed, sessions_before, sessions_between
from universe_pipeline.loading.by_symbol import SymbolOutcome, load_symbols
from universe_pipeline.loading.load_states import plan_symbols
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    Row,
    answered,
    bar,
    load_of,
    versions,
    write_session,
)
from universe_pipeline_tests.support.simulated_answers import grouped

LONG = sessions_between(date(2024, 5, 1), date(2024, 7, 3))
WEEK = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8)
HALF = sessions_between(date(2024, 4, 1), date(2024, 9, 30))
A_BAR = {"o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0, "v": 1.0}
SATURDAY = 1720238400000
"""2024-07-06 00:00 in New York, as the per-symbol endpoint stamps a day."""


def load(
    client: PolygonClient, connection: Connection, wanted: Mapping[str, Sequence[date]]
) -> dict[str, SymbolOutcome]:
    outcomes = load_symbols(client, connection, wanted, 2, machine, "run")
    return {outcome.symbol: outcome for outcome in outcomes}


def bars_of(connection: Connection, symbol: str) -> list[Row]:
    return connection.execute(
        "SELECT date, symbol, open, high, low, close, volume, vwap, transactions, source"
        " FROM daily_bars WHERE symbol = %s ORDER BY date",
        (symbol,),
    ).fetchall()


def errors(connection: Connection) -> list[Row]:
    """Date, symbol, kind, HTTP status, attempts, retryable, run, and whether it is open."""
    return connection.execute(
        "SELECT date, symbol, kind, http_status, attempts, retryable, run_id, resolved_at IS NULL"
        " FROM data_fetch_errors ORDER BY id"
    ).fetchall()


def asked(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT symbol, loaded::text FROM symbol_loads")
    return dict(rows.fetchall())


def test_a_symbols_bars_are_those_of_the_grouped_answers(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    outcomes = load(client, store, {"AAPL": WEEK, "MSFT": WEEK})

    for symbol in ("AAPL", "MSFT"):
        expected = [
            (day, *row, "symbol")
            for day in WEEK
            for row in grouped(vendor, day.isoformat())
            if row[0] == symbol
        ]
        assert len(expected) == 5
        assert bars_of(store, symbol) == expected
        assert outcomes[symbol] == SymbolOutcome(symbol, Write(stored=5, added=5))
    assert asked(store) == dict.fromkeys(("AAPL", "MSFT"), "{[2024-07-01,2024-07-09)}")
    assert versions(store, "session_loads") == []


def test_a_symbol_is_one_request(client: PolygonClient, store: Connection, vendor: SimulatedVendor):
    load(client, store, {"AAPL": WEEK, "MSFT": [JULY_2]})

    assert sorted(request.path.partition("/ticker/")[2] for request in vendor.requests) == [
        "AAPL/range/1/day/2024-07-01/2024-07-08",
        "MSFT/range/1/day/2024-07-02/2024-07-02",
    ]


def test_a_symbol_that_the_vendor_does_not_know_was_asked_for(
    client: PolygonClient, store: Connection
):
    outcomes = load(client, store, {"aapl": WEEK, "A/B %{}'": WEEK})

    assert [outcome.write for outcome in outcomes.values()] == [Write(stored=0)] * 2
    assert asked(store) == dict.fromkeys(("aapl", "A/B %{}'"), "{[2024-07-01,2024-07-09)}")


def test_only_the_sessions_that_are_wanted_are_written(client: PolygonClient, store: Connection):
    outcome = load(client, store, {"AAPL": [JULY_1, JULY_8]})["AAPL"]

    # The vendor's bars of the sessions in between are not counted as bad rows.
    assert outcome.write == Write(stored=2, added=2)
    assert [row[0] for row in bars_of(store, "AAPL")] == [JULY_1, JULY_8]
    assert asked(store) == {"AAPL": "{[2024-07-01,2024-07-02),[2024-07-08,2024-07-09)}"}


@pytest.mark.parametrize(
    ("fault", "kind", "http_status", "attempts", "retryable"),
    [
        ("404", "not_found", 404, 1, False),
        ("400", "bad_request", 400, 1, False),
        ("500", "server_error", 500, 2, True),
        ("429", "rate_limited", 429, 1, True),
        ("wrong_session", "wrong_session", 200, 2, True),
        ("malformed_json", "malformed_json", 200, 2, True),
        ("reset", "connection", None, 2, True),
        ("looping_next_url", "paging", None, 1, True),
    ],
)
def test_a_symbol_that_fails_is_reported_leaves_the_others_alone_and_loads_later(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: Any,
    kind: str,
    http_status: int | None,
    attempts: int,
    retryable: bool,
):
    options = {"days": 30} if fault == "wrong_session" else {}
    vendor.faults.add(fault, ticker="AAPL", **options)

    outcomes = load(client, store, {"AAPL": WEEK, "MSFT": WEEK})
    recorded, known = errors(store), asked(store)
    vendor.faults.clear()
    later = load(client, store, {"AAPL": WEEK})

    failed = (JULY_1, "AAPL", kind, http_status, attempts, retryable, "run")
    assert recorded == [(*failed, True)]
    assert [outcome.write is None for outcome in outcomes.values()] == [True, False]
    assert list(known) == ["MSFT"]
    assert later["AAPL"].write == Write(stored=5, added=5)
    assert errors(store) == [(*failed, False)]


@pytest.mark.parametrize("outside", [1, 2, 17, 43])
def test_the_earliest_session_of_the_plan_is_found_once_and_the_rest_loads(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, outside: int
):
    for day in LONG[:outside]:
        vendor.faults.add("403_timeframe", session=day)

    outcomes = load(client, store, {"MSFT": LONG[20:], "AAPL": LONG, "SPY": LONG})

    assert len(LONG) == 44
    reached = list(LONG[outside:])
    assert [row[0] for row in bars_of(store, "AAPL")] == reached
    assert [row[0] for row in bars_of(store, "SPY")] == reached
    assert [row[0] for row in bars_of(store, "MSFT")] == [day for day in reached if day >= LONG[20]]
    assert vendor.count("range") <= 1 + 6 + 2
    assert [one.symbol for one in outcomes.values() if one.error is not None] == ["AAPL"]
    assert {row[1:3] for row in errors(store)} == {(None, "outside_plan")}
    left = plan_symbols(store, ["AAPL", "SPY"], LONG)
    assert (left.wanted, left.out_of_reach) == ({}, set(LONG[:outside]))


def test_a_plan_that_reaches_no_session_is_known_after_few_requests(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_timeframe")

    outcomes = load(client, store, {"AAPL": LONG, "MSFT": LONG})

    assert [(one.symbol, one.write) for one in outcomes.values()] == [("AAPL", None)]
    assert vendor.count("range") <= 7
    assert plan_symbols(store, ["AAPL", "MSFT"], LONG).out_of_reach == set(LONG)


def test_a_symbol_that_fails_within_the_plan_is_reported_and_leaves_the_others_alone(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_timeframe", session=JULY_1)
    vendor.faults.add("404", ticker="AAPL")

    outcomes = load(client, store, {"AAPL": WEEK, "MSFT": WEEK})

    assert [row[:3] for row in errors(store)] == [
        (JULY_1, None, "outside_plan"),
        (JULY_5, "AAPL", "not_found"),  # in the middle of what the plan may reach
    ]
    assert outcomes["AAPL"].write is None
    assert [row[0] for row in bars_of(store, "MSFT")] == list(WEEK[1:])


@pytest.mark.parametrize(
    ("fault", "there"), [("collapsed", 1), ("empty", 0)], ids=["ends early", "holds nothing"]
)
def test_the_newest_sessions_count_as_asked_for_only_with_a_bar(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, fault: Any, there: int
):
    newest = newest_closed(datetime.now(UTC) - PUBLISHED_AFTER)
    newest_three = [*sessions_before(newest, 2), newest]
    make_quarters(store, newest_three)
    vendor.faults.add(fault, ticker="AAPL", times=1)

    outcome = load(client, store, {"AAPL": newest_three})["AAPL"]
    left = plan_symbols(store, ["AAPL"], newest_three).wanted
    again = load(client, store, left)["AAPL"]

    assert outcome.error is None
    assert left == {"AAPL": newest_three[there:]}
    assert again.write == Write(stored=3 - there, added=3 - there)
    assert [row[0] for row in bars_of(store, "AAPL")] == newest_three
    assert plan_symbols(store, ["AAPL"], newest_three).wanted == {}


@pytest.mark.parametrize("fault", ["401_no_key", "401_unknown_key", "403_not_entitled"])
def test_what_the_key_forbids_stops_the_rest(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, fault: Any
):
    vendor.faults.add(fault)

    outcomes = load(client, store, {f"S{n}": WEEK for n in range(20)})

    assert list(outcomes) == ["S0"]
    assert [row[1] for row in errors(store)] == ["S0"]
    assert vendor.count("range") == 1


def test_of_a_session_that_is_not_published_yet_the_rest_loads_without_a_failure(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_before_end_of_day", session=JULY_8)

    outcomes = load(client, store, {"AAPL": WEEK, "MSFT": WEEK, "SPY": [JULY_8]})

    # Two requests show for AAPL that the newest session is not out; no more ask for it.
    assert vendor.count("range") == 3
    assert list(outcomes) == ["AAPL", "MSFT"]
    for symbol in ("AAPL", "MSFT"):
        assert outcomes[symbol] == SymbolOutcome(symbol, Write(stored=4, added=4))
        assert [row[0] for row in bars_of(store, symbol)] == list(WEEK[:4])
    assert errors(store) == []
    assert plan_symbols(store, ["AAPL"], WEEK).wanted == {"AAPL": [JULY_8]}


def test_a_symbol_of_which_nothing_is_published_yet_is_no_failure_and_not_asked_for(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_before_end_of_day")

    outcomes = load(client, store, {"AAPL": [JULY_8], "MSFT": [JULY_8]})

    assert outcomes == {"AAPL": SymbolOutcome("AAPL")}
    assert vendor.count("range") == 1
    assert errors(store) == []
    assert asked(store) == {}


def test_rows_that_are_no_bars_are_set_aside_on_their_day(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("bad_rows")

    for _ in range(2):
        outcome = load(client, store, {"AAPL": [JULY_2]})["AAPL"]

        assert outcome.write is not None
        # Each of the bad rows is of AAPL and 2024-07-02, as is the sound one: they contradict it.
        assert (outcome.write.stored, outcome.write.rejected) == (0, 8)
        rejected = store.execute(
            "SELECT DISTINCT date, symbol, count(*) OVER () FROM rejected_bars"
        ).fetchall()
        assert rejected == [(JULY_2, "AAPL", 8)]


@pytest.mark.parametrize("times", [1, 2], ids=["loaded", "loaded again"])
def test_one_bar_of_a_closed_day_in_a_hundred_is_set_aside_once(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, times: int
):
    vendor.faults.add("bad_rows", rows=[{**A_BAR, "t": SATURDAY}])

    outcomes = [load(client, store, {"AAPL": HALF})["AAPL"] for _ in range(times)]

    assert outcomes[0].write == Write(stored=len(HALF), rejected=1, added=len(HALF))
    rejected = store.execute("SELECT date, symbol, rule, payload FROM rejected_bars").fetchall()
    assert rejected == [(date(2024, 7, 6), "AAPL", "off_session", {**A_BAR, "t": SATURDAY})]


def test_one_bar_of_a_closed_day_in_six_refuses_the_answer(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("bad_rows", rows=[{**A_BAR, "t": SATURDAY}])

    outcome = load(client, store, {"AAPL": WEEK})["AAPL"]

    assert outcome.write is None
    assert outcome.error is not None
    assert outcome.error.message == (
        "1 of 6 bars fall on closed days, the first on Saturday 2024-07-06; the stamps are wrong"
    )
    assert [row[2] for row in errors(store)] == ["wrong_session"]
    assert (bars_of(store, "AAPL"), asked(store)) == ([], {})


def test_a_symbol_takes_its_bars_over_from_their_sessions(client: PolygonClient, store: Connection):
    others = [bar(f"S{n}") for n in range(10)]
    write_session(store, answered(JULY_1, *others, bar("AAPL")), None)

    outcome = load(client, store, {"AAPL": [JULY_1]})["AAPL"]

    assert outcome.write == Write(stored=1, revised=1)
    assert load_of(store, JULY_1, "stored", "content_hash") == (10, None)


def test_a_plan_leaves_out_symbols_that_were_asked_for_everything(
    client: PolygonClient, store: Connection
):
    write_session(store, answered(JULY_8, bar("OTHER")), None)
    load(client, store, {"AAPL": WEEK[:4], "MSFT": WEEK[1:3]})

    found = plan_symbols(store, ["AAPL", "MSFT", "NEW"], WEEK)

    assert found.wanted == {"MSFT": [JULY_1, JULY_5], "NEW": [JULY_1, JULY_2, JULY_3, JULY_5]}


def test_a_plan_leaves_out_what_failed_for_good(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("404", ticker="MSFT")
    vendor.faults.add("500", ticker="SPY")
    load(client, store, {"MSFT": WEEK[1:], "SPY": WEEK})

    found = plan_symbols(store, ["AAPL", "MSFT", "SPY"], WEEK)
    since_then = plan_symbols(store, ["MSFT"], WEEK, since=datetime.now(UTC) + timedelta(minutes=1))

    assert found.wanted == {"AAPL": list(WEEK), "SPY": list(WEEK)}
    assert (found.given_up, found.out_of_reach) == (["MSFT"], set())
    assert since_then.wanted == {"MSFT": list(WEEK)}
