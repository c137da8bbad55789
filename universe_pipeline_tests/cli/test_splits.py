"""Splits from the command line: fetched with the universe, and applied when bars are read."""

import json
from typing import Any

import psycopg

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import ask


def test_a_discovery_brings_the_splits_and_says_how_many(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    ended = command("discover")
    again = command("discover")
    forced = command("discover", "--force-refresh")

    rows: Any = connection.execute("SELECT count(*) FROM splits").fetchone()
    assert [ended.code, again.code, forced.code] == [0, 0, 0]
    assert f" UTC; {rows[0]} splits; " in ended.out
    assert f" UTC; {rows[0]} splits; " in forced.out
    assert vendor.count("splits") == 2
    shown = json.loads(command("status", "--json").out)["splits"]
    assert shown["total"] == rows[0]


def test_splits_older_than_a_day_are_asked_for_by_a_command_that_has_nothing_to_load(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    load = ("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    command(*load)
    connection.execute("UPDATE split_snapshots SET taken_at = taken_at - interval '25 hours'")

    ended = command(*load)

    assert ended.code == 0
    assert (vendor.count("splits"), vendor.count("tickers")) == (2, 2)


def test_splits_that_fail_are_reported_and_retried_alone(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_not_entitled", endpoint="splits")
    vendor.faults.add("403_not_entitled", endpoint="older_splits")
    load = command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    (error,) = json.loads(command("errors", "--json").out)["errors"]
    vendor.faults.clear()

    ended = command("retry")

    assert load.code == 1
    why, next_step = load.err.splitlines()[-2:]
    assert why.startswith("splits: the key's plan does not include this")
    assert next_step == "next: `universe retry` asks again, once the plan includes that"
    assert (error["kind"], error["endpoint"]) == ("not_entitled", "/v3/reference/splits")
    assert error["dataset"] == "splits"
    statuses = connection.execute("SELECT status FROM session_loads").fetchall()
    assert statuses == [("loaded",)]
    assert ended.code == 0
    assert (vendor.count("splits"), vendor.count("tickers")) == (2, 2)
    assert json.loads(command("errors", "--json").out) == {"errors": []}


def test_adjusted_bars_are_those_that_the_vendor_adjusts(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    days = ("2006-01-20", "2014-06-09", "2020-08-28", "2023-05-12", "2026-02-24")
    for day in days:
        command("historical", "--start", day, "--end", day, UNIVERSE_START_DATE="2003-09-10")
    path = "/v2/aggs/grouped/locale/us/market/stocks"

    adjusted = connection.execute(
        "SELECT date::text, symbol, open, high, low, close, vwap, volume, price_factor"
        " FROM adjusted_bars ORDER BY date, symbol"
    ).fetchall()

    theirs = {
        (day, row["T"]): row
        for day in days
        for row in ask(vendor, f"{path}/{day}?adjusted=true")["results"]
    }
    assert len(adjusted) > 400
    assert sum(row[-1] != 1 for row in adjusted) > 20
    for day, symbol, *prices, volume, _ in adjusted:
        row = theirs[day, symbol]
        for ours, name in zip(prices, ("o", "h", "l", "c", "vw"), strict=True):
            assert (ours is None) == (name not in row)
            assert ours is None or abs(ours - row[name]) < 0.000051  # they round to four decimals
        assert abs(volume - row["v"]) < 0.0000011
