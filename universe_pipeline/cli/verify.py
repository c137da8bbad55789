"""`verify`: every rule over what is loaded, and symbols compared with the vendor."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import loads
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.verdicts import Result, results_of
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.load import at_pace
from universe_pipeline.cli.terminal import note, progress_bars, result, table, verdict
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.quality.rules import ENDPOINTS_AGREE, RULES, Rule
from universe_pipeline.domain.sessions import closed_range
from universe_pipeline.loading.comparison import REQUESTS_A_SYMBOL
from universe_pipeline.orchestration.runs import Ended, Verdict, open_runs
from universe_pipeline.settings import no_key, settings

TOLD = 3
"""Offenders of a rule that are printed; the others are in the JSON document."""


def verify(start: date | None, end: date | None, sample_size: int, *, as_json: bool) -> int:
    """Judge a range (default: first to last stored session) by every rule, and print the findings.

    Raises:
        UsageError: nothing is loaded.
    """
    database = wiring.open_database(settings())
    sessions = _sessions(database, start, end)
    sample = _sample(sample_size)
    config = {"sample_checks": {"size": sample["size"], "seed": sample["seed"]}}
    with open_runs(settings(), database) as runs, progress_bars():
        ended = runs.run("verification", sessions, name="verification", config=config)
    with database.connect() as connection:
        results = results_of(connection, ended.run_id)
    if as_json:
        result(json.dumps(_document(ended, results, sample), indent=2))
    elif results:
        _print(results)
    for message in ended.messages:
        note(message)
    return FAILED if ended.failed_checks or not ended.success else DONE


def _sessions(database: Database, start: date | None, end: date | None) -> Sequence[date]:
    with database.connect() as connection:
        stored = loads.all_committed(connection)
    if not stored:
        raise UsageError("nothing is loaded yet: `universe historical --start …` loads a range")
    return closed_range(start or stored[0].session, end or stored[-1].session, wiring.now())


def _sample(size: int) -> dict[str, Any]:
    """What is compared with the vendor; said before it begins, since it takes requests."""
    seed = random.SystemRandom().randrange(1_000_000)
    if size and settings().polygon_api_key is None:
        note(f"no symbol is compared with the vendor: {no_key()}")
        return {"size": 0, "seed": seed, "not_run": no_key()}
    if size:
        pace = at_pace(REQUESTS_A_SYMBOL * size)
        note(f"comparing {size} symbols drawn by seed {seed} with the vendor, {pace}")
    return {"size": size, "seed": seed, "not_run": None}


def _print(results: Sequence[Result]) -> None:
    rows = Table("rule", "verdict", "offenders", box=None, pad_edge=False)
    for rule, one in _in_order(results):
        rows.add_row(rule.name, verdict(_word(one)), f"{one.offenders:,}")
    table(rows)
    for rule, one in _in_order(results):
        if one.offenders:
            result(f"\n{rule.name} ({_word(one)}, {one.offenders:,}): {rule.meaning}")
            for example in one.examples[:TOLD]:
                result(f"  {_line(example)}")
            result(f"  → {_command(rule, one)}")


def _in_order(results: Sequence[Result]) -> list[tuple[Rule, Result]]:
    found = {one.rule: one for one in results}
    return [(rule, found[rule.name]) for rule in RULES if rule.name in found]


def _word(one: Result) -> str:
    return one.severity.lower() if one.offenders else "ok"


def _line(example: Mapping[str, str | None]) -> str:
    about = " ".join(part for part in (example["date"], example["symbol"]) if part)
    return f"{about}: {example['detail']}" if about else f"{example['detail']}"


def _command(rule: Rule, one: Result) -> str:
    worst = one.examples[0] if one.examples else {"date": None, "symbol": None}
    return rule.command(worst["date"], worst["symbol"])


def _document(ended: Ended, results: Sequence[Result], sample: dict[str, Any]) -> dict[str, Any]:
    ordered = _in_order(results)
    compared = [one for rule, one in ordered if rule is ENDPOINTS_AGREE]
    return {
        "checks": [_check(one) for one in ended.verdicts],
        "rules": [_rule(rule, one) for rule, one in ordered],
        "sample": sample,
        "differences": [
            {"symbol": each["symbol"], "date": each["date"], "difference": each["detail"]}
            for one in compared
            for each in one.examples
        ],
    }


def _check(one: Verdict) -> dict[str, Any]:
    return {
        "check": one.check,
        "asset": one.asset,
        "verdict": "ok" if one.passed else one.severity.lower(),
        "offenders": one.offenders,
    }


def _rule(rule: Rule, one: Result) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "level": rule.level.value,
        "severity": one.severity,
        "verdict": _word(one),
        "offenders": one.offenders,
        "meaning": rule.meaning,
        "repair": _command(rule, one) if one.offenders else None,
        "examples": one.examples,
    }
