"""`refused_answers`: answers too small to replace what is stored, until they are believed.

The policy is in `domain.completeness`; this module keeps what it needs from one day to the next.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain import completeness
from universe_pipeline.domain.completeness import (
    CONFIRMATIONS,
    Refused,
    ShortAnswer,
    is_believed,
)
from universe_pipeline.domain.foreign_text import symbol_option, visible
from universe_pipeline.domain.windows import Window


@dataclass(frozen=True, slots=True)
class Subject:
    """What an answer is about: a list, whole or a window of it, a session, or a symbol's bars."""

    dataset: str
    session: date | None = None
    symbol: str | None = None
    first: date | None = None
    """The first session that was asked for of the symbol, or day of the list."""
    last: date | None = None
    """The last one; None for a window without an end."""

    @property
    def span(self) -> tuple[date, date]:
        """The range that was asked for of a symbol.

        Raises:
            LookupError: it is about something else, or about any range.
        """
        if self.first is None or self.last is None:
            raise LookupError(f"{self} has no range")
        return self.first, self.last

    @property
    def window(self) -> Window | None:
        """The window that was asked for of a list; None for what is asked for whole."""
        is_windowed = self.first is not None and self.symbol is None
        return Window(self.first, self.last) if self.first and is_windowed else None

    @property
    def approval(self) -> str:
        """The command that approves it, for a shell; of a list, all its windows."""
        named = self.symbol is not None and not _UNMISTAKABLE.fullmatch(self.symbol)
        what = symbol_option(self.symbol) if self.symbol and named else self._what
        return f"universe approve {what} --reason TEXT"

    def __str__(self) -> str:
        return self._what if self.window is None else f"{self._what} {self.window}"

    @property
    def _what(self) -> str:
        return visible(str(self.session or self.symbol or self.dataset))


_UNMISTAKABLE = re.compile(r"[A-Z][A-Za-z0-9.]*")
"""Symbols that are neither an option, a date nor a list."""


SYMBOLS = Subject("symbols")
SPLITS = Subject("splits")


def of_session(session: date) -> Subject:
    """The grouped answer of a session."""
    return Subject("session", session)


def of_window(dataset: str, window: Window | None) -> Subject:
    """The answers about a list, or about a window of it."""
    return (
        Subject(dataset)
        if window is None
        else Subject(dataset, first=window.first, last=window.last)
    )


def of_symbol(symbol: str, first: date | None = None, last: date | None = None) -> Subject:
    """The per-symbol answers of a symbol over a range; without one, over any range."""
    return Subject("symbol_bars", symbol=storable(symbol), first=first, last=last)


_SUBJECT = "dataset, date, symbol, first_date, last_date"

# Refusals of all ranges of a symbol: what they lack says whether they are about the same bars.
_IS_OPEN = """
    dataset = %(dataset)s AND date IS NOT DISTINCT FROM %(date)s
    AND symbol IS NOT DISTINCT FROM %(symbol)s AND stored_at IS NULL
    AND (symbol IS NOT NULL OR (first_date IS NOT DISTINCT FROM %(first)s
                                AND last_date IS NOT DISTINCT FROM %(last)s))
    """


def _given(subject: Subject) -> dict[str, Any]:
    return {
        "dataset": subject.dataset,
        "date": subject.session,
        "symbol": subject.symbol,
        "first": subject.first,
        "last": subject.last,
    }


def believe_or_refuse(
    connection: psycopg.Connection, subject: Subject, answer: ShortAnswer, run_id: str | None
) -> bool:
    """Whether a short answer may be stored; one that may not is recorded for the days to come.

    Each range of a symbol has a row of its own. The caller stores a believed answer and then calls
    `close`, in the same transaction.
    """
    if is_believed(answer, _refused(connection, subject)):
        return True
    given = {
        **_given(subject),
        "day": answer.day,
        "rows": answer.rows,
        "expected": answer.expected,
        "missing": sorted(storable(key) for key in answer.missing),
        "run_id": run_id,
    }
    with connection.transaction():
        connection.execute(_FORGET_DAY, given)
        connection.execute(_REFUSE, given)
    return False


_FORGET_DAY = """
    DELETE FROM refused_answers
    WHERE dataset = %(dataset)s AND date IS NOT DISTINCT FROM %(date)s
      AND symbol IS NOT DISTINCT FROM %(symbol)s
      AND first_date IS NOT DISTINCT FROM %(first)s AND last_date IS NOT DISTINCT FROM %(last)s
      AND answered_on = %(day)s AND stored_at IS NULL
    """

