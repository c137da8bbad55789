"""`historical --symbols` and `repair`: chosen symbols by whichever endpoint is cheaper."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.domain.sessions import newest_closed, sessions_before
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.in_process import Command
from universe_pipeline_tests.cli.stored import bars, job_statuses, statuses
from universe_pipeline_tests.cli.test_recovery import started
from universe_pipeline_tests.cli.vendor_answers import Row, ask, grouped

WEEK = ["2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14", "2024-03-15"]
RANGE = ("--start", "2024-03-11", "--end", "2024-03-15")


def of_symbol(connection: psycopg.Connection, symbol: str) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT date::text, open, high, low, close, volume, vwap, transactions, source"
        " FROM daily_bars WHERE symbol = %s ORDER BY date",
        (symbol,),
    ).fetchall()


def as_told(vendor: SimulatedVendor, symbol: str) -> list[tuple[object, ...]]:
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
    assert of_symbol(connection, "AAPL") == as_told(vendor, "AAPL")
    assert of_symbol(connection, "BRK.B") == as_told(vendor, "BRK.B")
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


def test_an_unknown_symbol_is_warned_about_only_where_the_vendor_has_no_bar(
    command: Command, vendor: SimulatedVendor
) -> None:
    # ZVZZT trades and stands in no list; AAPl differs from AAPL by its case alone.
    ended = command("historical", *RANGE, "--symbols", "ZVZZT,AAPl,AAPL")

    assert ended.code == 0
    warned = [line for line in ended.err.splitlines() if "reference list" in line]
    assert len(warned) == 1
    assert warned[0].startswith("AAPl is in no reference list and the vendor has no bar of it: ")
    assert "AAPl: 0 bars in 5 sessions" in ended.out


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
