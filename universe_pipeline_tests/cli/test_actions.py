"""`universe actions`: verdicts, and the owner's word about single actions."""

import json
from datetime import date

import psycopg
import pytest

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_dividends,
    list_security,
    list_split,
    write_bars,
)

SPLIT_DAY, LATER = DAYS[60], DAYS[65]


@pytest.fixture
def market(connection: psycopg.Connection) -> psycopg.Connection:
    """A security with a split that stands twice, and a dividend."""
    make_quarters(connection, [date(2024, 4, 1), date(2024, 7, 1)])
    write_bars(connection, "AAA", DAYS, {SPLIT_DAY: 0.25})
    list_security(connection, 1, ("AAA", DAYS[0], None))
    list_split(connection, "AAA", SPLIT_DAY, 4)
    list_split(connection, "AAA", LATER, 4)
    list_dividends(connection, "AAA", LATER, 0.24)
    refresh_actions(connection, NOW)
    return connection


def test_before_anything_is_judged_it_names_the_command_that_brings_actions(
    command: Command,
) -> None:
    assert command("actions").out == "no action is judged yet: run universe discover\n"
    assert json.loads(command("actions", "--json").out) == {"verdicts": {}, "actions": []}


@pytest.mark.usefixtures("market")
def test_it_counts_verdicts_and_lists_what_is_neither_verified_nor_usable(
    command: Command,
) -> None:
    shown = command("actions").out.splitlines()
    document = json.loads(command("actions", "--json").out)

    assert shown[:2] == ["dividends: 1 usable", "splits: 1 twin, 1 verified"]
    (row,) = [line for line in shown if "AAA" in line]
    assert [f"{LATER}", "AAA", "split 1:4", "twin"] == [
        cell.strip() for cell in row.strip("│").split("│")[:4]
    ]
    assert document["verdicts"] == {"dividend": {"usable": 1}, "split": {"twin": 1, "verified": 1}}
    (action,) = document["actions"]
    assert action.pop("observed") == pytest.approx(1.0, abs=0.05)
    assert action == {
        "kind": "split",
        "symbol": "AAA",
        "date": LATER.isoformat(),
        "verdict": "twin",
        "applied_on": None,
        "split_from": 1.0,
        "split_to": 4.0,
        "cash": None,
        "expected": 0.25,
        "reason": None,
    }


@pytest.mark.usefixtures("market")
def test_status_counts_verdicts(command: Command) -> None:
    shown, document = command("status").out, json.loads(command("status", "--json").out)

    assert "actions   2 splits, 1 of them verified; 1 ex-dates, 1 of them usable" in shown
    assert document["actions"] == {
        "dividend": {"usable": 1},
        "split": {"twin": 1, "verified": 1},
    }


def test_an_action_is_removed_and_added_and_prices_follow(
    command: Command, market: psycopg.Connection
) -> None:
    day, reason = str(SPLIT_DAY), ("--reason", "see the filing")

    removed = command("actions", "remove", "AAA", day, *reason)
    added = command("actions", "add", "AAA", str(DAYS[90]), "--split", "8:1", *reason)
    paid = command("actions", "add", "AAA", day, "--dividend", "0.5", *reason)

    assert [each.code for each in (removed, added, paid)] == [0, 0, 0]
    assert removed.out == f"split 1:4 of AAA on {day}: removed, not applied\n"
    assert added.out == f"split 8:1 of AAA on {DAYS[90]}: doubtful, applied on {DAYS[90]}\n"
    assert paid.out == f"dividend 0.5 of AAA on {day}: usable, applied on {day}\n"
    overrides = market.execute(
        "SELECT kind, action_date, removed, reason FROM action_overrides ORDER BY 1, 2"
    ).fetchall()
    assert overrides == [
        ("dividend", SPLIT_DAY, False, "see the filing"),
        ("split", SPLIT_DAY, True, "see the filing"),
        ("split", DAYS[90], False, "see the filing"),
    ]
    steps = market.execute("SELECT since, split FROM adjustment_steps ORDER BY since").fetchall()
    assert steps[-1] == (DAYS[90], 4 / 8)
    again = command("actions", "remove", "AAA", day, "--kind", "split", *reason)
    assert again.code == 2


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("show", "Invalid value: give add or remove, SYMBOL and DATE"),
        ("add AAA", "Invalid value: give add or remove, SYMBOL and DATE"),
        ("add AAA 2024-13-01", "'2024-13-01' is no day of the form YYYY-MM-DD"),
        ("add AAA 2024-07-01 --split 1:2", "actions: give --reason TEXT"),
        ("add AAA 2024-07-01 --reason x", "actions add: give either --split FROM:TO or --dividend"),
        ("add AAA 2024-07-01 --reason x --split 1:2 --dividend 1", "actions add: give either"),
        ("add AAA 2024-07-01 --reason x --split 2", "--split '2' is not of the form FROM:TO"),
        ("add AAA 2024-07-01 --reason x --split 0:2", "--split '0:2' is not of the form FROM:TO"),
        ("add AAA 2024-07-01 --reason x --split 2:2", "--split '2:2' is not of the form FROM:TO"),
        ("add AAA 2024-07-01 --reason x --split 1:inf", "--split '1:inf' is not of the form"),
        ("add AAA 2024-07-01 --reason x --split 1:2e9", "--split '1:2e9': one side is more than"),
        ("add AAA 2024-07-01 --reason x --dividend -1", "--dividend -1.0 is not USD a share"),
        ("add AAA 2024-07-01 --reason x --dividend nan", "--dividend nan is not USD a share"),
        (f"remove AAA {DAYS[3]} --reason x", "actions remove: no split or dividend of AAA on"),
        (f"remove AAA {LATER} --reason x", f"AAA on {LATER} has a split and a dividend: give"),
        (f"remove AAA {LATER} --reason x --kind a", "actions remove: --kind is split or dividend"),
        (f"remove AAA {SPLIT_DAY}", "actions: give --reason TEXT"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(
    command: Command, market: psycopg.Connection, arguments: str, said: str
) -> None:
    ended = command("actions", *arguments.split())

    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert said in line
    assert market.execute("SELECT count(*) FROM action_overrides").fetchall() == [(0,)]
