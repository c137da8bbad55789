"""Writes universe_pipeline/domain/nyse.py from exchange_calendars: `make calendar`."""

from collections.abc import Iterable
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from exchange_calendars import get_calendar

from universe_pipeline.domain import nyse
from universe_pipeline.domain.sessions import FIRST_SESSION

HEADING = '''\
"""The NYSE's closures and early closes, written by `make calendar` from exchange_calendars' XNYS.

Kept here because the library brings pandas: a second at every start, and 60 MB. A test holds the
two together, so that a newer release of the library with another closure makes it fail.
"""

LAST = "2035-12-31"
"""The last day that is covered."""
'''


def closures() -> list[date]:
    """Weekdays without a session."""
    calendar: Any = get_calendar("XNYS", start=FIRST_SESSION.isoformat(), end=nyse.LAST)
    weekdays: Any = get_calendar("24/5", start=FIRST_SESSION.isoformat(), end=nyse.LAST)
    return sorted(set(weekdays.sessions.date) - set(calendar.sessions.date))


def early_closes() -> list[date]:
    """Sessions that close at 13:00 in New York.

    Raises:
        ValueError: one closes at another time than 13:00 or 16:00.
    """
    calendar: Any = get_calendar("XNYS", start=FIRST_SESSION.isoformat(), end=nyse.LAST)
    closes: Any = calendar.closes.dt.tz_convert("America/New_York")
    found = {session.date(): close.hour for session, close in closes.items()}
    if set(found.values()) - {13, 16} or any(close.minute for close in closes):
        raise ValueError("there are closes at other times than 13:00 and 16:00")
    return sorted(day for day, hour in found.items() if hour == 13)


def _table(name: str, days: Iterable[date], meaning: str) -> str:
    lines = "\n".join(
        f"{year} " + " ".join(f"{day:%m-%d}" for day in of_year)
        for year, of_year in groupby(days, lambda day: day.year)
    )
    return f'\n{name} = """\\\n{lines}\n"""\n"""{meaning}"""\n'


def text() -> str:
    """What the module is to be."""
    return (
        HEADING
        + _table("CLOSED", closures(), "Weekdays without a session: the year, then month and day.")
        + _table("EARLY", early_closes(), "Sessions that close at 13:00 instead of 16:00.")
    )


if __name__ == "__main__":
    Path(nyse.__file__).write_text(text())
