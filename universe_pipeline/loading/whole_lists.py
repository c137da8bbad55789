"""Whole lists: asked for, required to be whole or believed, staged and swapped. All in one way.

Two processes never ask for a list at once, and the second one uses what the first one got. Nothing
that is stored changes until the last page has come and the list is whole, or is believed: a short
one is refused until it came on three different days, or a person approves it (`completeness`). A
list that fails is a row of `data_fetch_errors` under the list's name, until one comes in.

A list is a `WholeList`: what to ask, when an answer is short, how it is stored. `plain_list` makes
one of its tables, path and validation; `loading/splits.py` and `loading/universe.py` differ more.
A window of a longer list (`loading/dividends.py`) is a `WholeList` of its own, which `replace`
takes alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeAlias, TypeVar

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import fetch_errors, refused_answers
from universe_pipeline.adapters.postgres.ledger.refused_answers import Subject
from universe_pipeline.adapters.postgres.locks import exclusive
from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListSnapshot,
    ListTables,
    newest_list,
    stored_rows,
    swap_list,
)
from universe_pipeline.domain import reference_lists
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.completeness import Shortage
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.moments import Now, is_fresh
from universe_pipeline.domain.quality import Validated
from universe_pipeline.domain.reference_lists import Before, Listed, ReferenceList
from universe_pipeline.domain.windows import Window

OnPage: TypeAlias = Callable[[int], None]
"""Called with 0 when the vendor is about to be asked, then with each page's rows."""

Validate: TypeAlias = Callable[[pl.DataFrame], Validated]


class _Answered(Protocol):
    @property
    def endpoint(self) -> str: ...


class _Taken(Protocol):
    @property
    def taken_at(self) -> datetime: ...


AnswerT = TypeVar("AnswerT", bound=_Answered)
SnapshotT = TypeVar("SnapshotT", bound=_Taken)


@dataclass(frozen=True, slots=True)
class WholeList(Generic[AnswerT, SnapshotT]):
    """A reference list: what differs from the others."""

    name: str
    """One of `datasets.WHOLE_LISTS`."""
    lock: int
    """One of `adapters/postgres/locks.py`."""
    newest: Callable[[Connection], SnapshotT | None]
    """The list that was stored last."""
    ask: Callable[[PolygonClient, Connection, OnPage, datetime], AnswerT]
    """Ask for all pages; raise a VendorError where one fails or no row can be used."""
    shortage: Callable[[Connection, AnswerT], Shortage | None]
    """Compare with what is stored."""
    swap: Callable[[Connection, AnswerT, str | None], SnapshotT]
    """Replace what is stored, for a run; in a transaction."""
    window: Window | None = None
    """The days of the list that this is about; None: all."""
    outcome: str = ". Nothing stored was changed."
    """What a refusal says after its reasons."""

    @property
    def subject(self) -> Subject:
        """What refused answers are about."""
        return refused_answers.of_window(self.name, self.window)


@dataclass(frozen=True, slots=True)
class Refreshed(Generic[AnswerT, SnapshotT]):
    """The list that holds now."""

    snapshot: SnapshotT
    answer: AnswerT | None = None
    """What the vendor sent just now; None where the stored list is used again."""

    @property
    def reused(self) -> bool:
        """Whether the vendor was not asked."""
        return self.answer is None


def refresh(
    wanted: WholeList[AnswerT, SnapshotT],
    client: PolygonClient,
    connection: Connection,
    now: Now,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: OnPage = lambda _: None,
) -> Refreshed[AnswerT, SnapshotT]:
    """Ask for a list unless a fresh one is stored; of two at once the second reuses.

    Args:
        wanted: the list.
        client: the vendor.
        connection: a connection of its own for the time this takes.
        now: the database's clock, by which the request is made and the list is fresh.
        force: ask even when the list is fresh.
        run_id: the run that asks.
        on_page: see `OnPage`.

    Raises:
        CollapsedError: the list lacks many of the stored rows and is not believed yet.
        VendorError: a page failed. Either is recorded, and the stored list stays as it was.
    """
    with exclusive(connection, wanted.lock):
        stored = wanted.newest(connection)
        if stored is not None and is_fresh(stored.taken_at, now()) and not force:
            return Refreshed(stored)
        return replace(wanted, client, connection, now, run_id=run_id, on_page=on_page)


