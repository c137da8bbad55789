"""`daily`: the session that was asked for by name, and what was new, revised and confirmed."""

import json
import logging
from datetime import UTC, datetime

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import asked_sessions, grouped
from universe_pipeline_tests.support.stored import job_statuses, statuses

Connection = psycopg.Connection

RECENT = [
    "2024-06-25",
    "2024-06-26",
    "2024-06-27",
    "2024-06-28",
    "2024-07-01",
    "2024-07-02",
    "2024-07-03",
    "2024-07-05",
    "2024-07-08",
    "2024-07-09",
]
"""The ten sessions up to 2024-07-09."""

JOB = "daily_update_2024-07-09"


@pytest.fixture(autouse=True)
def wednesday_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """2024-07-10, 12:00 in New York: the newest closed session is 2024-07-09."""
    stop_clock(monkeypatch, datetime(2024, 7, 10, 16, 0, tzinfo=UTC))


def count(vendor: SimulatedVendor, *sessions: str) -> str:
    return f"{sum(len(grouped(vendor, day)) for day in sessions):,}"


def test_it_loads_the_newest_session_and_what_is_missing_of_the_nine_before(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-06-26", "--end", "2024-07-05")
    connection.execute("UPDATE session_loads SET final = true")
    asked = vendor.count("grouped")

    ended = command("daily")

    assert ended.code == 0
    assert asked_sessions(vendor, asked) == ["2024-06-25", "2024-07-08", "2024-07-09"]
    assert statuses(connection) == dict.fromkeys(RECENT, "loaded")
    assert ended.out.splitlines()[0] == (
        f"2024-07-09: loaded, {count(vendor, '2024-07-09')} bars new; "
        "missing before (2024-06-25, 2024-07-08): 2 sessions loaded, "
        f"{count(vendor, '2024-06-25', '2024-07-08')} bars new"
    )
    assert job_statuses(connection)[JOB] == "completed"


def test_it_counts_what_was_new_revised_and_confirmed(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", RECENT[0], "--end", "2024-07-08")
    connection.execute(
        "UPDATE session_loads SET final = false, content_hash = NULL WHERE date >= '2024-07-03'"
    )
    connection.execute("DELETE FROM daily_bars WHERE symbol = 'SPY' AND date = '2024-07-03'")
    connection.execute(
        "UPDATE session_loads SET stored = stored - 1, received = received - 1"
        " WHERE date = '2024-07-03'"
    )
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)
    vendor.faults.add("missing", tickers=["MSFT"], session="2024-07-05")

    ended = command("daily")

    # Of three sessions AAPL differs; of one SPY comes in, of another MSFT goes.
    new = count(vendor, "2024-07-09")
    stood = sum(len(grouped(vendor, day)) for day in ("2024-07-03", "2024-07-05", "2024-07-08"))
    assert ended.code == 0
    assert ended.out.splitlines()[0] == (
        f"2024-07-09: loaded, {new} bars new; "
        f"revisited 3 sessions: 1 bar new, 4 bars revised, {stood - 4:,} confirmed"
    )
    revised = connection.execute("SELECT count(*) FROM bar_revisions").fetchone()
    assert revised == (4,)


def test_where_nothing_was_new_it_says_so(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", RECENT[0], "--end", RECENT[-1])
    connection.execute("UPDATE session_loads SET final = date < '2024-07-08'")

    again = command("daily")
    connection.execute("UPDATE session_loads SET final = true")
    idle = command("daily")

    confirmed = count(vendor, "2024-07-08")
    assert again.out.splitlines()[0] == (
        f"2024-07-09: loaded before; revisited 1 session: 0 bars revised, {confirmed} confirmed;"
        " nothing new"
    )
    assert idle.out.splitlines() == [
        "2024-07-09: loaded before; nothing to fetch; nothing new",
    ]
    assert (again.code, idle.code) == (0, 0)


def test_with_a_date_it_is_about_that_session_and_says_its_name(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    ended = command("daily", "--date", "2024-07-03")
    again = command("daily", "--date", "2024-07-03")

    assert asked_sessions(vendor) == ["2024-07-03"]
    assert ended.out.startswith(f"2024-07-03: loaded, {count(vendor, '2024-07-03')} bars new\n")
    assert again.out.startswith("2024-07-03: loaded before; nothing to fetch; nothing new\n")
    assert list(job_statuses(connection)) == ["daily_update_2024-07-03"]


def test_what_failed_for_good_before_is_named_and_left_to_retry(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", RECENT[0], "--end", "2024-07-02")
    vendor.faults.add("404", session="2024-07-05")
    first = command("daily")
    connection.execute("UPDATE session_loads SET final = true")
    asked = vendor.count("grouped")

    again = command("daily")

    assert (first.code, again.code) == (1, 0)
    assert "next: `universe retry` fetches what failed" in first.err
    assert "failed for good before: 2024-07-05; `universe retry` asks again" in again.err
    assert vendor.count("grouped") == asked
    assert statuses(connection)["2024-07-05"] == "failed"


def test_an_update_that_failed_is_named_gone_on_with_and_completed(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", RECENT[0], "--end", "2024-07-03")
    vendor.faults.add("empty", session="2024-07-08")
    vendor.faults.add("empty", session="2024-07-09")

    failed = command("daily")
    vendor.faults.clear()
    known = json.loads(command("status", "--json").out)["jobs"][JOB]
    resumed = command("resume")

    assert (failed.code, resumed.code) == (1, 0)
    assert failed.out.startswith(
        "2024-07-09: not loaded; missing before (2024-07-05 to 2024-07-08): 1 of 2 sessions loaded,"
    )
    assert "next: `universe resume` fetches what is missing" in failed.err.splitlines()
    assert (known["total_dates"], known["status"]) == (3, "failed")
    assert job_statuses(connection)[JOB] == "completed"
    assert statuses(connection) == dict.fromkeys(RECENT, "loaded")


def test_the_next_update_completes_one_that_was_not_published(
    command: Command,
    connection: Connection,
    vendor: SimulatedVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command("historical", "--start", RECENT[0], "--end", "2024-07-08")
    connection.execute("UPDATE session_loads SET final = true")
    vendor.faults.add("403_before_end_of_day", session="2024-07-09")
    early = command("daily")
    before = job_statuses(connection)[JOB]
    vendor.faults.clear()
    stop_clock(monkeypatch, datetime(2024, 7, 11, 16, 0, tzinfo=UTC))

    ended = command("daily")

    assert (early.code, ended.code) == (0, 0)
    assert early.out.startswith("2024-07-09: not loaded; nothing new\n")
    assert "2024-07-09: not published yet; `universe daily` or `resume` asks" in early.out
    assert ended.out.startswith("2024-07-10: loaded, ")
    assert "missing before (2024-07-09): 1 session loaded" in ended.out
    assert (before, job_statuses(connection)[JOB]) == ("interrupted", "completed")


def test_a_revisit_that_fails_is_left_to_retry(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", RECENT[0], "--end", "2024-07-08")
    connection.execute("UPDATE session_loads SET final = false WHERE date >= '2024-07-03'")
    vendor.faults.add("empty", session="2024-07-08")

    failed = command("daily")
    vendor.faults.clear()
    retried = command("retry")

    assert (failed.code, retried.code) == (1, 0)
    assert "; revisited 2 of 3 sessions: 0 bars revised, " in failed.out
    assert "next: `universe retry` fetches what failed" in failed.err
    assert connection.execute(
        "SELECT count(*) FROM data_fetch_errors WHERE resolved_at IS NULL"
    ).fetchone() == (0,)


def test_a_key_that_is_refused_names_what_to_mend_and_what_goes_on(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("401_unknown_key")

    ended = command("daily")

    assert ended.code == 1
    assert "next: mend the key or the plan, then `universe resume` goes on" in ended.err


@pytest.mark.usefixtures("retries_at_once")
def test_a_vendor_that_cannot_be_reached_is_named_once_a_round(
    command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "universe_pipeline.polygon")

    ended = command("daily", "--date", "2024-07-09", POLYGON_BASE_URL="http://127.0.0.1:21490")

    assert ended.code == 1
    assert ended.out.startswith("2024-07-09: not loaded; nothing new\n")
    assert (
        "reference lists and 3 more: cannot reach http://127.0.0.1:21490 (POLYGON_BASE_URL): "
        in ended.err
    )
    rounds = [line.partition("; try ")[2][:6] for line in caplog.messages if "; try " in line]
    assert rounds == ["2 of 6", "3 of 6", "4 of 6", "5 of 6", "6 of 6"]
    assert ended.err.splitlines()[-1] == "next: `universe resume` fetches what is missing"
