"""`verify`: exit 1 exactly when something is wrong, and says what."""

import json

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.in_process import Command

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-12")
CHECKS = {
    "daily_bars_cover_every_session",
    "daily_bars_have_consistent_ohlc",
    "daily_bars_fall_on_sessions",
    "daily_bars_match_their_load",
    "symbols_are_unique",
    "data_coverage_knows_every_load",
    "splits_are_unique",
    "splits_have_usable_ratios",
}


def test_a_good_load_verifies_without_the_vendor(command: Command, vendor: SimulatedVendor) -> None:
    command(*LOAD)
    asked = vendor.count()

    ended = command("verify", "--json", POLYGON_API_KEY="")

    assert ended.code == 0
    found = json.loads(ended.out)
    assert {one["check"]: one["verdict"] for one in found["checks"]} == dict.fromkeys(CHECKS, "ok")
    assert {one["offenders"] for one in found["checks"]} == {0}
    assert found["differences"] == []
    assert vendor.count() == asked


def test_a_broken_bar_fails_its_check_alone(
    command: Command, connection: psycopg.Connection
) -> None:
    command(*LOAD)
    connection.execute(
        "UPDATE daily_bars SET high = low / 2 WHERE symbol = 'AAPL' AND date = '2024-03-12'"
    )

    whole = command("verify", "--json")
    other_day = command("verify", "--end", "2024-03-11")

    assert (whole.code, other_day.code) == (1, 0)
    assert [line.split()[2:] for line in other_day.out.splitlines()[1:]] == [["ok", "0"]] * 8
    verdicts = {one["check"]: one for one in json.loads(whole.out)["checks"]}
    broken = verdicts.pop("daily_bars_have_consistent_ohlc")
    assert (broken["verdict"], broken["offenders"], broken["asset"]) == ("error", 1, "daily_bars")
    assert {one["verdict"] for one in verdicts.values()} == {"ok"}


def test_a_sample_finds_the_value_that_differs_from_the_vendors(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    connection.execute("DELETE FROM data_coverage WHERE symbol <> 'AAPL'")  # the only one to draw
    good = command("verify", "--sample-size", "5", "--json")
    connection.execute(
        "UPDATE daily_bars SET transactions = 7 WHERE symbol = 'AAPL' AND date = '2024-03-12'"
    )

    ended = command("verify", "--sample-size", "5", "--json")

    assert json.loads(good.out)["differences"] == []
    assert ended.code == 1
    (difference,) = json.loads(ended.out)["differences"]
    assert (difference["symbol"], difference["date"]) == ("AAPL", "2024-03-12")
    assert difference["difference"].startswith("transactions 7 here, ")
    assert vendor.count("range") == 2


def test_an_unpublished_session_is_a_warning_and_no_failure(
    command: Command, vendor: SimulatedVendor
) -> None:
    command(*LOAD)

    ended = command("verify", "--start", "2024-03-11", "--end", "2024-03-13", "--json")

    assert ended.code == 0
    cover = json.loads(ended.out)["checks"][0]
    assert (cover["check"], cover["verdict"], cover["offenders"]) == (
        "daily_bars_cover_every_session",
        "warn",
        1,
    )


@pytest.mark.parametrize("arguments", [("verify",), ("verify", "--json")])
def test_where_nothing_is_loaded_that_is_said(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("universe: nothing is loaded yet")
