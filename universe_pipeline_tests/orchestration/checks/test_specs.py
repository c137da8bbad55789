"""Checks: named as the sentence that is true when they pass, and fail naming the offenders."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline.domain.sessions import newest_closed, sessions_after
from universe_pipeline.orchestration.checks.evaluation import (
    AGREES_WITH_VENDOR,
    COVERS_SESSIONS,
    KNOWS_LOADS,
    OF_BARS,
    OF_DIVIDENDS,
    OF_LISTINGS,
    OF_SPLITS,
    OF_SYMBOLS,
)
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.dagster_records import sessions

RANGE = ("2024-06-24", "2024-06-25", "2024-06-26")
NAMES = {
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


def evaluations(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of a run said, by name."""
    logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found: dict[str, dg.AssetCheckEvaluation] = {}
    for log in logs:
        evaluation: Any = log.get_dagster_event().event_specific_data
        found[evaluation.check_name] = evaluation
    return found


def load(runs: Runs) -> str:
    return runs.run("historical_load", sessions(*RANGE), name="by hand").run_id


def verify(runs: Runs, *days: str) -> str:
    return runs.run("verification", sessions(*days), name="by hand").run_id


def offenders(evaluation: dg.AssetCheckEvaluation) -> tuple[object, object]:
    listed = evaluation.metadata.get("list")
    return evaluation.metadata["offenders"].value, listed.value if listed else None


def test_every_rule_belongs_to_one_check() -> None:
    of_lists = (*OF_SYMBOLS, *OF_SPLITS, *OF_DIVIDENDS, *OF_LISTINGS)
    checks = (COVERS_SESSIONS, *OF_BARS, AGREES_WITH_VENDOR, *of_lists, KNOWS_LOADS)

    assert sorted(rule.name for check in checks for rule in check.rules) == sorted(
        rule.name for rule in RULES
    )


