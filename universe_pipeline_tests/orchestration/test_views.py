"""Text, JSON, Dagster and the report show the same rules with the same counts."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.quality.rules import RULES, Severity
from universe_pipeline.orchestration.checks.evaluation import EARLIER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.orchestration.checks.test_specs import evaluations
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.html_parts import Parts

LOAD = ("historical", "--start", "2024-06-03", "--end", "2024-06-28")
FAILING = {Severity.ERROR.value, Severity.WARN.value}

BREAK = (
    "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-06-25'",
    """
    UPDATE daily_bars SET open = open / 100, high = high / 100, low = low / 100,
        close = close / 100, vwap = vwap / 100 WHERE symbol = 'MSFT' AND date >= '2024-06-20'
    """,
    "UPDATE daily_bars SET date = '2024-06-19' WHERE symbol = 'SPY' AND date = '2024-06-24'",
    "UPDATE daily_bars SET symbol = 'A B' WHERE symbol = 'BRK.A' AND date = '2024-06-24'",
    "DELETE FROM symbols WHERE symbol = 'MSFT'",
    "UPDATE symbols SET active = false, delisted_date = '2024-06-10' WHERE symbol = 'SPY'",
    "UPDATE session_loads SET covered = false WHERE date = '2024-06-26'",
)


@pytest.fixture
def broken(command: Command, connection: Connection, vendor: SimulatedVendor) -> Command:
    """A database with findings of every level, made by the vendor and by hand."""
    bad = {"ticker": "MSFT", "execution_date": "2023-05-15", "split_from": 0, "split_to": 1}
    vendor.faults.add("repeated_split", tickers=["TRUE"], days=0)
    vendor.faults.add("bad_rows", endpoint="splits", rows=[bad])
    vendor.faults.add("404", endpoint="grouped", session="2024-06-28")
    loaded = command(*LOAD)
    assert "1 failed" in loaded.out.split("checks: ")[1].splitlines()[0]
    for statement in BREAK:
        connection.execute(statement)
    return command


def test_four_views_show_the_same_rules_and_counts(
    broken: Command, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ended = broken("verify", "--json")
    document = json.loads(ended.out)
    run = instance.get_runs(dg.RunsFilter(job_name="verification"), limit=1)[0].run_id
    found = evaluations(instance, run)
    printed = broken("verify").out
    broken("report", "--output", str(tmp_path / "report.html"))
    page = Parts((tmp_path / "report.html").read_text())

    by_json = {
        one["rule"]: one["offenders"]
        for one in document["rules"]
        if one["offenders"] and one["severity"] in FAILING
    }
    by_text = dict(re.findall(r"^(\w+) \((?:error|warn), ([\d,]+)\): ", printed, re.MULTILINE))
    by_dagster = {
        name: str(value.value).split(" ")[0]
        for one in found.values()
        for name, value in one.metadata.items()
        if name in by_json
    }
    by_page = {
        row[0].split()[0]: m[1]
        for row in page.rows
        if row and (m := re.search(r"([\d,]+) times? not so", row[0]))
    }

    assert ended.code == 1
    counts = {name: f"{count:,}" for name, count in by_json.items()}
    assert counts == by_text == by_dagster == by_page
    assert by_json.keys() >= {
        "ohlc_order",
        "symbol_form",
        "prices_keep_their_scale",
        "bars_fall_on_sessions",
        "sessions_are_usable",
        "sessions_hold_what_they_stored",
        "contents_are_as_they_were_loaded",
        "delisted_symbols_do_not_trade",
        "splits_are_unique",
        "splits_have_usable_ratios",
    }
    failed = {one["check"] for one in document["checks"] if one["verdict"] != "ok"}
    assert failed == {name for name, one in found.items() if not one.passed}
    assert sum(one["offenders"] for one in document["checks"]) == sum(by_json.values())
    errors = sum(one.severity is Severity.ERROR for one in RULES if one.name in by_json)
    counted = f"{errors} errors, {len(by_json) - errors} warnings"
    assert document["summary"] == (
        f"Incomplete from 2024-06-03 to 2024-06-28, 1 session failed; {counted}; "
        "1 failed request open (`universe errors`); "
        f"{document['summary'].split('; ')[-1]}"
    )
    assert printed.splitlines()[-1] == document["summary"]


def test_a_small_load_keeps_what_a_verification_found_elsewhere(
    command: Command, connection: Connection, instance: dg.DagsterInstance
) -> None:
    command("historical", "--start", "2024-06-24", "--end", "2024-06-25")
    connection.execute(
        "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-06-24'"
    )
    verified = command("verify")

    small = command("historical", "--start", "2024-06-26", "--end", "2024-06-26")

    run = instance.get_runs(dg.RunsFilter(job_name="historical_load"), limit=1)[0].run_id
    check = evaluations(instance, run)["daily_bars_have_consistent_ohlc"]
    assert (verified.code, small.code) == (1, 0)
    assert "failed" not in small.out
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (check.metadata["offenders"].value, check.metadata[EARLIER].value) == (0, 1)
    assert check.description == "nothing in this run; 1 found before still stand"
    assert json.loads(command("status", "--json").out)["quality"]["errors"] >= 1

    command("historical", "--start", "2024-06-24", "--end", "2024-06-24", "--reload")

    run = instance.get_runs(dg.RunsFilter(job_name="historical_load"), limit=1)[0].run_id
    assert evaluations(instance, run)["daily_bars_have_consistent_ohlc"].passed


Verified = Callable[..., dg.AssetCheckEvaluation]


@pytest.fixture
def repaired(command: Command, connection: Connection, instance: dg.DagsterInstance) -> Verified:
    """Verifies a span, after a verification found 60 broken bars of a week, mended since."""

    def verified(*span: str) -> dg.AssetCheckEvaluation:
        command("verify", *span)
        run = instance.get_runs(dg.RunsFilter(job_name="verification"), limit=1)[0].run_id
        return evaluations(instance, run)["daily_bars_have_consistent_ohlc"]

    command("historical", "--start", "2024-06-17", "--end", "2024-06-28")
    connection.execute(
        "CREATE TEMP TABLE as_loaded AS SELECT symbol, date, high FROM daily_bars"
        " WHERE date >= '2024-06-24' ORDER BY date, symbol LIMIT 60"
    )
    of_loaded = "FROM as_loaded l WHERE (l.symbol, l.date) = (b.symbol, b.date)"
    connection.execute(f"UPDATE daily_bars b SET high = low / 2 {of_loaded}")
    assert verified().metadata["offenders"].value == 60
    connection.execute(f"UPDATE daily_bars b SET high = l.high {of_loaded}")
    return verified


def test_a_verification_of_everything_is_green_as_soon_as_it_finds_nothing(
    repaired: Verified,
) -> None:
    check = repaired()

    assert (check.passed, check.description, EARLIER in check.metadata) == (True, None, False)


def test_verifications_of_another_week_end_nothing(repaired: Verified) -> None:
    week = ("--start", "2024-06-17", "--end", "2024-06-21")

    descriptions = [repaired(*week).description, repaired(*week).description]

    assert descriptions == ["nothing in this run; 60 found before still stand"] * 2
