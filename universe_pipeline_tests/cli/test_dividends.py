"""Dividends from the command line: read with the lists, last, and interruptible."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.test_recovery import started
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.stored import statuses

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-11")


@pytest.fixture
def start_date() -> str:
    """The whole history."""
    return "2003-09-10"


def counted(connection: psycopg.Connection) -> int:
    row: Any = connection.execute("SELECT count(*) FROM dividends").fetchone()
    return row[0]


def test_a_discovery_prints_what_they_take_and_how_many_there_are(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    ended = command("discover", POLYGON_RATE_LIMIT="6000")
    asked = vendor.count("dividends")
    again = command("discover", POLYGON_RATE_LIMIT="6000")

    assert (ended.code, again.code) == (0, 0)
    assert "dividends since 2002-01-01 are asked for last, once, in about 15" in ended.err
    assert "requests, 6000 requests a minute; ctrl-C" in ended.err
    assert "ctrl-C keeps what has come, and the next command goes on" in ended.err
    assert ended.out.endswith(f"; {counted(connection):,} dividends since 2002-01-01\n")
    assert "dividends" not in again.err
    assert vendor.count("dividends") == asked
    shown = json.loads(command("status", "--json").out)["dividends"]
    assert shown["total"] == counted(connection)
    assert shown["announced"] > 0
    assert shown["since"] == "2002-01-01"
    assert shown["fetched_at"] is not None
    known = f"{shown['total']:,} known, {shown['announced']:,} of them announced"
    assert f"dividends {known}; complete since 2002-01-01\n" in command("status").out


def test_a_plan_without_them_is_reported_and_splits_and_bars_load(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_not_entitled", endpoint="dividends")
    load = command(*LOAD)
    (error,) = json.loads(command("errors", "--json").out)["errors"]
    vendor.faults.clear()

    ended = command("retry")

    assert load.code == 1
    why, next_step = load.err.splitlines()[-2:]
    assert why == (
        'dividends: not in your plan (HTTP 403). adjustment="splits" works; '
        '"total_return" needs them [not_entitled]'
    )
    assert next_step == "next: `universe retry` asks again, once the plan includes that"
    assert (error["dataset"], error["http_status"]) == ("dividends", 403)
    assert connection.execute("SELECT status FROM session_loads").fetchall() == [("loaded",)]
    assert ended.code == 0
    assert counted(connection) > 1_000
    assert (vendor.count("splits"), vendor.count("tickers")) == (1, 2)
    assert json.loads(command("errors", "--json").out) == {"errors": []}


def test_a_failure_in_the_history_keeps_the_years_before_it(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="dividends", after=3, times=1)
    failed = command("discover")
    since = json.loads(command("status", "--json").out)["dividends"]["since"]
    asked = vendor.count("dividends")

    ended = command("discover")

    assert (failed.code, ended.code) == (1, 0)
    assert since is not None
    assert since > "2020"
    assert json.loads(command("status", "--json").out)["dividends"]["since"] == "2002-01-01"
    windows: Any = connection.execute("SELECT count(*) FROM dividend_snapshots").fetchone()
    assert vendor.count("dividends") - asked == windows[0] - 3


def test_a_refused_window_is_stored_once_it_is_approved(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    before = counted(connection)
    vendor.faults.add("collapsed", endpoint="dividends")
    refused = command("discover", "--force-refresh")
    waiting, *_ = sorted(
        json.loads(command("status", "--json").out)["refused"], key=lambda one: one["expected"]
    )[::-1]

    approved = command("approve", "dividends", "--reason", "withdrawn")

    assert refused.code == 1
    assert "`universe approve dividends --reason TEXT` accepts it at once" in refused.err
    assert (waiting["dataset"], waiting["symbol"]) == ("dividends", None)
    assert waiting["window"].startswith("since ")
    assert waiting["rows"] == waiting["expected"] // 2
    assert approved.code == 0
    assert "the list of dividends is stored" in approved.out
    assert counted(connection) < before
    assert json.loads(command("status", "--json").out)["refused"] == []


def test_loads_of_chosen_symbols_do_not_wait_for_them(
    command: Command, vendor: SimulatedVendor
) -> None:
    ended = command("repair", "--symbols", "AAPL", *LOAD[1:])

    assert ended.code == 0
    assert vendor.count("dividends") == 0
    assert vendor.count("splits") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_history_is_gone_on_with_by_the_next_command(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    vendor.faults.add("delay", endpoint="dividends", after=3, seconds=8)
    with started(environment, tmp_path, *LOAD) as process:
        await_windows(connection, 3)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == (130 if number is signal.SIGINT else -number)
    vendor.faults.clear()
    asked = vendor.count("dividends")

    ended = command("resume")

    assert ended.code == 0
    assert statuses(connection) == {"2024-03-11": "loaded"}
    assert vendor.count("grouped") == 1
    windows: Any = connection.execute(
        "SELECT count(*), count(DISTINCT first_date) FROM dividend_snapshots"
    ).fetchone()
    assert windows == (vendor.count("dividends") - asked + 3,) * 2
    assert json.loads(command("status", "--json").out)["dividends"]["since"] == "2002-01-01"


def await_windows(connection: psycopg.Connection, count: int) -> None:
    """Return once so many windows are stored."""
    for _ in range(600):
        if connection.execute("SELECT count(*) FROM dividend_snapshots").fetchone() == (count,):
            return
        time.sleep(0.1)
    pytest.fail(f"never came to {count} windows")
