"""What a reader may ask for; anything else is a ValueError that names what is accepted."""

import operator
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Literal, TypeAlias

from universe_pipeline.domain.bars import BAR_VALUES

Day: TypeAlias = date | str
"""A day, or its text `YYYY-MM-DD`."""
Symbols: TypeAlias = str | int | Sequence[str | int]
"""Symbols, security ids, or both."""
Adjustment: TypeAlias = Literal["none", "splits", "total_return"]
Missing: TypeAlias = Literal["raise", "allow"]

ADJUSTMENTS = ("none", "splits", "total_return")
MISSING = ("raise", "allow")
FIELDS = BAR_VALUES
KEYS = ("date", "symbol")


def day(name: str, given: Day) -> date:
    """A day that was given as the argument `name`."""
    if isinstance(given, str):
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise ValueError(f"{name}={given!r} is not a day: give a date or YYYY-MM-DD") from None
    if isinstance(given, datetime):
        if given.time() != time() or given.tzinfo is not None:
            raise ValueError(f"{name}={given} is a moment: give a date or YYYY-MM-DD")
        return given.date()
    return given


def optional_day(name: str, given: Day | None) -> date | None:
    """The same, where none need be given."""
    return None if given is None else day(name, given)


def one_of(name: str, given: str, accepted: Sequence[str]) -> None:
    """Refuse what is not `accepted`."""
    if given not in accepted:
        raise ValueError(f"{name}={given!r} is not accepted: give {_listed(accepted)}")


def in_order(start: date, end: date) -> None:
    """Refuse a reversed range."""
    if start > end:
        raise ValueError(f"start={start} is after end={end}: swap them")


def columns(given: Sequence[str] | None, accepted: Sequence[str]) -> tuple[str, ...]:
    """The columns that were asked for next to date and symbol; all by default."""
    if given is None:
        return tuple(accepted)
    named = [given] if isinstance(given, str) else list(given)
    for name in named:
        if name not in (*KEYS, *accepted):
            raise ValueError(f"columns={name!r} is not a column: give {_listed(accepted)}")
    return tuple(dict.fromkeys(name for name in named if name not in KEYS))


def symbols(given: Symbols) -> tuple[str | int, ...]:
    """Symbols and ids, each once."""
    named = [given] if isinstance(given, str | int) else list(given)
    return tuple(
        dict.fromkeys(one if isinstance(one, str) else operator.index(one) for one in named)
    )


def types(given: Sequence[str]) -> tuple[str, ...]:
    """The vendor's type codes."""
    return (given,) if isinstance(given, str) else tuple(given)


def _listed(accepted: Sequence[str]) -> str:
    *others, last = map(repr, accepted)
    return f"{', '.join(others)} or {last}" if others else last
