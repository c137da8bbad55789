"""What a rule's hint names repairs what the rule found: tried on a real database."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline_tests.support.command_in_process import Command, Ended

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
    loading = {"historical", "repair", "discover", "retry", "resume"}
    known = loading | {"actions", "approve", "listings", "psql", "verify"}

    for rule in RULES:
        for each in rule.repair.split(" or "):
            assert each == "look at it" or shlex.split(each)[1] in known


HOSTILE = ["$(touch${IFS}x)", "`touch${IFS}x`", "--help", "-x", "a;touch${IFS}x", "'", "a,b", "\\"]
"""Symbols as the vendor may send them: each is stored, and named in commands to copy."""


def in_a_shell(hint: str, environment: dict[str, str], folder: Path) -> Ended:
    """What a person gets who pastes the hint into a shell in an empty folder."""
    folder.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    ran = subprocess.run(
        ["/bin/sh", "-c", hint],
        env={**environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert list(folder.iterdir()) == []
    return Ended(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize("symbol", HOSTILE)
def test_a_hint_about_any_symbol_is_pasted_without_harm(
    loaded: Command,
    connection: psycopg.Connection,
    environment: dict[str, str],
    tmp_path: Path,
    symbol: str,
) -> None:
    connection.execute(
        "UPDATE daily_bars SET symbol = %s, high = 0.1 WHERE symbol = 'AAPL'"
        " AND date = '2024-06-25'",
        (symbol,),
    )

    hint = rules(loaded)["ohlc_order"]
    assert hint is not None
    printed = loaded("verify").out
    ended = in_a_shell(hint, environment, tmp_path / "here")

    assert f"→ {hint}\n" in printed
    assert f"{symbol}: 1 bars in 1 sessions" in ended.out  # the vendor was asked, and has none


@pytest.mark.parametrize("symbol", [*HOSTILE, "symbols", "splits", "dividends", "2024-06-25", "A"])
def test_a_refused_answer_about_any_symbol_is_approved_as_the_hint_says(
    command: Command,
    connection: psycopg.Connection,
    environment: dict[str, str],
    tmp_path: Path,
    symbol: str,
) -> None:
    connection.execute(
        "INSERT INTO refused_answers (dataset, symbol, first_date, last_date, answered_on, rows,"
        " expected, missing) VALUES ('symbol_bars', %s, '2024-06-24', '2024-06-28', '2024-07-01',"
        " 1, 5, '{2024-06-25}')",
        (symbol,),
    )
    hint = re.search("`(universe .+ --reason TEXT)`", command("status").out)
    assert hint is not None

    ended = in_a_shell(hint[1], {**environment, "POLYGON_API_KEY": ""}, tmp_path / "here")

    assert ended.code == 0
    assert ended.out.startswith(f"approved: {symbol} with 1 rows where 5 are expected")
    stores = re.search("`(universe .+)` stores it", ended.err)
    assert stores is not None
    again = in_a_shell(stores[1], environment, tmp_path / "here")
    assert re.search(rf"^{re.escape(symbol)}: \d bars in 5 sessions$", again.out, re.MULTILINE)
