"""`actions`: verdicts on corporate actions, and the owner's word about single ones."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from math import isfinite
from typing import Any

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.actions.overrides import (
    Override,
    listed_kinds,
    override,
)
from universe_pipeline.adapters.postgres.actions.verdicts import (
    Judged,
    counts,
    unconfirmed,
    verdict_on,
)
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.cli.approve import readable, user
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result, table
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.verdicts import Kind
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.settings import Settings

_SHOWN = 100
"""Actions that people see; `--json` has all."""
_LARGEST_RATIO, _LARGEST_CASH = 1e9, 1e6


def show(settings: Settings, *, as_json: bool) -> int:
    """Print how many actions have each verdict, and those that are neither verified nor usable."""
    with wiring.reading(settings) as connection:
        by_kind = counts(connection)
        found = unconfirmed(connection, limit=None if as_json else _SHOWN)
    if as_json:
        document = {"verdicts": by_kind, "actions": [_document(each) for each in found]}
        result(json.dumps(document, indent=2))
    elif not by_kind:
        result("no action is judged yet: run universe discover")
    else:
        _print(by_kind, found)
    return DONE


def _document(action: Judged) -> dict[str, Any]:
    return {
        _KEYS.get(name, name): value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(action).items()
    }


_KEYS = {"day": "date"}


def _print(by_kind: dict[str, dict[str, int]], found: Sequence[Judged]) -> None:
    for kind, by_verdict in by_kind.items():
        listed = ", ".join(f"{count:,} {verdict}" for verdict, count in by_verdict.items())
        result(f"{kind}s: {listed}")
    if found:
        table(_table(found))
    if len(found) == _SHOWN:
        result(f"the newest {_SHOWN}; `universe actions --json` has all")


def _table(found: Sequence[Judged]) -> Table:
    rows = Table(
        "date", "symbol", "action", "verdict", "applied on", "open / close before", "expected"
    )
    for each in found:
        rows.add_row(
            str(each.day),
            visible(each.symbol),
            each.words,
            each.verdict,
            "" if each.applied_on is None else str(each.applied_on),
            _number(each.observed),
            _number(each.expected),
        )
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def add(
    settings: Settings,
    symbol: str,
    day: date,
    reason: str | None,
    *,
    split: str | None,
    dividend: float | None,
) -> int:
    """Add an action, or correct the listed one of that kind, symbol and day.

    Args:
        settings: of the command.
        symbol: the symbol that the security has on the day.
        day: the execution date or ex-date.
        reason: why the owner knows it.
        split: old and new shares, like "1:4"; or None.
        dividend: USD a share, in the shares of the day; or None.

    Raises:
        UsageError: an argument is missing or wrong.
    """
    why = _reason(reason)
    if (split is None) == (dividend is None):
        raise UsageError("actions add: give either --split FROM:TO or --dividend CASH")
    if split is not None:
        split_from, split_to = _ratio(split)
        given = Override(Kind.SPLIT, symbol, day, why, user(), split_from, split_to)
    else:
        given = Override(Kind.DIVIDEND, symbol, day, why, user(), cash=_cash(dividend))
    return _write(settings, given)


def remove(settings: Settings, symbol: str, day: date, reason: str | None, kind: str | None) -> int:
    """Let an action not count, though the vendor lists it; or take back one that was added.

    Args:
        settings: of the command.
        symbol: the symbol under which it is listed.
        day: the execution date or ex-date.
        reason: why it is wrong.
        kind: a `Kind`; None where only one of the two is listed.

    Raises:
        UsageError: no such action counts, or a split and a dividend do.
    """
    if kind is not None and kind not in tuple(Kind):
        raise UsageError(f"actions remove: --kind is split or dividend, not {kind!r}")
    why, name = _reason(reason), f"{visible(symbol)} on {day}"
    with wiring.connected(settings) as connection:
        kinds = listed_kinds(connection, symbol, day)
    chosen = [each for each in kinds if kind in (None, each)]
    if not chosen:
        raise UsageError(f"actions remove: no {kind or 'split or dividend'} of {name} counts")
    if len(chosen) > 1:
        raise UsageError(f"{name} has a split and a dividend: give --kind split or --kind dividend")
    return _write(settings, Override(chosen[0], symbol, day, why, user()))


def _reason(reason: str | None) -> str:
    if reason is None:
        raise UsageError("actions: give --reason TEXT; it is kept with the action")
    return readable(reason)


def _ratio(text: str) -> tuple[float, float]:
    try:
        split_from, split_to = map(float, text.split(":"))
    except ValueError:
        split_from = split_to = 0.0
    sides = split_from, split_to
    if not all(isfinite(side) and side > 0 for side in sides) or split_from == split_to:
        raise UsageError(
            f"--split {text!r} is not of the form FROM:TO, like 1:4 (an old share became 4 new "
            "ones) or 8:1 (8 became 1)"
        )
    if max(sides) / min(sides) > _LARGEST_RATIO:
        raise UsageError(f"--split {text!r}: one side is more than a billion times the other")
    return sides


def _cash(cash: float | None) -> float:
    if cash is None or not 0 < cash < _LARGEST_CASH:
        raise UsageError(f"--dividend {cash} is not USD a share, above 0 and below 1,000,000")
    return cash


def _write(settings: Settings, given: Override) -> int:
    """Keep the owner's word, and judge with it."""
    with wiring.connected(settings) as connection:
        with connection.transaction():
            override(connection, given)
            refresh_actions(connection, wiring.now(settings))
        result(_outcome(connection, given))
    return DONE


def _outcome(connection: Connection, given: Override) -> str:
    """The verdict now, in a line."""
    judged = verdict_on(connection, given.kind, given.symbol, given.day)
    if judged is None:
        return f"{given.kind} of {visible(given.symbol)} on {given.day}: no longer listed"
    applied = "not applied" if judged.applied_on is None else f"applied on {judged.applied_on}"
    name = f"{judged.words} of {visible(judged.symbol)} on {judged.day}"
    return f"{name}: {judged.verdict}, {applied}"
