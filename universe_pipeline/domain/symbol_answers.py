"""When a symbol's answer over a range of sessions is whole.

The endpoint answers in the same way to a symbol that it does not know, to one that did not trade,
and to one whose bars it has lost. The stored bars, the reference list and the symbol's own gaps
separate these cases.
"""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from universe_pipeline.domain.completeness import ShortAnswer, is_short

_LEAST_TAIL = 0.1
"""Of the sessions that an answer is about, the share that may lack bars at its end."""

_BEFORE_FIRST = 5
"""A first bar is known to be the first with at least so many bare sessions known before it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the reference lists say of a symbol that they have."""

    active: bool
    delisted: date | None
    """None where it is not active: it vanished, and nothing says when."""

    def may_trade_on(self, day: date, *, vanished: bool) -> bool:
        """Whether a bar of `day` is to be expected; `vanished`: also of one that vanished."""
        if self.active:
            return True
        return vanished if self.delisted is None else day < self.delisted


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a symbol when an answer about it comes."""

    listing: Listing | None
    """None: no list has it."""
    bars: AbstractSet[date]
    """Sessions with a bar of it, in the range that was asked for and near it."""
    bare: AbstractSet[date]
    """Sessions there that either endpoint was asked for and that hold no bar with trades of it."""
    first_bar: date | None
    """The first of all."""
    bare_before: int
    """Sessions before the first bar that either endpoint was asked for."""

    def longest_gap(self) -> int:
        """The most sessions in a row without a bar between two that have one."""
        return longest_gap(self.bars, sorted(self.bars | self.bare))

    def explains(self, day: date, *, vanished: bool) -> bool:
        """Whether it is known why `day` has no bar; `vanished`: as in `Listing.may_trade_on`."""
        if self.listing is None or not self.listing.may_trade_on(day, vanished=vanished):
            return True
        return day in self.bare or self._is_before_first(day)

    def _is_before_first(self, day: date) -> bool:
        if self.first_bar is None or day >= self.first_bar:
            return False
        return self.bare_before >= max(_BEFORE_FIRST, 2 * self.longest_gap() + 1)


@dataclass(frozen=True, slots=True)
class SymbolAnswer:
    """The days of one answer."""

    spoken: Sequence[date]
    """The sessions of which it says whether they have a bar; the newest may only not be out."""
    bars: AbstractSet[date]
    """Days with a usable bar."""
    rows: int
    """All rows, usable or not."""
    last: date
    """The last day of any row."""

    def within(self, sessions: Sequence[date]) -> "SymbolAnswer":
        """What it says of some sessions."""
        wanted = set(sessions)
        spoken = [day for day in self.spoken if day in wanted]
        return replace(self, spoken=spoken, bars=self.bars & wanted)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What an answer lacks, and the sessions of which it is believed all the same."""

    rows: int
    expected: int
    missing: frozenset[date]
    text: str
    proven: Sequence[date] = ()
    """Its bars of these are stored; none: it replaces nothing."""

    def on(self, day: date) -> ShortAnswer:
        """As the policy takes it, for an answer that was asked for on `day`."""
        keys = frozenset(each.isoformat() for each in self.missing)
        return ShortAnswer(self.rows, self.expected, keys, day)


def short_of_stored(answer: SymbolAnswer, stored: AbstractSet[date]) -> Shortfall | None:
    """What the answer lacks of the bars that are `stored` in the sessions asked for, if much."""
    missing = frozenset(stored - answer.bars)
    held = len(stored) - len(missing)
    if not is_short(held, len(stored)):
        return None
    text = f"the answer holds {held:,} of the {len(stored):,} bars that are stored"
    return Shortfall(held, len(stored), missing, text)


def ends_early(answer: SymbolAnswer) -> bool:
    """Whether the answer has no usable bar, or so few at its end that only its history says why."""
    if not answer.bars:
        return bool(answer.spoken)
    tail = [day for day in answer.spoken if day > answer.last]
    usual = longest_gap(answer.bars, answer.spoken)
    return len(tail) > max(_LEAST_TAIL * len(answer.spoken), usual)


def short_of_range(answer: SymbolAnswer, history: History) -> Shortfall | None:
    """What an answer that `ends_early` lacks at its end, unless its history explains that."""
    after = answer.last if answer.bars else date.min
    missing = [
        day
        for day in answer.spoken
        if day > after and not history.explains(day, vanished=not answer.bars)
    ]
    usual = max(longest_gap(answer.bars, answer.spoken), history.longest_gap())
    allowed = _LEAST_TAIL * len(answer.spoken) if answer.bars else 0
    if len(missing) <= max(allowed, usual):
        return None
    return Shortfall(
        rows=len(answer.spoken) - len(missing),
        expected=len(answer.spoken),
        missing=frozenset(missing),
        text=_describe(answer, missing),
        proven=[day for day in answer.spoken if day not in set(missing)] if answer.bars else (),
    )


def _describe(answer: SymbolAnswer, missing: Collection[date]) -> str:
    sessions = f"{len(missing):,} sessions" if len(missing) > 1 else "1 session"
    if answer.bars:
        return f"the bars stop on {answer.last}, {sessions} before the end of the range"
    if answer.rows:
        return f"none of the {answer.rows:,} rows is usable"
    return f"no bar in {sessions}, though the symbol is listed"


def longest_gap(bars: Iterable[date], sessions: Sequence[date]) -> int:
    """The most of `sessions` in a row without one of `bars`, between two that have one."""
    with_bar = set(bars)
    places = [place for place, day in enumerate(sessions) if day in with_bar]
    return max((later - place - 1 for place, later in pairwise(places)), default=0)
