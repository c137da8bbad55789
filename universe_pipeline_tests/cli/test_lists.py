"""Lists with less in them than is known: what `discover`, `verify`, `status` and `approve` say."""

import json
from typing import Any

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import tickers

FORCED = ("discover", "--force-refresh")
BARE: dict[str, Any] = {
    "ticker": "MSFT",
    "name": "Example",
    "market": "stocks",
    "locale": "us",
    "active": True,
    "last_updated_utc": "2026-11-20T00:00:00Z",
}
READABLE = "SELECT count(*) FROM {} WHERE symbol = 'MSFT'"


def rule(command: Command, name: str) -> dict[str, Any]:
    rules = json.loads(command("verify", "--json").out)["rules"]
    return next(each for each in rules if each["rule"] == name)


def a_day_passes(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE refused_answers SET answered_on = answered_on - 1")


def active(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM symbols WHERE active").fetchone()
    return row[0] if row else 0


def waiting(command: Command) -> list[dict[str, Any]]:
    return json.loads(command("status", "--json").out)["refused"]


def test_a_row_without_its_type_takes_no_bar_from_readers(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-12")
    vendor.faults.add("rewritten", endpoint="tickers", rows=[BARE])

    ended = command(*FORCED)
    broken = rule(command, "lists_hold_what_is_known")
    for view in ("universe_bars", "adjusted_bars"):
        assert connection.execute(READABLE.format(view)).fetchone() == (2,)
    vendor.faults.clear()
    command(*FORCED)

    assert ended.code == 0
    (kept,) = (line for line in ended.out.splitlines() if line.startswith("kept "))
    assert kept.startswith("kept what the lists lack: ")
    for column in ("type", "primary_exchange", "currency", "cik"):
        assert f"{column} of 1 (MSFT)" in kept
    assert (broken["verdict"], broken["offenders"], broken["severity"]) == ("warn", 4, "WARN")
    assert {each["symbol"] for each in broken["examples"]} == {"MSFT"}
    assert broken["repair"] == "universe discover --force-refresh"
    assert rule(command, "lists_hold_what_is_known")["verdict"] == "ok"


def test_rows_of_no_use_are_counted(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    vendor.faults.add("bad_rows", endpoint="tickers", active=True, rows=[{"name": "nameless"}])
    one = {"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1, "split_to": 1}
    vendor.faults.add("bad_rows", endpoint="splits", rows=[one])

    ended = command(*FORCED)

    assert ended.code == 0
    _, about_symbols, about_splits = ended.out.splitlines()
    assert about_symbols == (
        "1 rows of the lists cannot be used; their symbols stay as they were: "
        "see table rejected_symbols"
    )
    assert about_splits == (
        "1 rows of the list of splits are not stored: see table rejected_splits"
    )
    split = "SELECT split_from, split_to FROM splits WHERE symbol = 'AAPL' ORDER BY execution_date"
    assert connection.execute(split).fetchall()[-1] == (1, 4)


def test_a_list_without_a_third_is_refused_twice_and_then_believed(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    before = active(connection)
    gone = [row["ticker"] for row in tickers(vendor, active=True)][::3]
    vendor.faults.add("missing", endpoint="tickers", tickers=gone)

    first = command(*FORCED)
    (shown,) = (line for line in command("status").out.splitlines() if line.startswith("refused"))
    load = command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    a_day_passes(connection)
    second = command(*FORCED)
    kept, waits = active(connection), waiting(command)
    a_day_passes(connection)
    third = command(*FORCED)

    assert [first.code, load.code, second.code, third.code] == [1, 0, 1, 0]
    assert "reference lists: the lists lack " in first.err
    assert "this is day 1; `universe approve symbols --reason TEXT` accepts it" in first.err
    assert "this is day 2; " in second.err
    assert "discovered " not in first.out
    assert "`universe approve symbols --reason TEXT` accepts it" in shown
    assert kept == before
    assert [(each["dataset"], each["days"], each["approved"]) for each in waits] == [
        ("symbols", 2, False)
    ]
    assert active(connection) < 0.7 * before
    assert waiting(command) == []
    assert json.loads(command("errors", "--json").out) == {"errors": []}


@pytest.mark.parametrize(("what", "endpoint"), [("symbols", "tickers"), ("splits", "splits")])
def test_an_approved_list_is_asked_for_again_and_stored(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    what: str,
    endpoint: str,
) -> None:
    command("discover")
    vendor.faults.add("collapsed", endpoint=endpoint)
    refused = command(*FORCED)

    ended = command("approve", what, "--reason", "the vendor withdrew them")

    assert (refused.code, ended.code) == (1, 0)
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"approved: {what} with ")
    assert lines[-1] == f"the list of {what} is stored"
    kept = connection.execute(
        "SELECT reason, stored_at IS NOT NULL FROM refused_answers"
    ).fetchall()
    assert kept == [("the vendor withdrew them", True)]
    assert waiting(command) == []
    again = command("approve", what, "--reason", "once more")
    assert again.code == 2
    assert f"no refused answer about {what} waits; waiting for approval: nothing" in again.err


def test_an_approval_stays_where_the_vendor_cannot_be_asked(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    before = active(connection)
    vendor.faults.add("collapsed", endpoint="tickers")
    command(*FORCED)

    without_key = command("approve", "symbols", "--reason", "right", POLYGON_API_KEY="")
    vendor.faults.clear()
    vendor.faults.add("404", endpoint="tickers")
    unreachable = command("approve", "symbols", "--reason", "right")
    kept = active(connection)
    vendor.faults.clear()
    vendor.faults.add("collapsed", endpoint="tickers")
    stored = command(*FORCED)

    assert [without_key.code, unreachable.code, stored.code] == [0, 1, 0]
    assert "no POLYGON_API_KEY is set" in without_key.err
    stays = "the approval stays; `universe discover --force-refresh` asks for the list"
    assert without_key.out.splitlines()[-1] == stays
    assert unreachable.out.splitlines()[-1] == stays
    assert kept == before
    assert active(connection) < before


def test_an_approval_does_not_cover_another_short_list(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    before = active(connection)
    known = [row["ticker"] for row in tickers(vendor, active=True)]
    vendor.faults.add("missing", endpoint="tickers", tickers=known[:80])
    command(*FORCED)
    vendor.faults.clear()
    vendor.faults.add("missing", endpoint="tickers", tickers=known[80:160])

    ended = command("approve", "symbols", "--reason", "right")

    assert ended.code == 1
    assert ended.out.splitlines()[-1] == (
        "the vendor sent yet another short list, which the approval does not cover"
    )
    assert active(connection) == before


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("dividends", "no refused answer about dividends waits; waiting for approval: symbols"),
        ("MSFT", "no refused answer about MSFT waits; waiting for approval: symbols"),
        ("splits", "no refused answer about splits waits; waiting for approval: symbols"),
    ],
)
def test_what_does_not_wait_cannot_be_approved(
    command: Command, vendor: SimulatedVendor, what: str, said: str
) -> None:
    command("discover")
    vendor.faults.add("collapsed", endpoint="tickers")
    command(*FORCED)

    ended = command("approve", what, "--reason", "right")

    assert ended.code == 2
    assert said in ended.err
