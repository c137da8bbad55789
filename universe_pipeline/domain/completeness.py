"""When an answer counts as whole, and when a smaller one is believed.

One policy for every answer that replaces stored rows: the reference lists, the splits, a session's
bars, a symbol's bars. Absence proves nothing by itself, because vendors lose pages, rows and whole
markets for hours or days.

- An answer is *short* when it holds less than `LEAST_FRACTION` of the stored rows that it would
  replace. A short answer replaces nothing; it is recorded as refused, and as a failure.
- A short answer is believed when the same one arrives on `CONFIRMATIONS` different days, or when a
  person approves it. A whole answer in between starts the count again.
- A whole stretch of neighbours that a sorted list lacks is a lost page: such an answer is short,
  too, however much else it holds.
- Two short answers are the same when they lack the same rows. Three answers that each lose another
  third of a list confirm nothing.
- An answer with a few bars of other days is used without them. With more of them its stamps cannot
  be trusted, and it is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from universe_pipeline.domain.sessions import NEW_YORK

LEAST_FRACTION = 0.9
"""An answer with less than this share of the stored rows is short."""

CONFIRMATIONS = 3
"""A short answer is believed when it arrives on this many different days."""

MOST_STRAYS = 100
"""Bars with trades of other days in an answer that is used without them, and at most 1 % of it."""

_STRAYS_IN, _UNTRADED_IN = 100, 10
"""One stray row in so many is not too many: with trades, and without."""
LOST_PAGE = 100
"""So many neighbours in a list's order do not vanish in one day: a page was lost."""

_SAME_FRACTION = 0.9
"""Of the rows that one short answer lacks, the share that the same answer lacks again."""

_FEW = 3
"""So many rows may be newly missing from an answer that lacks few."""


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """What a short answer holds and lacks, and the day on which it was requested."""

    rows: int
    """Usable rows of the answer."""
    expected: int
    """Rows that are stored, or that a whole answer would hold."""
    missing: frozenset[str]
    """Keys of the expected rows that the answer lacks: symbols, or ISO dates of a symbol's bars."""
    day: date
    """Day of the request in New York, where the updates of one evening are one day."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """What makes an answer about a list short."""

    answer: ShortAnswer
    reasons: tuple[str, ...]
    """A clause for each."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A short answer that was refused, and whether a person approved it since."""

    answer: ShortAnswer
    approved: bool


def day_of(requested_at: datetime) -> date:
    """The day on which a request counts: the one in New York."""
    return requested_at.astimezone(ZoneInfo(NEW_YORK)).date()


def is_short(rows: int, expected: int, least_fraction: float = LEAST_FRACTION) -> bool:
    """Whether an answer with `rows` usable rows is too small to replace `expected` ones."""
    return rows < least_fraction * expected


def are_few_strays(rows: int, traded: int, untraded: int) -> bool:
    """Whether an answer can be used without its bars of days that were not asked for.

    Args:
        rows: all rows of the answer.
        traded: bars of other days, or of no day, that have trades.
        untraded: such bars without trades (volume 0), placeholders that a vendor forgot to renew.
    """
    few_traded = traded <= MOST_STRAYS and traded * _STRAYS_IN <= rows
    return few_traded and untraded * _UNTRADED_IN <= rows


def loses_page(is_missing: Iterable[bool]) -> bool:
    """Whether `LOST_PAGE` or more of the expected rows in a row, in the list's order, are missing.

    Args:
        is_missing: for each expected row, in the list's order, whether the answer lacks it.
    """
    gaps = (sum(1 for _ in run) for missing, run in groupby(is_missing) if missing)
    return max(gaps, default=0) >= LOST_PAGE


def is_believed(answer: ShortAnswer, earlier: Iterable[Refused]) -> bool:
    """Whether a short answer may replace what is stored.

    Args:
        answer: the short answer.
        earlier: the refused ones since the last answer that was stored, in any order.
    """
    refused = list(earlier)
    is_approved = any(one.approved and _is_same(one.answer, answer) for one in refused)
    return is_approved or days_alike(answer, refused) >= CONFIRMATIONS


def days_alike(answer: ShortAnswer, earlier: Iterable[Refused]) -> int:
    """On how many different days the same short answer arrived, that of `answer` included."""
    return len({answer.day, *(one.answer.day for one in earlier if _is_same(one.answer, answer))})


def _is_same(earlier: ShortAnswer, later: ShortAnswer) -> bool:
    """Whether `later` lacks what `earlier` lacked, and hardly anything else."""
    still, newly = earlier.missing & later.missing, later.missing - earlier.missing
    is_still_missing = len(still) >= _SAME_FRACTION * len(earlier.missing)
    return is_still_missing and len(newly) <= max(_FEW, (1 - _SAME_FRACTION) * len(earlier.missing))