_REFUSE = f"""
    INSERT INTO refused_answers ({_SUBJECT}, answered_on, rows, expected, missing, run_id)
    VALUES (%(dataset)s, %(date)s, %(symbol)s, %(first)s, %(last)s, %(day)s, %(rows)s,
            %(expected)s, %(missing)s, %(run_id)s)
    """


def _refused(connection: psycopg.Connection, subject: Subject) -> list[Refused]:
    rows = connection.execute(
        "SELECT rows, expected, missing, answered_on, approved_at IS NOT NULL"
        f" FROM refused_answers WHERE {_IS_OPEN}",
        _given(subject),
    )
    return [
        Refused(ShortAnswer(count, expected, frozenset(missing), day), approved)
        for count, expected, missing, day, approved in rows
    ]


def days_alike(connection: psycopg.Connection, subject: Subject, answer: ShortAnswer) -> int:
    """On how many different days the same short answer arrived, that of `answer` included."""
    return completeness.days_alike(answer, _refused(connection, subject))


def way_out(connection: psycopg.Connection, subject: Subject, answer: ShortAnswer) -> str:
    """How a refused answer comes to be stored: the end of an error's message."""
    day = days_alike(connection, subject, answer)
    return (
        f"The same answer is believed on {CONFIRMATIONS} different days, and this is day {day}; "
        f"`{subject.approval}` accepts it at once"
    )


def close(
    connection: psycopg.Connection, subject: Subject, keys: Iterable[str] | None = None
) -> None:
    """An answer has been stored: refused ones count no more, and an approval is used up.

    Args:
        connection: in the transaction of what is stored.
        subject: what the answer is about.
        keys: what it may hold (sessions of a symbol); refused answers that lack others still count.
            None: everything.
    """
    given = {**_given(subject), "keys": None if keys is None else list(keys)}
    is_closed = f"{_IS_OPEN} AND (%(keys)s::text[] IS NULL OR missing <@ %(keys)s::text[])"
    connection.execute(
        f"DELETE FROM refused_answers WHERE {is_closed} AND approved_at IS NULL", given
    )
    connection.execute(
        f"UPDATE refused_answers SET stored_at = clock_timestamp() WHERE {is_closed}", given
    )


@dataclass(frozen=True, slots=True)
class OpenRefusal:
    """The newest refused answer about a subject, since an answer about it was stored."""

    subject: Subject
    rows: int
    expected: int
    refused_at: datetime
    days: int
    """Different days on which answers were refused."""
    approved: bool


_NEWEST = f"""
    SELECT DISTINCT ON ({_SUBJECT}) {_SUBJECT}, rows, expected, refused_at,
           count(*) OVER (PARTITION BY {_SUBJECT}), approved_at IS NOT NULL
    FROM refused_answers WHERE stored_at IS NULL
    ORDER BY {_SUBJECT}, answered_on DESC
    """


def open_refusals(connection: psycopg.Connection) -> Mapping[Subject, OpenRefusal]:
    """The newest refused answer about each subject that still waits to be believed."""
    found = [
        OpenRefusal(Subject(*row[:5]), *row[5:]) for row in connection.execute(_NEWEST).fetchall()
    ]
    return {one.subject: one for one in found}


def refused_windows(connection: psycopg.Connection, dataset: str) -> list[Window]:
    """The windows of a list of which no answer was stored since one was refused, in order."""
    rows = connection.execute(
        "SELECT DISTINCT first_date, last_date FROM refused_answers"
        " WHERE dataset = %s AND stored_at IS NULL ORDER BY first_date, last_date",
        (dataset,),
    )
    return [Window(*row) for row in rows]


def approve(
    connection: psycopg.Connection, subject: Subject, reason: str, approved_by: str
) -> OpenRefusal | None:
    """Approve the newest refused answer about `subject`; None if none waits.

    The approval holds for an answer that lacks the same rows, once. Of a symbol it is the newest
    over any range, and what is given back names the range.
    """
    with connection.transaction():
        row = connection.execute(
            f"""
            UPDATE refused_answers SET
                reason = %(reason)s, approved_by = %(by)s, approved_at = clock_timestamp()
            WHERE id = (SELECT id FROM refused_answers WHERE {_IS_OPEN}
                        ORDER BY answered_on DESC, refused_at DESC, id DESC LIMIT 1)
            RETURNING {_SUBJECT}
            """,
            {**_given(subject), "reason": storable(reason), "by": storable(approved_by)},
        ).fetchone()
        return open_refusals(connection)[Subject(*row)] if row else None
