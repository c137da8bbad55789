"""Dividends: a list of windows, each asked for and swapped as a whole list is.

`domain/windows.py` says which ones are due. Each is committed alone, so an interrupted refresh goes
on where it stopped. A window that lacks too many of its stored rows is refused, and the others are
asked for. Nothing but `/stocks/v1/dividends` is asked: v3 may have amounts that are adjusted for
splits.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import TypeAlias

from universe_pipeline.adapters.polygon.client import DIVIDENDS, PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import daily_counters, fetch_errors
from universe_pipeline.adapters.postgres.ledger.dividend_windows import reading
from universe_pipeline.adapters.postgres.locks import DIVIDENDS_LOCK, exclusive
from universe_pipeline.adapters.postgres.reference.dividends import (
    DIVIDEND_TABLES,
    has_dividends,
)
from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListSnapshot,
    stored_rows,
    swap_list,
)
from universe_pipeline.domain.completeness import Shortage
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.dividends import SENT_SCHEMA, validate
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    PermanentError,
    RetryableError,
)
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.reference_lists import Before, Listed, shortage
from universe_pipeline.domain.windows import Window, months_of
from universe_pipeline.loading.whole_lists import OnPage, WholeList, every_row, replace

ROWS_A_MONTH = 2_200
"""On average since 2000; 3,100 in 2025."""

ROWS_A_PAGE = 5_000

_NOT_THERE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

NOT_IN_PLAN = (
    'dividends: not in your plan (HTTP {}). adjustment="splits" works; "total_return" needs them'
)
"""The message of a refusal, with its HTTP status."""

OnWindow: TypeAlias = Callable[[int, int, Window | None], None]
"""Called with how many windows of how many are done, and with the next one."""


def _unheard(_done: int, _due: int, _window: Window | None) -> None:
    """Take no notice."""


def requests_of(windows: Sequence[Window], now: datetime) -> int:
    """About how many requests they take."""
    return sum(ceil(months_of(one, now) * ROWS_A_MONTH / ROWS_A_PAGE) for one in windows)


def refresh_dividends(
    client: PolygonClient,
    connection: Connection,
    now: Now,
    start: date,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_window: OnWindow = _unheard,
) -> list[ListSnapshot]:
    """Ask for the windows that are due, and store each as it comes.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        now: the database's clock.
        start: the first day of bars.
        force: ask also where everything is fresh.
        run_id: the run that asks.
        on_window: see `OnWindow`.

    Returns:
        A snapshot a window that was stored; none where nothing was due.

    Raises:
        CollapsedError: a window lacks many of the stored rows; the others were asked for.
        VendorError: a window cannot be had, and those after it were not asked for; or none has a
            row. What came before either is stored, and either is recorded.
    """
    with exclusive(connection, DIVIDENDS_LOCK):
        due = reading(connection, start).due(now(), force=force)
        if not due:
            return []
        taken: list[ListSnapshot] = []
        collapsed: list[CollapsedError] = []
        for done, window in enumerate(due):
            on_window(done, len(due), window)
            try:
                found = replace(_list_of(window), client, connection, now, run_id=run_id)
                taken.append(found.snapshot)
            except CollapsedError as error:
                collapsed.append(error)
            daily_counters.store(connection, client.tally, now())
        if collapsed:
            raise collapsed[0]
        _require_rows(connection, now, run_id)
        kept = None if force else FailureKind.OUTSIDE_PLAN
        fetch_errors.resolve_list_failures(connection, Dataset.DIVIDENDS, but_for=kept)
        on_window(len(due), len(due), None)
    return taken


def _require_rows(connection: Connection, now: Now, run_id: str | None) -> None:
    """Return if any dividend is stored: the vendor's list never is empty."""
    if has_dividends(connection):
        return
    error = RetryableError(FailureKind.EMPTY, DIVIDENDS, "dividends: no usable row in any window")
    fetch_errors.record_failure(connection, error, Dataset.DIVIDENDS, run_id=run_id, at=now())
    raise error


def _list_of(window: Window) -> WholeList[Listed, ListSnapshot]:
    return WholeList(
        Dataset.DIVIDENDS,
        DIVIDENDS_LOCK,
        newest=lambda _: None,
        ask=partial(_ask, window),
        shortage=_shortage,
        swap=lambda connection, answer, run_id: swap_list(
            connection, DIVIDEND_TABLES, answer, run_id
        ),
        window=window,
        outcome="; kept what is stored.",
    )


def _ask(
    window: Window, client: PolygonClient, connection: Connection, on_page: OnPage, at: datetime
) -> Listed:
    pages, checked = client.dividends(window), partial(validate, window=window)
    try:
        found = every_row(pages, SENT_SCHEMA, checked, on_page)
    except PermanentError as refusal:  # a proxy's 403 or 404 is retryable
        is_included = window.last is not None and has_dividends(connection)
        raise _explained(refusal, is_included=is_included) from None
    return Listed(DIVIDENDS, found.accepted, found.rejected, at, window)


def _explained(refusal: PermanentError, *, is_included: bool) -> PermanentError:
    """The refusal as what it means: a plan that includes dividends may not reach back so far."""
    status = refusal.http_status
    if status not in _NOT_THERE or refusal.kind is FailureKind.OUTSIDE_PLAN:
        return refusal
    if not is_included:
        return _like(refusal, refusal.kind, NOT_IN_PLAN.format(status))
    is_beyond = status == HTTPStatus.FORBIDDEN
    return _like(refusal, FailureKind.OUTSIDE_PLAN, refusal.message) if is_beyond else refusal


def _like(refusal: PermanentError, kind: FailureKind, message: str) -> PermanentError:
    """The same refusal under another kind and message; it stops no job."""
    return PermanentError(
        kind,
        refusal.endpoint,
        message,
        http_status=refusal.http_status,
        attempts=refusal.attempts,
    )


def _shortage(connection: Connection, answer: Listed) -> Shortage | None:
    of = DIVIDEND_TABLES.of
    stored = stored_rows(connection, DIVIDEND_TABLES, answer.window)
    return shortage(of, answer, stored, Before(stored.height, of.least_fraction))
