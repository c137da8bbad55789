"""Reference lists: asked for whole, and replaced whole; a long one by windows of days.

What is the same for all of them: which columns identify a row, and when an answer lacks so much
that it is short (`completeness`). How one is asked for, stored and believed is in
`loading/whole_lists.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.completeness import (
    LEAST_FRACTION,
    Shortage,
    ShortAnswer,
    day_of,
    is_short,
    loses_page,
)
from universe_pipeline.domain.quality import DUPLICATE
from universe_pipeline.domain.windows import Window


@dataclass(frozen=True, slots=True)
class ReferenceList:
    """What a list is called, and what its rows hold."""

    name: str
    """Of its table and its `Dataset`; also what `universe approve` takes."""
    schema: pl.Schema
    """Key and values: the first columns of the table."""
    key: tuple[str, ...]
    """Columns of which no two rows have the same values."""
    order: tuple[str, ...]
    """Columns by which the vendor sorts the list: a gap in this order is a lost page."""
    least_fraction: float = LEAST_FRACTION
    """An answer with less than this fraction of the rows of the one before is short."""
    windowed_by: str | None = None
    """The column whose days a request chooses; None: the list is asked for whole."""
    fewest: int = 0
    """With fewer rows before, only an answer without any is short."""

    def keys(self, rows: pl.DataFrame) -> pl.Series:
        """The key of each row (`schema`) as a text like "AAPL 2020-08-31", in the list's order."""
        text = pl.concat_str((pl.col(name).cast(pl.String) for name in self.key), separator=" ")
        return rows.sort(self.order).select(text.alias("key"))["key"]


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a list that came in whole, validated."""

    endpoint: str
    accepted: pl.DataFrame
    """`ReferenceList.schema`, one a key."""
    rejected: Sequence[RejectedRow]
    taken_at: datetime
    """When its first page was asked for."""
    window: Window | None = None
    """The days that were asked for; None: all."""

    @property
    def received(self) -> int:
        """Rows that came, usable or not."""
        return self.accepted.height + len(self.rejected)


@dataclass(frozen=True, slots=True)
class Before:
    """The stored list that an answer is compared with."""

    rows: int
    least_fraction: float
    is_same_list: bool = True
    """Whether the answer must have its rows, too. Another endpoint's list has others."""


def shortage(
    reference: ReferenceList, listed: Listed, stored: pl.DataFrame, before: Before | None
) -> Shortage | None:
    """What makes a list too small to replace what is stored; None if it is whole.

    Args:
        reference: the list.
        listed: the answer.
        stored: the stored rows (`ReferenceList.schema`), of the answer's window.
        before: the list that was stored last; None if none was.
    """
    keys = reference.keys(stored)
    is_missing = ~keys.is_in(reference.keys(listed.accepted).implode())
    few = () if before is None else _too_few(reference, listed, before, is_missing)
    unusable = () if listed.received < reference.fewest else _unusable(listed)
    reasons = (*few, *unusable)
    if not reasons:
        return None
    missing: list[str] = keys.filter(is_missing).to_list()
    answer = ShortAnswer(
        rows=listed.accepted.height,
        expected=len(keys),
        missing=frozenset(missing),
        day=day_of(listed.taken_at),
    )
    return Shortage(answer, reasons)


def _too_few(
    reference: ReferenceList, listed: Listed, before: Before, is_missing: pl.Series
) -> Iterator[str]:
    rows = listed.accepted.height
    missing, stored = int(is_missing.sum()), len(is_missing)
    lacks_keys = is_short(stored - missing, stored) or loses_page(is_missing)
    is_smaller = is_short(rows, before.rows, before.least_fraction)
    if rows and before.rows < reference.fewest:
        return
    if is_smaller or (before.is_same_list and lacks_keys):
        yield _in_words(reference, listed, before, f"{missing:,} of the {stored:,}")


def _in_words(reference: ReferenceList, listed: Listed, before: Before, missing: str) -> str:
    rows = listed.accepted.height
    if listed.window is not None:
        window = f"{reference.name} {listed.window}"
        return f"{window}: {rows:,} rows where {before.rows:,} are stored"
    return (
        f"{rows:,} usable {reference.name} where there were {before.rows:,}; "
        f"{missing} stored ones are missing"
    )


def _unusable(listed: Listed) -> Iterator[str]:
    """Repeated rows do not show that a list is broken: one of them may be used."""
    broken = [row for row in listed.rejected if row.rule != DUPLICATE]
    if is_short(listed.received - len(broken), listed.received):
        rules = ", ".join(sorted({row.rule for row in broken}))
        yield f"{len(broken):,} of {listed.received:,} rows cannot be used ({rules})"
