"""Windows of days: how a list that is too long to ask for daily is read in parts, and read again.

A list of dividends has 700,000 rows since 2000, some 140 pages. So it is read once, and then again
where it still changes:

- The *recent* window begins 30 to 60 days ago and has no end: announced rows belong to it.
- Before that, months are read once, by years, the newest first. An interrupted load goes on with
  the months that are missing, and what is stored has no gap.
- Once all are there, three months are read again with each recent window, those that were read
  longest ago: everything within about a hundred days.
- A window whose answer was refused is asked for again until one is stored.

All windows begin and end with a month, so that a refused one comes again as the same. Pure: what
was read before, and when, comes in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.moments import is_fresh

REVISITED = timedelta(days=30)
"""The recent window goes back at least so far: the vendor still adds and corrects these rows."""

ROTATED = 3
"""So many months of the history are read again with each recent window."""

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Window:
    """The days from `first` to `last`, both included; without a `last` all later ones, too."""

    first: date
    last: date | None

    @property
    def end(self) -> date | None:
        """The day after the last; None without one."""
        return None if self.last is None else self.last + timedelta(days=1)

    def __contains__(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)

    def covers(self, other: "Window") -> bool:
        """Whether every day of the other one is in this one."""
        ends = self.last is None or (other.last is not None and other.last <= self.last)
        return self.first <= other.first and ends

    def __str__(self) -> str:
        """The year or month that it is, like 2024 or 2024-05; otherwise its days."""
        if self.last is None:
            return f"since {self.first}"
        if self == Window(date(self.first.year, 1, 1), date(self.first.year, 12, 31)):
            return f"{self.first:%Y}"
        return f"{self.first:%Y-%m}" if self == _month(self.first) else f"{self.first}..{self.last}"


@dataclass(frozen=True, slots=True)
class Read:
    """A window that came in whole, and when it was asked for."""

    window: Window
    at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a list, and how far back it is wanted."""

    since: date
    """The first day that is wanted."""
    reads: Sequence[Read] = ()
    """In any order."""
    refused: Sequence[Window] = ()
    """Windows of which no answer was stored since one was refused."""
    beyond: date | None = None
    """The last day that the vendor's plan does not reach, and all before; None: it reaches all."""

    def due(self, now: datetime, *, force: bool = False) -> list[Window]:
        """The windows to ask for at `now`, the most important first; none if all are fresh.

        Args:
            now: the database's time.
            force: read the recent window, and the months whose turn it is, also if it is fresh,
                and what is beyond the plan.
        """
        recent, missing = recent_window(now), self._missing(now)
        if self.beyond is not None and not force:
            missing = [month for month in missing if month.first > self.beyond]
        is_due = force or not self._is_fresh(recent, now)
        again = [recent] if is_due else []
        rotated = self._oldest(now) if is_due and not missing else []
        return list(dict.fromkeys([*again, *self.refused, *_by_years(missing), *rotated]))

    def complete_since(self, now: datetime) -> date | None:
        """The first day from which on nothing is missing up to the announced rows; None: no day."""
        recent, missing = recent_window(now), self._missing(now)
        if not any(read.window.covers(recent) for read in self.reads):
            return None
        return missing[-1].end if missing else min(self.since.replace(day=1), recent.first)

    def _is_fresh(self, recent: Window, now: datetime) -> bool:
        return any(read.window.covers(recent) and is_fresh(read.at, now) for read in self.reads)

    def _missing(self, now: datetime) -> list[Window]:
        settled = self._settled(now)
        return [month for month in self._history(now) if month not in settled]

    def _oldest(self, now: datetime) -> list[Window]:
        settled = self._settled(now)
        read = (month for month in self._history(now) if month in settled)
        return sorted(read, key=lambda month: settled[month])[:ROTATED]

    def _history(self, now: datetime) -> Iterator[Window]:
        """The months before the recent window, in order."""
        return _months(Window(self.since.replace(day=1), None), recent_window(now).first)

    def _settled(self, now: datetime) -> dict[Window, datetime]:
        """When each month was last read that was over by then: before, rows are announced only."""
        settled: dict[Window, datetime] = {}
        for read in sorted(self.reads, key=lambda read: read.at):
            over = min(day_of(read.at), recent_window(now).first)
            settled |= dict.fromkeys(_months(read.window, over), read.at)
        return settled


def history_since(start: date) -> date:
    """The first day that is wanted of a list where bars are wanted from `start` on.

    With the year before, so that the sum of a year's dividends is known at the first bar.
    """
    return date(start.year - 1, 1, 1)


def recent_window(now: datetime) -> Window:
    """The window that is asked for daily: from a month's first day on, without an end."""
    return Window((day_of(now) - REVISITED).replace(day=1), None)


def months_of(window: Window, now: datetime) -> int:
    """How many months it spans; announced rows, of a window without an end, count as one more."""
    last = window.last or day_of(now)
    months = (last.year - window.first.year) * _MONTHS + last.month - window.first.month + 1
    return months if window.last else months + 1


def _by_years(months: Iterable[Window]) -> list[Window]:
    """Neighbouring months of a year as one window, the newest first."""
    runs: list[Window] = []
    for month in months:
        is_next = runs and runs[-1].end == month.first
        if is_next and runs[-1].first.year == month.first.year:
            runs[-1] = Window(runs[-1].first, month.last)
        else:
            runs.append(month)
    return runs[::-1]


def _months(window: Window, end: date) -> Iterator[Window]:
    """The months of a window, which begins with one, that are over before the day `end`."""
    month = _month(window.first)
    while _following(month.first) <= end and window.covers(month):
        yield month
        month = _month(_following(month.first))


def _month(day: date) -> Window:
    first = day.replace(day=1)
    return Window(first, _following(first) - timedelta(days=1))


def _following(day: date) -> date:
    """The first day of the month after."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
