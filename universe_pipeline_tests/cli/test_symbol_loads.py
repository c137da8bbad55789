"""`historical --symbols` and `repair`: chosen symbols by whichever endpoint is cheaper."""

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.domain.sessions import newest_closed, sessions_before
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.test_recovery import started
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import Row, ask, grouped
from universe_pipeline_tests.support.stored import bars, job_statuses, statuses

WEEK = ["2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14", "2024-03-15"]
MARCH = "/range/1/day/2024-03-11/2024-03-15?adjusted=false&limit=50000"
RANGE = ("--start", "2024-03-11", "--end", "2024-03-15")


def of_symbol(connection: psycopg.Connection, symbol: str) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT date::text, open, high, low, close, volume, vwap, transactions, source"
        " FROM daily_bars WHERE symbol = %s ORDER BY date",
        (symbol,),
    ).fetchall()


def as_sent(vendor: SimulatedVendor, symbol: str) -> list[tuple[object, ...]]:
    path = f"/v2/aggs/ticker/{symbol}/range/1/day/2024-03-11/2024-03-15?adjusted=false&limit=50000"
    rows = ask(vendor, path)["results"]
    assert len(rows) == len(WEEK)
    return [
        (day, r["o"], r["h"], r["l"], r["c"], r["v"], r.get("vw"), r.get("n"), "symbol")
        for day, r in zip(WEEK, rows, strict=True)
    ]


