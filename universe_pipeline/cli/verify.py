"""`verify`: every rule over what is loaded, and symbols compared with the vendor."""

import json
import random
from collections.abc import Sequence
from datetime import date
from typing import Any, TypeAlias

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked
from universe_pipeline.adapters.postgres.quality.rule_results import Result, results_of
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.findings import broken, command, in_order, sentence, show, word
from universe_pipeline.cli.load import at_pace
from universe_pipeline.cli.terminal import note, progress_bars, result
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.quality.rules import ENDPOINTS_AGREE, Rule
from universe_pipeline.domain.sessions import closed_range, newest_closed
from universe_pipeline.loading.quality.comparison import REQUESTS_A_SYMBOL
from universe_pipeline.orchestration.execution.in_process import CheckResult, Ended, open_runs
from universe_pipeline.settings import Settings, no_key

Span: TypeAlias = tuple[date | None, date | None]
"""First and last day of a range; None: the first or last one that was ever asked for."""


def verify(
    settings: Settings, span: Span, sample_size: int, *, as_json: bool, every_rule: bool
) -> int:
    """Judge a range (default: all that was ever asked for) by every rule, and print the findings.

    Raises:
        UsageError: nothing was asked for yet.
    """
    with wiring.reading(settings) as connection:
        chosen, sessions = _sessions(settings, connection, span)
    sample = _sample(settings, sample_size)
    config = {"sample_checks": {"size": sample["size"], "seed": sample["seed"]}}
    database = wiring.open_database(settings)
    with open_runs(settings, database) as runs, progress_bars():
        ended = runs.run("verification", chosen, name="verification", config=config)
    with wiring.reading(settings) as connection:
        results = results_of(connection, ended.run_id)
        asked = ever_asked(connection, newest_closed(wiring.now(settings)))
        said = sentence(settings, connection, asked, sessions, broken(results))
    for message in ended.messages:
        note(message)
    if as_json:
        document = _document(ended, results, sample) | {"summary": said}
        result(json.dumps(document, indent=2))
    else:
        show(results, every_rule=every_rule)
        result(f"\n{said}")
    return FAILED if ended.failed_checks or not ended.success else DONE


def _sessions(
    settings: Settings, connection: Connection, span: Span
) -> tuple[Sequence[date], Sequence[date]]:
    """The sessions that a range names (none: the run itself finds all), and those it is about."""
    now = wiring.now(settings)
    start, end = span
    asked = ever_asked(connection, newest_closed(now)).sessions
    if not asked:
        raise UsageError("nothing is loaded yet: `universe historical --start …` loads a range")
    if start is None and end is None:
        return (), asked
    if start is not None and end is None and start > asked[-1]:
        raise UsageError(f"nothing from {start} on was asked for: the last session is {asked[-1]}")
    if end is not None and start is None and end < asked[0]:
        raise UsageError(f"nothing up to {end} was asked for: the first session is {asked[0]}")
    chosen = closed_range(start or asked[0], end or asked[-1], now)
    return chosen, chosen


def _sample(settings: Settings, size: int) -> dict[str, Any]:
    """What is compared with the vendor; said before it begins, since it takes requests."""
    seed = random.SystemRandom().randrange(1_000_000)
    if size and settings.polygon_api_key is None:
        note(f"no symbol is compared with the vendor: {no_key()}")
        return {"size": 0, "seed": seed, "not_run": no_key()}
    if size:
        wiring.require_vendor(settings)
        pace = at_pace(settings, REQUESTS_A_SYMBOL * size)
        note(f"comparing {size} symbols drawn by seed {seed} with the vendor, {pace}")
    return {"size": size, "seed": seed, "not_run": None}


def _document(ended: Ended, results: Sequence[Result], sample: dict[str, Any]) -> dict[str, Any]:
    ordered = in_order(results)
    compared = [one for rule, one in ordered if rule is ENDPOINTS_AGREE]
    return {
        "checks": [_check(one) for one in ended.check_results],
        "rules": [_rule(rule, one) for rule, one in ordered],
        "sample": sample,
        "differences": [
            {"symbol": each["symbol"], "date": each["date"], "difference": each["detail"]}
            for one in compared
            for each in one.examples
        ],
    }


def _check(one: CheckResult) -> dict[str, Any]:
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
        "verdict": word(one),
        "offenders": one.offenders,
        "meaning": rule.meaning,
        "repair": command(rule, one) if one.offenders else None,
        "examples": one.examples,
    }
