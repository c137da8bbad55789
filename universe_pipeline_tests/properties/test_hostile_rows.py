"""Rows that are text from a stranger, all the way from the wire to the tables and the terminal."""

import json

import psycopg

from universe_pipeline.simulator import hostile
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import grouped

DAY = "2024-03-11"

STORED = {"O'NEIL\"`$(id)", "{0}%s%(x)s\\N", "Ä€漢😀", "<b>&amp;[/b]", "HUGE", "TINY", "DEEP"}


def test_each_row_is_stored_as_it_came_or_rejected_by_its_rule(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
):
    good = grouped(vendor, DAY)
    vendor.faults.add("hostile_rows", endpoint="grouped")

    ended = command("historical", "--start", DAY, "--end", DAY, LOG_LEVEL="DEBUG")

    assert ended.code == 0
    assert "Traceback" not in ended.err
    symbols = {row[0] for row in connection.execute("SELECT symbol FROM daily_bars")}
    assert symbols - {row[0] for row in good} == STORED
    rules = connection.execute("SELECT rule FROM rejected_bars ORDER BY id").fetchall()
    assert sorted(row[0] for row in rules) == sorted(rule for _, rule in hostile.REJECTED)
    assert connection.execute(
        "SELECT received, stored, rejected FROM session_loads"
    ).fetchone() == (
        len(good) + 26,
        len(good) + 7,
        19,
    )


def test_absurd_numbers_are_stored_to_the_last_bit(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
):
    vendor.faults.add("hostile_rows", endpoint="grouped")

    command("historical", "--start", DAY, "--end", DAY)

    stored = connection.execute(
        "SELECT high, volume, vwap, transactions FROM daily_bars WHERE symbol = 'HUGE'"
    ).fetchone()
    assert stored == (1.7976931348623157e308, 1e308, -1e308, 2**53)
    tiny = connection.execute("SELECT low FROM daily_bars WHERE symbol = 'TINY'").fetchone()
    assert tiny == (5e-324,)


def test_what_was_rejected_is_kept_short_and_harmless(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
):
    vendor.faults.add("hostile_rows", endpoint="grouped")

    command("historical", "--start", DAY, "--end", DAY)

    kept = connection.execute("SELECT symbol, payload FROM rejected_bars").fetchall()
    assert {symbol for symbol, _ in kept if symbol is not None} == {
        "'; DROP TABLE daily_bars;--", "NUL\\u0000", "\x1b[31mRED", "RTL\u202e", "X" * 33, "",
        "MINUS", "NULLS", "BEYOND", "DIGITS", "SHARES", "TEXT",
    }  # fmt: skip
    assert max(len(json.dumps(payload)) for _, payload in kept) < 10_000
    assert [payload["o"] for symbol, payload in kept if symbol == "BEYOND"] == ["1e400"]


def test_a_second_look_at_hostile_rows_changes_nothing(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
):
    vendor.faults.add("hostile_rows", endpoint="grouped")
    command("historical", "--start", DAY, "--end", DAY)
    before = connection.execute("SELECT symbol, ctid FROM daily_bars ORDER BY 1").fetchall()

    reloaded = command("historical", "--start", DAY, "--end", DAY, "--reload")
    verified = command("verify", "--json")

    assert reloaded.code == 0
    assert "0 revised, 19 rejected" in reloaded.out
    assert connection.execute("SELECT symbol, ctid FROM daily_bars ORDER BY 1").fetchall() == before
    assert verified.code == 0
    assert json.loads(verified.out)
