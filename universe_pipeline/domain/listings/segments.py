"""Segments: unbroken times in which a symbol traded."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

PAUSE = 5
"""Sessions without a bar that a segment may hold: of a symbol that trades rarely."""

HALT = 20
"""Sessions without a bar over which a halted symbol stays the same security, unless lists or prices
speak against it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A time in which a symbol traded, with no gap of over `PAUSE` sessions, loaded or not."""

    symbol: str
    first: date
    """Its first session with a bar."""
    last: date
    """Its last session with a bar."""


class Calendar:
    """The sessions of the exchange in order, and which of them are loaded."""

    def __init__(self, sessions: Sequence[date], loaded: Sequence[bool]) -> None:
        self._sessions = sessions
        self._loaded = [0, *accumulate(map(int, loaded))]

    def place(self, day: date) -> int:
        """The place of the first session on or after `day`."""
        return bisect_left(self._sessions, day)

    def before(self, day: date) -> int:
        """The place of the last session on or before `day`; -1 if there is none."""
        return bisect_right(self._sessions, day) - 1

    def at(self, place: int) -> date:
        """The session at a place; the day of the last one's end where there is none."""
        return self._sessions[place] if place < len(self._sessions) else date.max

    def between(self, last: date, first: date) -> int:
        """How many sessions lie between two sessions."""
        return self.place(first) - self.place(last) - 1

    def loaded_between(self, last: date, first: date) -> int:
        """How many of them are loaded."""
        return self._loaded[self.place(first)] - self._loaded[self.place(last) + 1]
