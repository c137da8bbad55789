"""`verify`: exit 1 exactly when a rule of severity ERROR is broken, and says what repairs it."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from universe_pipeline.adapters.postgres.ledger.load_jobs import begin_job, end_job
from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.command_in_process import Command, Ended
from universe_pipeline_tests.support.simulated_answers import ask

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-12")
SAMPLED = {
    "bars_agree_with_the_symbol_endpoint",
    "adjusted_bars_agree_with_the_splits",
    "vendor_factors_agree",
}
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
    "actions_agree_with_prices",
    "dividends_are_plausible",
    "identities_are_plausible",
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


def test_a_broken_bar_is_reported_with_what_repairs_it(
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
        "universe repair --symbols=AAPL --start 2024-03-12 --end 2024-03-12"
    )
    checks = {one["check"]: one["verdict"] for one in json.loads(whole.out)["checks"]}
    assert checks["daily_bars_have_consistent_ohlc"] == "error"
    assert checks["daily_bars_fall_on_sessions"] == "ok"
    assert f"\n  → {broken['repair']}\n" in printed
    assert "\n  2024-03-12 AAPL: open " in printed


def test_what_is_advised_repairs_it(command: Command, connection: psycopg.Connection) -> None:
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


def test_without_a_key_the_sample_is_reported_as_not_run(
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


def test_failed_ends_of_what_was_asked_for_fail_it(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session="2024-03-11")
    vendor.faults.add("404", endpoint="grouped", session="2024-03-15")
    command("historical", "--start", "2024-03-11", "--end", "2024-03-15")

    ended = command("verify", "--json")
    between = command("verify", "--start", "2024-03-12", "--end", "2024-03-14")

    assert (ended.code, between.code) == (1, 0)
    unusable = rules(ended)["sessions_are_usable"]
    assert [one["date"] for one in unusable["examples"]] == ["2024-03-11", "2024-03-15"]
    summary = json.loads(ended.out)["summary"]
    assert summary.startswith(
        "Incomplete from 2024-03-11 to 2024-03-15, 2 sessions failed; 1 error"
    )
    assert "\nComplete from 2024-03-12 to 2024-03-14; 0 errors, " in between.out


def test_a_job_that_came_to_nothing_is_missed(
    command: Command, connection: psycopg.Connection
) -> None:
    command(*LOAD)
    begin_job(connection, "j", "historical", (date(2024, 3, 11), date(2024, 3, 13)), at=machine())
    end_job(connection, "j", "interrupted", machine())

    ended = command("verify", "--json")

    missing = rules(ended)["sessions_are_loaded"]
    assert (ended.code, missing["offenders"]) == (0, 1)
    assert missing["examples"][0]["detail"] == "not asked for"
    assert json.loads(ended.out)["summary"].startswith(
        "Incomplete from 2024-03-11 to 2024-03-13, 1 session not asked for; 0 errors, "
    )


def scaled(vendor: SimulatedVendor, symbol: str, start: str, end: str, since: str) -> list[Any]:
    """The vendor's rows of a symbol, prices at a hundredth of their value from a day on."""
    path = f"/v2/aggs/ticker/{symbol}/range/1/day/{start}/{end}?adjusted=false&limit=50000"
    first = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp() * 1000
    return [
        row | {name: row[name] / (100 if row["t"] >= first else 1) for name in ("o", "h", "l", "c")}
        for row in ask(vendor, path)["results"]
    ]


def test_symbols_loaded_alone_are_judged_at_once_and_in_a_verification(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    span = ("2023-03-13", "2024-03-15")
    rows = scaled(vendor, "MSFT", *span, "2023-09-05")
    vendor.faults.add("missing", endpoint="range", ticker="MSFT", tickers=["MSFT"])
    vendor.faults.add("bad_rows", endpoint="range", ticker="MSFT", rows=rows)

    load = command(
        "historical", "--start", span[0], "--end", span[1], "--symbols", "AAPL,MSFT,BRK.B"
    )
    ended, printed = command("verify", "--json"), command("verify")

    reported = rules(ended)["prices_keep_their_scale"]
    line = f"2023-09-05 MSFT: {reported['examples'][0]['detail']}"
    assert (load.code, ended.code) == (0, 0)
    assert (reported["offenders"], reported["examples"][0]["symbol"]) == (1, "MSFT")
    assert line in load.out
    assert line in printed.out
    recorded = connection.execute(
        "SELECT occasion, offenders FROM rule_results WHERE rule = 'prices_keep_their_scale'"
        " ORDER BY id"
    ).fetchall()
    assert recorded == [("load", 1), ("verification", 1), ("verification", 1)]
    assert rules(ended)["series_have_no_gaps"]["offenders"] == 0
    assert "sessions_are_loaded" not in [
        name for name, one in rules(ended).items() if one["offenders"]
    ]
    assert printed.out.splitlines()[-1].startswith(
        "Chosen symbols complete from 2023-03-13 to 2024-03-15; 0 errors, "
    )


def test_a_symbol_is_judged_over_its_own_sessions_and_the_whole_ones(
    command: Command, connection: psycopg.Connection
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-28")
    command("historical", "--start", "2024-01-02", "--end", "2024-03-13", "--symbols", "AAPL")
    before = rules(command("verify", "--json"))
    connection.execute("DELETE FROM daily_bars WHERE symbol = 'AAPL' AND date = '2024-03-04'")
    connection.execute(
        "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-02-05'"
    )

    ended = command("verify", "--json")

    assert ended.code == 1
    assert "AAPL" not in str(before["series_have_no_gaps"]["examples"])
    assert before["sessions_are_loaded"]["offenders"] == 0
    assert [(one["date"], one["symbol"]) for one in rules(ended)["ohlc_order"]["examples"]] == [
        ("2024-02-05", "AAPL")
    ]
    found = rules(ended)["series_have_no_gaps"]["examples"]
    assert [one["date"] for one in found if one["symbol"] == "AAPL"] == ["2024-03-04"]
    assert "sessions_are_loaded" not in errors(ended)


def test_a_broken_bar_of_a_symbol_load_fails_the_load(
    command: Command, connection: psycopg.Connection
) -> None:
    load = ("--start", "2024-03-11", "--end", "2024-03-15", "--symbols", "AAPL")
    command("historical", *load)
    connection.execute("UPDATE daily_bars SET volume = 'NaN' WHERE date = '2024-03-12'")

    ended = command("repair", "--symbols", "AAPL", "--start", "2024-03-14", "--end", "2024-03-15")
    whole = command("repair", *load)

    assert (ended.code, whole.code) == (0, 0)  # the first one is not about that day
    assert command("verify").code == 0


def test_rules_that_hold_are_listed_on_request(command: Command) -> None:
    command(*LOAD)

    short, long = command("verify"), command("verify", "--all")

    assert not re.search(r"^ohlc_order +ok", short.out, re.MULTILINE)
    assert re.search(r"^\d+ rules hold or only inform: --all lists them$", short.out, re.MULTILINE)
    assert re.search(r"^ohlc_order +ok +0 *$", long.out, re.MULTILINE)
    last = short.out.splitlines()[-1]
    assert last == long.out.splitlines()[-1]
    assert re.fullmatch(
        r"Complete from 2024-03-11 to 2024-03-12; 0 errors, \d+ warnings?; "
        r"next session \w+day 20\d\d-\d\d-\d\d",
        last,
    )
    assert command("status").out.splitlines()[-1].startswith("Complete from 2024-03-11 to ")


@pytest.mark.parametrize("arguments", [("verify",), ("verify", "--json")])
def test_where_nothing_is_loaded_that_is_said(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("universe: nothing is loaded yet")
