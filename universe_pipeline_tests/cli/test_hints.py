"""What a rule's hint names repairs what the rule found: tried on a real database."""

import json
import shlex

import psycopg
import pytest

from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline_tests.cli.in_process import Command

LOAD = ("historical", "--start", "2024-06-24", "--end", "2024-06-28")

BROKEN = {
    "symbol_form": (
        "UPDATE daily_bars SET symbol = 'A B' WHERE symbol = 'MSFT' AND date = '2024-06-25'"
    ),
    "price_positive": (
        "UPDATE daily_bars SET low = -1 WHERE symbol = 'AAPL' AND date = '2024-06-25'"
    ),
    "ohlc_order": "UPDATE daily_bars SET high = 0.1 WHERE symbol = 'AAPL' AND date = '2024-06-25'",
    "volume_finite": (
        "UPDATE daily_bars SET volume = 'NaN' WHERE symbol = 'AAPL' AND date = '2024-06-25'"
    ),
    "bars_fall_on_sessions": (
        "INSERT INTO daily_bars SELECT '2024-06-29', symbol, open, high, low, close, volume, vwap,"
        " transactions, source FROM daily_bars WHERE date = '2024-06-28'"
    ),
    "sessions_hold_what_they_stored": (
        "DELETE FROM daily_bars WHERE symbol = 'SPY' AND date = '2024-06-26'"
    ),
    "contents_are_as_they_were_loaded": (
        "UPDATE daily_bars SET volume = 7 WHERE symbol = 'SPY' AND date = '2024-06-26'"
    ),
    "prices_keep_their_scale": (
        "UPDATE daily_bars SET open = open / 100, high = high / 100, low = low / 100,"
        " close = close / 100, vwap = vwap / 100 WHERE symbol = 'AAPL' AND date >= '2024-06-26'"
    ),
    "delisted_symbols_do_not_trade": (
        "UPDATE symbols SET active = false, delisted_date = '2024-06-25' WHERE symbol = 'AAPL'"
    ),
    "sessions_are_loaded": "DELETE FROM session_loads WHERE date = '2024-06-26'",
}


@pytest.fixture
def loaded(command: Command) -> Command:
    """A good load."""
    assert command(*LOAD).code == 0
    return command


def rules(command: Command) -> dict[str, str | None]:
    """The broken rules of a verification, each with its hint."""
    document = json.loads(command("verify", "--json").out)
    return {one["rule"]: one["repair"] for one in document["rules"] if one["offenders"]}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_hint_of_a_rule_repairs_what_it_found(
    loaded: Command, connection: psycopg.Connection, rule: str
) -> None:
    connection.execute(BROKEN[rule].encode())
    rounds = 0

    while (hint := rules(loaded).get(rule)) and (rounds := rounds + 1) < 7:
        for each in hint.split(" or ")[:1]:
            name, *arguments = shlex.split(each)[1:]
            if name == "psql":
                connection.execute(arguments[-1].encode())
            else:
                loaded(name, *arguments)

    assert 1 <= rounds <= 5, hint
    if rule == "prices_keep_their_scale":
        assert rounds == 1


def test_every_hint_is_a_command_or_says_that_there_is_none(command: Command) -> None:
    known = {"historical", "repair", "approve", "discover", "retry", "verify", "psql", "resume"}

    for rule in RULES:
        for each in rule.repair.split(" or "):
            assert each == "look at it" or shlex.split(each)[1] in known
