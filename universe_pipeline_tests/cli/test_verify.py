"""`verify`: exit 1 exactly when a rule of severity ERROR is broken, and says what repairs it."""

import json
from typing import Any

import psycopg
import pytest

from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.in_process import Command, Ended

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-12")
SAMPLED = {"bars_agree_with_the_symbol_endpoint", "adjusted_bars_agree_with_the_splits"}
CHECKS = {
    "daily_bars_cover_every_session",
    "daily_bars_have_consistent_ohlc",
    "daily_bars_fall_on_sessions",
    "daily_bars_match_their_load",
    "daily_bars_sessions_are_whole",
    "daily_bars_sessions_are_usual",
    "daily_bars_rows_are_plausible",
    "daily_bars_series_are_unbroken",
    "daily_bars_prices_agree_with_splits",
    "daily_bars_agree_with_the_symbols",
    "symbols_are_unique",
    "symbols_resemble_the_last_snapshot",
    "data_coverage_knows_every_load",
    "splits_are_unique",
    "splits_have_usable_ratios",
}


def rules(ended: Ended) -> dict[str, dict[str, Any]]:
    """The rules of the JSON document by name."""
    return {one["rule"]: one for one in json.loads(ended.out)["rules"]}


def errors(ended: Ended) -> list[str]:
    return [name for name, one in rules(ended).items() if one["verdict"] == "error"]


def test_a_good_load_verifies_without_the_vendor(command: Command, vendor: SimulatedVendor) -> None:
    command(*LOAD)
    asked = vendor.count()

    ended = command("verify", "--json", POLYGON_API_KEY="")

    assert ended.code == 0
    found = json.loads(ended.out)
    assert {one["check"] for one in found["checks"]} == CHECKS
    assert list(rules(ended)) == [rule.name for rule in RULES if rule.name not in SAMPLED]
    assert errors(ended) == []
    assert (found["differences"], found["sample"]["size"]) == ([], 0)
    assert vendor.count() == asked


def test_bars_of_another_vendor_are_judged_and_compared_with_none(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    connection.execute("UPDATE vendor_of_record SET vendor = 'https://other.example'")
    asked = vendor.count()

    judged, compared = command("verify"), command("verify", "--sample-size", "1")

    assert (judged.code, compared.code) == (0, 1)
    assert "was filled from https://other.example" in compared.err
    assert vendor.count() == asked


def test_a_broken_bar_is_told_with_what_repairs_it(
    command: Command, connection: psycopg.Connection
) -> None:
    command(*LOAD)
    connection.execute(
        "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-03-12'"
    )

    whole, other_day = command("verify", "--json"), command("verify", "--end", "2024-03-11")
    printed = command("verify").out

    assert (whole.code, other_day.code) == (1, 0)
    assert errors(whole) == ["ohlc_order", "contents_are_as_they_were_loaded"]
    broken = rules(whole)["ohlc_order"]
    assert (broken["offenders"], broken["level"]) == (1, "row")
    assert broken["examples"][0] | {"detail": ""} == {
        "date": "2024-03-12",
        "symbol": "AAPL",
        "detail": "",
    }
    assert broken["repair"] == (
        "universe repair --symbols AAPL --start 2024-03-12 --end 2024-03-12"
    )
    checks = {one["check"]: one["verdict"] for one in json.loads(whole.out)["checks"]}
    assert checks["daily_bars_have_consistent_ohlc"] == "error"
    assert checks["daily_bars_fall_on_sessions"] == "ok"
    assert f"\n  → {broken['repair']}\n" in printed
    assert "\n  2024-03-12 AAPL: open " in printed


def test_what_is_told_repairs_it(command: Command, connection: psycopg.Connection) -> None:
    command(*LOAD)
    connection.execute("UPDATE daily_bars SET volume = 7 WHERE date = '2024-03-12'")
    connection.execute("DELETE FROM daily_bars WHERE date = '2024-03-11' AND symbol = 'AAPL'")
    broken = command("verify", "--json")
    repair = rules(broken)["sessions_hold_what_they_stored"]["repair"]

    command(*repair.split()[1:])
    command(*repair.replace("-11", "-12").split()[1:])

    assert errors(broken) == ["sessions_hold_what_they_stored", "contents_are_as_they_were_loaded"]
    assert repair == "universe historical --start 2024-03-11 --end 2024-03-11 --reload"
    assert command("verify").code == 0


def test_a_sample_finds_the_value_that_differs_from_the_vendors(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    connection.execute("DELETE FROM data_coverage WHERE symbol <> 'AAPL'")  # the only one to draw
    good = command("verify", "--sample-size", "5", "--json")
    vendor.faults.add("changed", endpoint="range", tickers=["AAPL"], session="2024-03-12")

    ended = command("verify", "--sample-size", "5", "--json")

    assert rules(good).keys() >= SAMPLED
    assert json.loads(good.out)["differences"] == []
    assert ended.code == 0  # the vendor corrects itself: look at it
    assert rules(ended)["bars_agree_with_the_symbol_endpoint"]["verdict"] == "warn"
    differences = json.loads(ended.out)["differences"]
    assert {(each["symbol"], each["date"]) for each in differences} == {
        ("AAPL", "2024-03-11"),
        ("AAPL", "2024-03-12"),
    }
    assert differences[0]["difference"].startswith("volume ")
    assert vendor.count("range") == 4


def test_what_a_sample_costs_is_said_before_with_its_seed(
    command: Command, vendor: SimulatedVendor
) -> None:
    command(*LOAD)

    ended = command("verify", "--sample-size", "2", "--json", POLYGON_RATE_LIMIT="30000")

    seed = json.loads(ended.out)["sample"]["seed"]
    assert f"comparing 2 symbols drawn by seed {seed} with the vendor, 30000 requests" in ended.err
    assert vendor.count("range") == 4


def test_without_a_key_the_sample_is_told_as_not_run(
    command: Command, vendor: SimulatedVendor
) -> None:
    command(*LOAD)

    ended = command("verify", "--sample-size", "3", "--json", POLYGON_API_KEY="")

    assert ended.code == 0
    assert "no symbol is compared with the vendor: POLYGON_API_KEY is not set" in ended.err
    sample = json.loads(ended.out)["sample"]
    assert (sample["size"], sample["not_run"][:15]) == (0, "POLYGON_API_KEY")
    assert not rules(ended).keys() & SAMPLED
    assert vendor.count("range") == 0


def test_an_unpublished_session_is_a_warning_and_no_failure(command: Command) -> None:
    command(*LOAD)

    ended = command("verify", "--start", "2024-03-11", "--end", "2024-03-13", "--json")

    assert ended.code == 0
    missing = rules(ended)["sessions_are_loaded"]
    assert (missing["verdict"], missing["offenders"]) == ("warn", 1)
    assert missing["repair"] == "universe historical --start 2024-03-13 --end 2024-03-13"


@pytest.mark.parametrize("arguments", [("verify",), ("verify", "--json")])
def test_where_nothing_is_loaded_that_is_said(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("universe: nothing is loaded yet")