def test_a_good_load_breaks_no_check_and_leaves_one_record_of_each_whatever_the_range(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    found = evaluations(instance, load(runs))

    assert found.keys() == NAMES
    assert {name for name, one in found.items() if not one.passed} == set()
    records = connection.execute(
        "SELECT check_name, execution_status = 'PLANNED', count(*)"
        " FROM dagster.asset_check_executions GROUP BY 1, 2 HAVING count(*) = 1 ORDER BY 1"
    ).fetchall()
    assert records == [(name, False, 1) for name in sorted(NAMES)]


def test_a_load_of_new_sessions_is_judged_without_reading_it_back(
    runs: Runs,
    instance: dg.DagsterInstance,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive, read = packed.receive, list[date]()

    def noted(of: Connection, start: date, end: date, *source: str) -> packed.Received:
        read.append(start)
        return receive(of, start, end, *source)

    monkeypatch.setattr(packed, "receive", noted)
    found = evaluations(instance, load(runs))
    assert read == []
    connection.execute("UPDATE session_loads SET status = 'failed' WHERE date = '2024-06-25'")

    again = evaluations(instance, load(runs))

    assert read == [date(2024, 6, 24)]
    assert {name: offenders(one) for name, one in again.items()} == {
        name: offenders(one) for name, one in found.items()
    }


def test_a_failed_session_is_an_error_that_names_it(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session="2024-06-25")

    cover = evaluations(instance, load(runs))["daily_bars_cover_every_session"]

    assert not cover.passed
    assert cover.severity is dg.AssetCheckSeverity.ERROR
    assert offenders(cover) == (1, "- 2024-06-25: failed")


def test_a_session_that_is_not_published_is_a_warning(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_before_end_of_day", endpoint="grouped", session="2024-06-26")

    cover = evaluations(instance, load(runs))["daily_bars_cover_every_session"]

    assert not cover.passed
    assert cover.severity is dg.AssetCheckSeverity.WARN
    assert offenders(cover) == (1, "- 2024-06-26: pending")


def test_each_check_finds_what_it_looks_for_and_names_it(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    load(runs)
    connection.execute(
        "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-06-25'"
    )
    connection.execute(
        "UPDATE daily_bars SET date = '2024-06-19' WHERE symbol = 'MSFT' AND date = '2024-06-24'"
    )
    connection.execute("UPDATE session_loads SET covered = false WHERE date = '2024-06-26'")

    found = evaluations(instance, verify(runs, "2024-06-18", "2024-06-26"))

    failed = {name: offenders(one) for name, one in found.items() if not one.passed}
    failed.pop("daily_bars_rows_are_plausible")  # vwap lies outside, too
    failed.pop("daily_bars_series_are_unbroken", None)  # a bar was moved
    contradicts = failed.pop("daily_bars_have_consistent_ohlc")
    lost = failed.pop("daily_bars_match_their_load")
    assert failed == {
        "daily_bars_cover_every_session": (
            3,
            "- 2024-06-18: not asked for\n- 2024-06-20: not asked for\n- 2024-06-21: not asked for",
        ),
        "daily_bars_fall_on_sessions": (1, "- 2024-06-19: 1 bars"),
        "data_coverage_knows_every_load": (1, "- 2024-06-26"),
    }
    assert lost == (
        3,
        (
            "- 2024-06-24: 236 bars, 237 stored\n"
            "- 2024-06-24: bars differ from the answer's, without a revision\n"
            "- 2024-06-25: bars differ from the answer's, without a revision"
        ),
    )
    assert contradicts[0] == 1
    assert str(contradicts[1]).startswith("- 2024-06-25 AAPL: open ")
    assert found["daily_bars_cover_every_session"].severity is dg.AssetCheckSeverity.WARN
    assert found["daily_bars_have_consistent_ohlc"].severity is dg.AssetCheckSeverity.ERROR


def test_bars_without_a_listing_and_listings_that_overlap_are_found(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    load(runs)
    connection.execute("DELETE FROM listings WHERE symbol = 'MSFT'")

    warned = evaluations(instance, verify(runs))["identities_are_plausible"]

    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert offenders(warned) == (1, "- 2024-06-24 MSFT: 3 bars until 2024-06-26 without a listing")


def test_listings_that_overlap_are_an_error(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    load(runs)
    connection.execute("ALTER TABLE listings DROP CONSTRAINT listings_symbol_once")
    connection.execute("UPDATE listings SET symbol = 'AAPL' WHERE symbol = 'BRK.A'")

    overlap = evaluations(instance, verify(runs))["identities_are_plausible"]

    assert (overlap.passed, overlap.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_a_verification_without_sessions_judges_everything_that_is_loaded(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    load(runs)
    connection.execute("UPDATE daily_bars SET low = high * 2 WHERE symbol = 'MSFT'")

    found = evaluations(instance, verify(runs))

    count, listed = offenders(found["daily_bars_have_consistent_ohlc"])
    assert count == 3
    assert [line[:17] for line in str(listed).splitlines()] == [
        "- 2024-06-24 MSFT",
        "- 2024-06-25 MSFT",
        "- 2024-06-26 MSFT",
    ]


def test_without_a_session_no_symbol_is_compared(
    command: Command, runs: Runs, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-06-24", "--end", "2024-06-26", "--symbols", "AAPL")
    assert connection.execute("SELECT symbol FROM data_coverage").fetchall() == [("AAPL",)]
    asked = vendor.count("range")

    ended = runs.run("verification", [], name="weekly", config={"sample_checks": {"size": 5}})

    assert ended.success
    assert vendor.count("range") == asked


CHECK_KEYS = [
    dg.AssetCheckKey(dg.AssetKey("daily_bars"), check.name) for check in (COVERS_SESSIONS, *OF_BARS)
] + [dg.AssetCheckKey(dg.AssetKey("data_coverage"), KNOWS_LOADS.name)]


def check_results(instance: dg.DagsterInstance) -> dict[str, tuple[str, str]]:
    """The run and the status that the UI shows of each check."""
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(CHECK_KEYS)
    return {key.name: (record.run_id, record.status.value) for key, record in found.items()}


def test_a_check_over_no_session_keeps_its_last_verdict(
    runs: Runs, instance: dg.DagsterInstance
) -> None:
    load(runs)
    before = check_results(instance)
    tomorrow = f"{sessions_after(newest_closed(datetime.now(UTC)), 1)[0]}"

    ended = runs.run("verification", sessions(tomorrow), name="by hand")

    found = evaluations(instance, ended.run_id)
    assert not [name for name in found if name.startswith(("daily_bars", "data_coverage"))]
    assert len(before) == len(CHECK_KEYS)
    assert check_results(instance) == before
