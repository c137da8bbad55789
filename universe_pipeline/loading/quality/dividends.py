"""The rules about dividends, by their rows, and by those before."""

from collections.abc import Iterator
from math import log

from universe_pipeline.adapters.postgres.actions.amounts import past_months, unlike_amounts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reference.dividends import (
    misdated,
    rejected_dividends,
)
from universe_pipeline.domain.quality import DUPLICATE
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    DIVIDEND_DATES_ORDERED,
    DIVIDENDS_ALIKE,
    DIVIDENDS_COUNTED,
    DIVIDENDS_USABLE,
)

_TIMES = 5.0
"""So many times a regular dividend grows or shrinks: more is another unit, or another share."""

_FEWEST, _MOST = 0.75, 1.5
"""Of the dividends of a month a year before: their number grows by up to a fifth a year."""
_ENOUGH = 100


def judge_dividends(connection: Connection) -> list[Finding]:
    """Judge dividends by those before, by their dates, and by rows neither stored nor doubles."""
    return [
        listed(DIVIDENDS_USABLE, _unusable(connection)),
        listed(
            DIVIDEND_DATES_ORDERED,
            (Violation(day, symbol, detail) for symbol, day, detail in misdated(connection)),
        ),
        listed(DIVIDENDS_ALIKE, _unlike(connection)),
        listed(DIVIDENDS_COUNTED, _miscounted(connection)),
    ]


def _unusable(connection: Connection) -> Iterator[Violation]:
    for symbol, day, rule in rejected_dividends(connection):
        if rule != DUPLICATE:
            yield Violation(day, symbol, rule)


def _unlike(connection: Connection) -> Iterator[Violation]:
    for each in unlike_amounts(connection, _TIMES):
        detail = f"{each.cash:.6g} a share after {each.median:.6g}"
        yield Violation(each.day, each.symbol, detail, abs(log(each.cash / each.median)))


def _miscounted(connection: Connection) -> Iterator[Violation]:
    for each in past_months(connection):
        is_usual = _FEWEST * each.before <= each.dividends <= _MOST * each.before
        if each.before >= _ENOUGH and not is_usual:
            detail = f"{each.dividends:,} in {each.first:%Y-%m}, {each.before:,} a year before"
            yield Violation(None, None, detail, abs(each.dividends - each.before))
