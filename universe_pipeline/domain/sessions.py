"""NYSE sessions: which days trade, when they close, and ranges of them.

The calendar is exchange_calendars' XNYS, as `nyse` has it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from universe_pipeline.domain import nyse
from universe_pipeline.domain.errors import NotASessionError, RangeError, SessionNotClosedError

FIRST_SESSION = date(2003, 9, 10)
"""The vendor's daily bars begin here (massive.com knowledge base, security master)."""

NEW_YORK = "America/New_York"

_WEEKEND = (6, 7)


def _days(table: str) -> frozenset[date]:
    years = (line.split() for line in table.splitlines())
    return frozenset(date.fromisoformat(f"{year}-{day}") for year, *days in years for day in days)


_EARLY = _days(nyse.EARLY)
_REGULAR_CLOSE, _EARLY_CLOSE = time(16), time(13)


@lru_cache(maxsize=1)
def all_sessions() -> tuple[date, ...]:
    """Every session from 2003-09-10 to the last that the calendar knows, in order."""
    closed, last = _days(nyse.CLOSED), date.fromisoformat(nyse.LAST)
    days = (FIRST_SESSION + timedelta(days=n) for n in range((last - FIRST_SESSION).days + 1))
    return tuple(day for day in days if day.isoweekday() not in _WEEKEND and day not in closed)


def is_session(day: date) -> bool:
    """Whether the NYSE trades on `day`."""
    position = bisect_left(all_sessions(), day)
    return position < len(all_sessions()) and all_sessions()[position] == day


def sessions_between(start: date, end: date) -> tuple[date, ...]:
    """The sessions from `start` to `end`, both included; empty when there is none."""
    return all_sessions()[bisect_left(all_sessions(), start) : bisect_right(all_sessions(), end)]


def closed_days(start: date, end: date) -> tuple[date, ...]:
    """The weekdays from `start` to `end` without a session: holidays and special closures."""
    open_days = set(sessions_between(start, end))
    days = (start + timedelta(days=n) for n in range((end - start).days + 1))
    return tuple(day for day in days if day.isoweekday() not in _WEEKEND and day not in open_days)


def last_known_session() -> date:
    """The last session that the calendar knows, some years from now."""
    return all_sessions()[-1]


def is_early_close(session: date) -> bool:
    """Whether `session` closes at 13:00, as before holidays."""
    return session in _EARLY


def close_of(session: date) -> datetime:
    """When `session` closes, in New York: 16:00, or 13:00 on an early close."""
    close = _EARLY_CLOSE if is_early_close(session) else _REGULAR_CLOSE
    return datetime.combine(session, close, ZoneInfo(NEW_YORK))


def newest_closed(now: datetime) -> date:
    """The newest session whose close is not after `now` (timezone-aware)."""
    position = bisect_right(all_sessions(), now.date() + timedelta(days=1)) - 1
    while close_of(all_sessions()[position]) > now:
        position -= 1
    return all_sessions()[position]


def sessions_before(session: date, count: int) -> tuple[date, ...]:
    """The up to `count` sessions right before `session`, in order."""
    position = bisect_left(all_sessions(), session)
    return all_sessions()[max(0, position - count) : position]


def sessions_after(session: date, count: int) -> tuple[date, ...]:
    """The up to `count` sessions right after `session`, in order."""
    position = bisect_right(all_sessions(), session)
    return all_sessions()[position : position + count]


def is_final_by_age(session: date, at: datetime, revisit: int) -> bool:
    """Whether more than `revisit` sessions have closed after `session` by `at`."""
    return len(sessions_between(session, newest_closed(at))) - 1 > revisit


def require_closed_session(day: date, now: datetime) -> date:
    """Return `day` if it is a session that has closed by `now`.

    Raises:
        NotASessionError: the NYSE does not trade on that day.
        SessionNotClosedError: it has not closed yet.
    """
    if day < FIRST_SESSION or day > last_known_session():
        raise RangeError(
            f"{day} is outside the calendar, which reaches from {FIRST_SESSION} "
            f"to {last_known_session()}"
        )
    if not is_session(day):
        before = sessions_before(day, 1)
        position = bisect_right(all_sessions(), day)
        raise NotASessionError(day, before[0], all_sessions()[position])
    if close_of(day) > now:
        raise SessionNotClosedError(day, close_of(day), newest_closed(now))
    return day


def closed_range(start: date, end: date | None, now: datetime) -> tuple[date, ...]:
    """The closed sessions from `start` to `end` (None or a later day: the newest closed one).

    Raises:
        RangeError: `start` is after `end`, or the range holds no closed session; says why.
    """
    newest = newest_closed(now)
    if end is not None and start > end:
        raise RangeError(f"the start {start} is after the end {end}: swap them")
    if start > newest:
        raise RangeError(
            f"the start {start} is after the newest closed session, {newest}: "
            "start there or earlier, or wait for the next close"
        )
    last = min(end or newest, newest)
    if last < FIRST_SESSION:
        raise RangeError(
            f"the end {last} is before the vendor's first session, {FIRST_SESSION}: "
            "end there or later"
        )
    found = sessions_between(start, last)
    if not found:
        before, after = sessions_before(start, 1)[0], sessions_between(last, newest)[0]
        raise RangeError(
            f"no session from {start} to {last}: the NYSE is closed (weekend or holiday); "
            f"the sessions around are {before} and {after}"
        )
    return found


def runs_of(sessions: Sequence[date], among: Sequence[date]) -> list[tuple[date, date]]:
    """Split `sessions` into unbroken runs (first, last) of the ordered sessions `among`."""
    wanted = set(sessions)
    runs: list[tuple[date, date]] = []
    unbroken = False
    for day in among:
        if day not in wanted:
            unbroken = False
        elif unbroken:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
            unbroken = True
    return runs
