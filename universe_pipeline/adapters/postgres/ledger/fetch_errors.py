"""`data_fetch_errors`: a row for every failure that outlived its retries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.datasets import NEEDED_BY_LOADS, Dataset
from universe_pipeline.domain.errors import ACCESS_KINDS, FailureKind, VendorError
from universe_pipeline.domain.sessions import sessions_before


@dataclass(frozen=True, slots=True)
class OpenFailure:
    """A failure that no later load has resolved."""

    occurred_at: datetime
    endpoint: str
    symbol: str | None
    day: date | None
    kind: str
    http_status: int | None
    message: str
    attempts: int
    retryable: bool
    dataset: str
    """One of `Dataset`."""
    until: date | None = None
    """The last day that was asked for of a symbol; None where that is not known."""

    @property
    def is_of_list(self) -> bool:
        """Whether it is about a whole list: `dataset` is its name."""
        return self.symbol is None and self.day is None

    @property
    def refuses_key(self) -> bool:
        """Whether the vendor accepts the key for nothing; a plan may lack what no load needs."""
        may_lack = self.dataset not in NEEDED_BY_LOADS
        return self.kind in ACCESS_KINDS and not (
            may_lack and self.kind == FailureKind.NOT_ENTITLED
        )

    @property
    def subject(self) -> str:
        """What was asked for, in words."""
        whole = "reference lists" if self.dataset == Dataset.SYMBOLS else self.dataset
        return self.symbol or (str(self.day) if self.day else whole)


def record_failure(
    connection: psycopg.Connection,
    error: VendorError,
    dataset: str,
    *,
    symbol: str | None = None,
    day: date | None = None,
    until: date | None = None,
    run_id: str | None = None,
    at: datetime | None = None,
) -> None:
    """Write one row, at once.

    Args:
        connection: the connection.
        error: what happened.
        dataset: what was asked for, one of `Dataset`.
        symbol: the symbol that was asked for, alone.
        day: the session, or the first day that was asked for of a symbol.
        until: the last day that was asked for of a symbol, or of a list that comes in windows.
        run_id: the run that asked.
        at: when it happened; default: the database's now.
    """
    connection.execute(
        """
        INSERT INTO data_fetch_errors
            (dataset, endpoint, symbol, date, until, kind, http_status, message, attempts,
             retryable, run_id, occurred_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s, now()))
        """,
        (
            dataset,
            storable(error.endpoint),
            None if symbol is None else storable(symbol),
            day,
            until,
            error.kind.value,
            error.http_status,
            storable(error.message),
            error.attempts,
            error.retryable,
            run_id,
            at,
        ),
    )


_OPEN_OF_LIST = """
    dataset = %(dataset)s AND symbol IS NULL AND date IS NULL AND resolved_at IS NULL
    """


def resolve_list_failures(
    connection: psycopg.Connection, dataset: str, but_for: FailureKind | None = None
) -> None:
    """A whole list, or all windows of one, have come in: failures are history, but for one kind."""
    connection.execute(
        "UPDATE data_fetch_errors SET resolved_at = now()"
        f" WHERE {_OPEN_OF_LIST} AND kind IS DISTINCT FROM %(but_for)s",
        {"dataset": dataset, "but_for": but_for},
    )


def beyond_plan(connection: psycopg.Connection, dataset: str) -> date | None:
    """The newest day of a list that the plan does not reach, as far as is known."""
    row = connection.execute(
        f"SELECT max(until) FROM data_fetch_errors WHERE {_OPEN_OF_LIST} AND kind = %(kind)s",
        {"dataset": dataset, "kind": FailureKind.OUTSIDE_PLAN},
    ).fetchone()
    return row[0] if row else None


def resolve_symbol_failures(
    connection: psycopg.Connection, symbol: str, sessions: Sequence[date]
) -> None:
    """Bars of the symbol have come in: failures over a range within theirs are history.

    A refused answer is a failure until its refusal is closed, by any range. Nothing
    is to be had before the answer where the plan does not reach back further.

    Args:
        connection: in the transaction of the bars.
        symbol: the symbol.
        sessions: what the stored answer was asked for, in order.
    """
    first = sessions[0]
    connection.execute(
        """
        UPDATE data_fetch_errors e SET resolved_at = now()
        WHERE symbol = %(symbol)s AND resolved_at IS NULL AND CASE
            WHEN kind = %(collapsed)s AND until IS NOT NULL THEN NOT EXISTS (
                SELECT FROM refused_answers a
                WHERE a.dataset = 'symbol_bars' AND a.symbol = e.symbol AND a.stored_at IS NULL
                  AND a.first_date = e.date AND a.last_date = e.until)
            ELSE coalesce(until, date) <= %(last)s AND (date >= %(first)s OR (
                SELECT max(date) FROM data_fetch_errors
                WHERE kind = %(outside)s AND resolved_at IS NULL) >= %(before)s)
            END
        """,
        {
            "symbol": storable(symbol),
            "collapsed": FailureKind.COLLAPSED.value,
            "outside": FailureKind.OUTSIDE_PLAN.value,
            "before": min(sessions_before(first, 1), default=first),
            "first": first,
            "last": sessions[-1],
        },
    )


def is_open(connection: psycopg.Connection, session: date, kind: FailureKind) -> bool:
    """Whether a session has an open failure of that kind."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM data_fetch_errors"
        " WHERE date = %s AND kind = %s AND symbol IS NULL AND resolved_at IS NULL)",
        (session, kind.value),
    ).fetchone()
    return bool(row and row[0])