def test_few_symbols_over_many_sessions_take_a_request_each(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    ended = command("historical", *RANGE, "--symbols", "BRK.B,AAPL")

    assert ended.code == 0
    assert "per-symbol requests: 5 sessions would take 5 grouped requests, 2 symbols take 2" in (
        ended.err
    )
    assert (vendor.count("range"), vendor.count("grouped")) == (2, 0)
    assert of_symbol(connection, "AAPL") == as_sent(vendor, "AAPL")
    assert of_symbol(connection, "BRK.B") == as_sent(vendor, "BRK.B")
    assert statuses(connection) == {}
    # First 8 hex digits of the SHA-256 of "AAPL,BRK.B", by sha256sum.
    assert job_statuses(connection) == {
        "historical_load_2024-03-11_2024-03-15_symbols_2ddad7c6": "completed"
    }
    assert "AAPL: 5 bars in 5 sessions" in ended.out


def test_many_symbols_over_few_sessions_take_a_grouped_request_a_session(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    ended = command(
        "historical", "--start", "2024-03-11", "--end", "2024-03-11", "--symbols", "AAPL,MSFT,SPY"
    )

    assert ended.code == 0
    assert "grouped requests: 1 sessions would take 1 grouped requests, 3 symbols take 3" in (
        ended.err
    )
    assert (vendor.count("range"), vendor.count("grouped")) == (0, 1)
    assert bars(connection, "2024-03-11") == grouped(vendor, "2024-03-11")
    assert statuses(connection) == {"2024-03-11": "loaded"}


def test_what_either_endpoint_was_asked_for_is_not_asked_for_again(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", *RANGE, "--symbols", "AAPL")

    again = command("historical", *RANGE, "--symbols", "AAPL")
    reloaded = command("historical", *RANGE, "--symbols", "AAPL", "--reload")

    assert "every session of these symbols is loaded, nothing to fetch" in again.out
    assert (again.code, reloaded.code) == (0, 0)
    assert vendor.count("range") == 2
    assert connection.execute("SELECT count(*) FROM bar_revisions").fetchone() == (0,)


def test_a_job_on_which_another_process_works_is_left_to_that_one(
    command: Command, connection: psycopg.Connection, database: Database
) -> None:
    command("historical", *RANGE, "--symbols", "AAPL")
    connection.execute("UPDATE load_jobs SET status = 'in_progress'")
    (name,) = job_statuses(connection)

    with load_jobs.hold_lock(database, name):
        ended = command("historical", *RANGE, "--symbols", "AAPL")

    assert ended.code == 1
    assert f"{name} is running in another process" in ended.err
    assert job_statuses(connection) == {name: "in_progress"}


UNKNOWN = "is in no reference list and the vendor has no bar of it:"


def test_an_unknown_symbol_is_named_only_where_the_vendor_has_no_bar(
    command: Command, connection: psycopg.Connection
) -> None:
    # ZVZZT trades and stands in no list; AAPl differs from AAPL by its case alone.
    load = ("historical", *RANGE, "--symbols", "ZVZZT,AAPl,brk-b,XQXQXQ")
    for ended in (command(*load), command(*load), command(*load, "--reload")):
        assert ended.code == 1
        assert [line for line in ended.err.splitlines() if UNKNOWN in line] == [
            f"AAPl {UNKNOWN} did you mean AAPL? Symbols are case-sensitive",
            f"brk-b {UNKNOWN} did you mean BRK.B? Symbols are case-sensitive",
            f"XQXQXQ {UNKNOWN} check the spelling, symbols are case-sensitive",
        ]
        assert "AAPl: 0 bars in 5 sessions" in ended.out
    stored = connection.execute("SELECT symbol, count(*) FROM daily_bars GROUP BY 1 ORDER BY 1")
    assert stored.fetchall() == [("ZVZZT", 5)]


@pytest.mark.parametrize("kind", ["repair", "historical"])
def test_a_symbol_of_which_nothing_is_found_ends_with_1(command: Command, kind: str) -> None:
    ended = command(kind, *RANGE, "--symbols", "aapl")

    assert ended.code == 1
    assert f"aapl {UNKNOWN} did you mean AAPL? Symbols are case-sensitive" in ended.err


@pytest.mark.parametrize("kind", ["repair", "historical"])
def test_a_misspelt_symbol_is_not_waited_for(
    command: Command, connection: psycopg.Connection, kind: str
) -> None:
    newest = newest_closed(datetime.now(UTC) - PUBLISHED_AFTER)
    span = ("--start", str(sessions_before(newest, 2)[0]), "--end", str(newest))

    ended = command(kind, *span, "--symbols", "AAPL,aapl")

    assert ended.code == 1
    assert "yet; it is asked for again later" not in ended.out
    assert list(job_statuses(connection).values()) == ["completed"]
    assert "no interrupted or failed job" in command("resume").out


def test_a_known_symbol_without_a_bar_in_the_range_is_no_failure(
    command: Command, connection: psycopg.Connection
) -> None:
    command("historical", *RANGE, "--symbols", "ZVZZT")

    ended = command("historical", "--start", "2023-03-10", "--end", "2023-03-10", "--symbols", "A")

    assert UNKNOWN not in ended.err
    assert ended.code == 0


def test_of_a_symbol_whose_request_failed_nothing_is_said(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", ticker="aapl")

    ended = command("historical", *RANGE, "--symbols", "aapl")

    assert ended.code == 1
    assert UNKNOWN not in ended.err
    assert "next: `universe retry` fetches what failed" in ended.err


def test_a_symbol_that_fails_leaves_the_others_loaded_and_its_error_open(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", ticker="MSFT")

    ended = command("historical", *RANGE, "--symbols", "AAPL,MSFT,SPY")

    assert ended.code == 1
    assert ended.err.count("MSFT: the vendor has nothing there") == 1
    assert [len(of_symbol(connection, symbol)) for symbol in ("AAPL", "MSFT", "SPY")] == [5, 0, 5]
    errors = connection.execute("SELECT symbol, kind, http_status FROM data_fetch_errors")
    assert errors.fetchall() == [("MSFT", "not_found", 404)]


@pytest.mark.parametrize(
    ("fault", "end", "symbols", "named"),
    [
        ({"ticker": "MSFT"}, "2024-03-15", "AAPL,MSFT", "MSFT"),
        (
            {"endpoint": "grouped", "session": "2024-03-11"},
            "2024-03-12",
            "A,AAPL,SPY",
            "2024-03-11",
        ),
    ],
    ids=["by symbol", "by session"],
)
def test_what_failed_for_good_is_asked_for_again_only_by_retry(
    command: Command,
    vendor: SimulatedVendor,
    fault: dict[str, str],
    end: str,
    symbols: str,
    named: str,
) -> None:
    load = ("historical", "--start", "2024-03-11", "--end", end, "--symbols", symbols)
    vendor.faults.add("404", **fault)
    command(*load)
    asked = vendor.count("range") + vendor.count("grouped")

    again = [command(*load), command("resume")]
    asked_again = vendor.count("range") + vendor.count("grouped") - asked
    vendor.faults.clear()
    retried = command("retry")

    assert asked_again == 0
    for ended in again:
        assert ended.code == 1
        assert f"failed for good before: {named}; `universe retry` asks again" in ended.err
    assert retried.code == 0
    assert vendor.count("range") + vendor.count("grouped") == asked + 1
    assert command(*load).code == 0


def test_symbols_load_as_far_back_as_the_plan_reaches_and_the_rest_is_named_once(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    for day in WEEK[:2]:
        vendor.faults.add("403_timeframe", session=day)
    load = ("historical", *RANGE, "--symbols", "AAPL,MSFT")

    first = command(*load)
    asked = vendor.count("range")
    again = command(*load)

    assert (first.code, again.code) == (1, 1)
    (named,) = [line for line in first.err.splitlines() if "outside_plan" in line]
    assert named.startswith("2024-03-11 to 2024-03-12: the key's plan does not reach back that far")
    for symbol in ("AAPL", "MSFT"):
        assert [row[0] for row in of_symbol(connection, symbol)] == WEEK[2:]
    assert "failed for good before: 2024-03-11 to 2024-03-12; `universe retry`" in again.err
    assert vendor.count("range") == asked


def test_a_bar_that_is_not_out_yet_is_said_and_left_for_resume(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    newest = newest_closed(datetime.now(UTC) - PUBLISHED_AFTER)
    days = [f"{day}" for day in (*sessions_before(newest, 3), newest)]
    vendor.faults.add("collapsed", ticker="AAPL", times=1)  # the first two of the four

    span = ("--start", days[0], "--end", days[-1])
    early = command("historical", *span, "--symbols", "AAPL,MSFT")
    known = job_statuses(connection)
    later = command("resume")

    assert (early.code, later.code) == (0, 0)
    assert f"{days[2]}: no bar of AAPL yet; it is asked for again later" in early.out
    assert list(known.values()) == ["interrupted"]
    assert set(job_statuses(connection).values()) == {"completed"}
    assert [row[0] for row in of_symbol(connection, "AAPL")] == days
    assert vendor.count("range") == 3


def test_an_interrupted_repair_goes_on_with_the_rest(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    repair = ("repair", "--symbols", "AAPL,MSFT,SPY", *RANGE)
    assert command(*repair).code == 0
    vendor.faults.add("delay", endpoint="range", after=2, seconds=600)
    with started({**environment, "UNIVERSE_CONCURRENCY": "1"}, tmp_path, *repair) as process:
        while vendor.count("range") < 3 + 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    vendor.faults.clear()

    resumed = command("resume")

    assert resumed.code == 0
    assert [log.path.split("/")[4] for log in vendor.requests if log.endpoint == "range"][6:] == [
        "SPY"
    ]
    assert set(job_statuses(connection).values()) == {"completed"}


def test_a_repair_mends_bars_and_keeps_what_it_replaced(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", *RANGE)
    good: list[Row] = bars(connection, "2024-03-13")
    connection.execute(
        "UPDATE daily_bars SET close = high WHERE symbol = 'AAPL' AND date = '2024-03-13'"
    )
    asked = vendor.count("grouped")

    ended = command("repair", "--symbols", "AAPL", *RANGE)

    assert ended.code == 0
    assert (vendor.count("range"), vendor.count("grouped")) == (1, asked)
    assert bars(connection, "2024-03-13") == good
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")
    revised = connection.execute("SELECT symbol, date::text FROM bar_revisions").fetchall()
    assert revised == [("AAPL", "2024-03-13")]
    assert command("verify").code == 0


def test_coverage_counts_what_a_symbol_load_asked_for(
    command: Command, connection: psycopg.Connection
) -> None:
    command("historical", *RANGE, "--symbols", "AAPL")

    row = connection.execute(
        "SELECT first_date::text, last_date::text, bar_count, missing_count, loaded::text"
        " FROM data_coverage"
    ).fetchall()
    assert row == [("2024-03-11", "2024-03-15", 5, 0, "{[2024-03-11,2024-03-16)}")]


SPRING = ("--symbols", "AAPL", "--start", "2024-01-02", "--end", "2024-07-02")


@pytest.mark.parametrize(
    ("again", "fault", "held"),
    [
        (("repair", *SPRING), {"kind": "empty"}, "0 of the 126"),
        (
            ("repair", *SPRING[:4], "--end", "2024-02-23"),
            {"kind": "cut_rows", "keep": 3},
            "3 of the 37",
        ),
        (("historical", *SPRING, "--reload"), {"kind": "empty"}, "0 of the 126"),
        (
            ("historical", *SPRING[:4], "--end", "2024-02-23", "--reload"),
            {"kind": "cut_rows", "keep": 3},
            "3 of the 37",
        ),
    ],
)
def test_a_short_answer_leaves_every_bar_and_is_a_failure_until_retried(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    again: tuple[str, ...],
    fault: dict[str, Any],
    held: str,
) -> None:
    command("historical", *SPRING)
    before = of_symbol(connection, "AAPL")
    vendor.faults.add(ticker="AAPL", **fault)

    ended = command(*again)
    errors = command("errors")
    vendor.faults.clear()
    retried = command("retry")

    assert len(before) == 126
    assert ended.code == 1
    assert f"AAPL: the answer holds {held} bars that are stored. Nothing stored was" in ended.err
    assert "`universe approve AAPL --reason TEXT` accepts it at once [collapsed]" in ended.err
    assert "collapsed" in errors.out
    assert retried.code == 0
    assert of_symbol(connection, "AAPL") == before
    assert command("errors").out.strip() == "no open errors"
    # A retry asks for what failed, not for everything until today.
    paths = [log.path for log in vendor.requests if log.endpoint == "range"]
    assert paths[-1] == paths[-2]


def test_rejected_rows_are_reported_with_their_rules(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    wrong = {"o": 10, "h": 9, "l": 8, "c": 9.5, "v": 100, "n": 1}
    stamps = [bar["t"] for bar in ask(vendor, f"/v2/aggs/ticker/AAPL{MARCH}")["results"]]
    vendor.faults.add("cut_rows", ticker="AAPL", keep=2)
    vendor.faults.add("bad_rows", ticker="AAPL", rows=[wrong | {"t": t} for t in stamps[2:]])
    vendor.faults.add("bad_rows", ticker="MSFT", rows=[wrong | {"t": stamps[0], "v": None}])

    ended = command("historical", *RANGE, "--symbols", "AAPL,MSFT,SPY")
    status = command("status")
    document = json.loads(command("status", "--json").out)

    assert ended.code == 0
    assert ended.out.splitlines()[-3:] == [
        "AAPL: 2 bars in 5 sessions, 3 rows rejected (ohlc_order)",
        "MSFT: 4 bars in 5 sessions, 2 rows rejected (1 duplicate, 1 ohlc_order)",
        "SPY: 5 bars in 5 sessions",
    ]
    assert "5 rows rejected (5 of them in loads of symbols)" in status.out
    assert document["coverage"]["rejected"] == 5
    assert document["coverage"]["rejected_of_symbols"] == 5
    shown = connection.execute(
        "SELECT event FROM dagster.event_logs WHERE event LIKE '%rejected_by_symbol%'"
    ).fetchall()
    assert len(shown) == 1
    assert "- AAPL: 3\\n- MSFT: 2" in shown[0][0]


def test_bars_a_day_early_are_refused_whole(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("wrong_session", days=-1, ticker="AAPL")

    ended = command("historical", *RANGE[:2], "--end", "2024-03-22", "--symbols", "AAPL")

    assert ended.code == 1
    assert "AAPL: 1 of 10 bars fall on closed days, the first on Sunday 2024-03-17" in ended.err
    assert of_symbol(connection, "AAPL") == []