def replace(
    wanted: WholeList[AnswerT, SnapshotT],
    client: PolygonClient,
    connection: Connection,
    now: Now,
    *,
    run_id: str | None = None,
    on_page: OnPage = lambda _: None,
) -> Refreshed[AnswerT, SnapshotT]:
    """Ask for a list, or a window of one, and store it; the caller holds its lock.

    A stored list ends its failures; a stored window leaves them, which may be about others.

    Raises:
        CollapsedError, VendorError: as `refresh`.
    """
    try:
        on_page(0)
        answer = wanted.ask(client, connection, on_page, now())
        _require_whole(wanted, connection, answer, run_id)
    except VendorError as error:
        until = wanted.window and wanted.window.last
        fetch_errors.record_failure(
            connection, error, wanted.name, until=until, run_id=run_id, at=now()
        )
        raise
    with connection.transaction():
        snapshot = wanted.swap(connection, answer, run_id)
        refused_answers.close(connection, wanted.subject)
        if wanted.window is None:
            fetch_errors.resolve_list_failures(connection, wanted.name)
    return Refreshed(snapshot, answer)


def _require_whole(
    wanted: WholeList[AnswerT, SnapshotT],
    connection: Connection,
    answer: AnswerT,
    run_id: str | None,
) -> None:
    """Return if the answer may be stored; otherwise record it as refused, and raise."""
    short, subject = wanted.shortage(connection, answer), wanted.subject
    if short is None:
        return
    if refused_answers.believe_or_refuse(connection, subject, short.answer, run_id):
        return
    way_out = refused_answers.way_out(connection, subject, short.answer)
    message = f"{'; '.join(short.reasons)}{wanted.outcome} {way_out}"
    raise CollapsedError(FailureKind.COLLAPSED, answer.endpoint, message)


def plain_list(
    tables: ListTables,
    lock: int,
    question: str,
    read: Callable[[Reply], ListPage[RejectedRow]],
    validate: Validate,
) -> WholeList[Listed, ListSnapshot]:
    """A list of one endpoint, whose rows are stored as they are validated.

    Args:
        tables: its tables.
        lock: held while it is asked for.
        question: path and query of its first page.
        read: decodes a page.
        validate: separates its rows into those that can be stored and the others.
    """
    endpoint = question.partition("?")[0]

    def ask(client: PolygonClient, _: Connection, on_page: OnPage, at: datetime) -> Listed:
        pages = client.pages(question, read)
        return listed(pages, tables.of, validate, endpoint, at, on_page)

    def shortage(connection: Connection, answer: Listed) -> Shortage | None:
        newest = newest_list(connection, tables)
        before = None if newest is None else Before(newest.rows, tables.of.least_fraction)
        return shortage_of(connection, tables, answer, before)

    return WholeList(
        tables.of.name,
        lock,
        newest=lambda connection: newest_list(connection, tables),
        ask=ask,
        shortage=shortage,
        swap=lambda connection, answer, run_id: swap_list(connection, tables, answer, run_id),
    )


def listed(
    pages: Iterable[ListPage[RejectedRow]],
    reference: ReferenceList,
    validate: Validate,
    endpoint: str,
    at: datetime,
    on_page: OnPage,
) -> Listed:
    """Take all pages, and validate their rows.

    Raises:
        VendorError: a page failed, or no row can be used.
    """
    validated = every_row(pages, reference.schema, validate, on_page)
    if not validated.accepted.height:
        raise RetryableError(FailureKind.EMPTY, endpoint, "no usable row in the list")
    return Listed(endpoint, validated.accepted, validated.rejected, at)


def every_row(
    pages: Iterable[ListPage[RejectedRow]], sent: pl.Schema, validate: Validate, on_page: OnPage
) -> Validated:
    """Take all pages, and separate the rows (`sent`) that can be stored from all others.

    Raises:
        VendorError: a page failed.
    """
    frames = [sent.to_frame()]
    undecodable: list[RejectedRow] = []
    for page in pages:
        frames.append(page.frame)
        undecodable += page.rejected
        on_page(page.rows)
    validated = validate(pl.concat(frames))
    return Validated(validated.accepted, (*undecodable, *validated.rejected))


def shortage_of(
    connection: Connection, tables: ListTables, answer: Listed, before: Before | None
) -> Shortage | None:
    """Compare an answer with the stored rows of its window and the list `before`."""
    stored = stored_rows(connection, tables, answer.window)
    return reference_lists.shortage(tables.of, answer, stored, before)