def last_refusal(connection: psycopg.Connection) -> int | None:
    """Shows by its number whether the vendor has refused the key (or its plan) once more."""
    row = connection.execute(
        "SELECT max(id) FROM data_fetch_errors WHERE kind = ANY (%s)",
        ([kind.value for kind in ACCESS_KINDS],),
    ).fetchone()
    return row[0] if row else None


_OPEN = """
    SELECT occurred_at, endpoint, symbol, date, kind, http_status, message, attempts, retryable,
           dataset, until
    FROM data_fetch_errors WHERE resolved_at IS NULL
    """


def open_failures(connection: psycopg.Connection) -> list[OpenFailure]:
    """Every open failure, oldest first."""
    rows = connection.execute(_OPEN + " ORDER BY id")
    return [OpenFailure(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class RetryableFailures:
    """The open failures of one session, of one symbol or of one whole list."""

    symbol: str | None
    day: date | None
    """The session; of a symbol, the first day that was asked for."""
    of_list: str | None
    """The name of the whole list that it is about; None where it is about a session or a symbol."""
    rounds: int
    """How often it was asked for in vain, each time with all retries."""
    last_at: datetime
    until: date | None
    """The last day that was asked for of a symbol; None where that is not known."""


def retryable_failures(connection: psycopg.Connection) -> list[RetryableFailures]:
    """What failed and may go well later, but for what has also failed for good, oldest first."""
    rows = connection.execute(
        """
        SELECT symbol, min(date), of_list, count(*), max(occurred_at),
               CASE WHEN bool_and(until IS NOT NULL) THEN max(until) END
        FROM (SELECT *, CASE WHEN symbol IS NULL AND date IS NULL THEN dataset END AS of_list
              FROM data_fetch_errors WHERE resolved_at IS NULL) unresolved
        GROUP BY symbol, CASE WHEN symbol IS NULL THEN date END, of_list
        HAVING bool_and(retryable)
        ORDER BY max(occurred_at)
        """
    )
    return [RetryableFailures(*row) for row in rows]


def failures_of_run(connection: psycopg.Connection, run_id: str) -> list[OpenFailure]:
    """The open failures that one run left, oldest first."""
    rows = connection.execute(_OPEN + " AND run_id = %s ORDER BY id", (run_id,))
    return [OpenFailure(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Repair:
    """Symbols that failed over the same range."""

    start: date
    end: date
    symbols: list[str]


MOST_REPAIRS = 10
"""With more different ranges all symbols are asked for over the whole of them, in one repair."""


def repairs(failed: Iterable[OpenFailure | RetryableFailures], newest: date) -> list[Repair]:
    """What the failures of symbols are about, each symbol once; `newest`: where no end is known."""
    spans: dict[str, tuple[date, date]] = {}
    for one in failed:
        if one.symbol is not None and one.day is not None:
            first, last = spans.get(one.symbol, (date.max, date.min))
            spans[one.symbol] = (min(first, one.day), max(last, one.until or newest))
    if len(set(spans.values())) > MOST_REPAIRS:
        widest = (min(span[0] for span in spans.values()), max(span[1] for span in spans.values()))
        spans = dict.fromkeys(spans, widest)
    return [
        Repair(*span, sorted(symbol for symbol, its in spans.items() if its == span))
        for span in sorted(set(spans.values()))
    ]
