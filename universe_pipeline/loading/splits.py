"""Splits: the whole list, from the endpoint that answers, swapped in once in 24 hours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import polars as pl

from universe_pipeline.adapters.polygon.client import OLDER_SPLITS, SPLITS, PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import fetch_errors, refused_answers
from universe_pipeline.adapters.postgres.reference.splits import (
    SplitList,
    SplitSnapshot,
    newest_split_snapshot,
    splits_lock,
    stored_splits,
    swap_splits,
)
from universe_pipeline.domain import splits
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.completeness import (
    LEAST_SHARE,
    ShortAnswer,
    day_of,
    is_short,
    loses_page,
)
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError, VendorError
from universe_pipeline.domain.moments import Now, is_fresh
from universe_pipeline.domain.quality import DUPLICATE
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.loading.shortages import ShortList, require_belief

LEAST_SHARE_OF_OLDER = 0.5
"""The first time that the list replaces one of the older endpoint, which has mutual funds, too."""

_NOT_THERE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The splits that hold now, and whether the vendor was asked for them just now."""

    snapshot: SplitSnapshot
    reused: bool


def refresh_splits(
    client: PolygonClient,
    connection: Connection,
    now: Now,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Refreshed:
    """Ask for the splits unless fresh ones are there; of two at once the second reuses.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        now: the database's clock, by which the request is made and the list is fresh.
        force: ask even when the splits are fresh.
        run_id: the run that asks.
        on_page: called with 0 when the vendor is about to be asked, then with each page's rows.

    Raises:
        CollapsedError: the list lacks many of the stored splits and is not believed yet.
        VendorError: a page failed. Either is recorded, and the splits stay as they were.
    """
    with splits_lock(connection):
        known = newest_split_snapshot(connection)
        at = now()
        if known is not None and is_fresh(known.taken_at, at) and not force:
            return Refreshed(known, reused=True)
        try:
            on_page(0)
            listed = _list(client, on_page, at)
            _require_whole(connection, known, listed, run_id)
        except VendorError as error:
            fetch_errors.record_failure(connection, error, Dataset.SPLITS, run_id=run_id, at=now())
            raise
        with connection.transaction():
            snapshot = swap_splits(connection, listed, run_id)
            refused_answers.close(connection, refused_answers.SPLITS)
            fetch_errors.resolve_list_failures(connection, Dataset.SPLITS)
    return Refreshed(snapshot, reused=False)


def _list(client: PolygonClient, on_page: Callable[[int], None], at: datetime) -> SplitList:
    try:
        return _list_of(client, on_page, at, older=False)
    except PermanentError as refusal:  # a proxy's 403 or 404 is retryable, and says nothing
        if refusal.http_status not in _NOT_THERE:
            raise
    return _list_of(client, on_page, at, older=True)


def _list_of(
    client: PolygonClient, on_page: Callable[[int], None], at: datetime, *, older: bool
) -> SplitList:
    frames = [SPLIT_SCHEMA.to_frame()]
    undecodable: list[RejectedRow] = []
    for page in client.splits(older=older):
        frames.append(page.frame)
        undecodable += page.undecodable
        on_page(page.rows)
    validated = splits.validate(pl.concat(frames))
    return SplitList(
        endpoint=OLDER_SPLITS if older else SPLITS,
        accepted=validated.accepted,
        rejected=(*undecodable, *validated.rejected),
        taken_at=at,
    )


def _require_whole(
    connection: Connection, known: SplitSnapshot | None, listed: SplitList, run_id: str | None
) -> None:
    if not listed.accepted.height:
        raise RetryableError(FailureKind.EMPTY, listed.endpoint, "no usable row in the list")
    stored = splits.keys(stored_splits(connection))
    is_missing = ~stored.is_in(splits.keys(listed.accepted).implode())
    missing: list[str] = stored.filter(is_missing).to_list()
    reasons = [*_too_few(connection, known, listed, is_missing), *_unusable(listed)]
    if reasons:
        answer = ShortAnswer(
            rows=listed.accepted.height,
            expected=len(stored),
            missing=frozenset(missing),
            day=day_of(listed.taken_at),
        )
        short = ShortList(refused_answers.SPLITS, listed.endpoint, answer, reasons)
        require_belief(connection, short, run_id)


def _too_few(
    connection: Connection, known: SplitSnapshot | None, listed: SplitList, is_missing: pl.Series
) -> Iterator[str]:
    alike = newest_split_snapshot(connection, SPLITS) if listed.endpoint == SPLITS else known
    share = LEAST_SHARE if alike else LEAST_SHARE_OF_OLDER
    compared = alike or known
    if compared is None:
        return
    rows = listed.accepted.height
    missing, stored = int(is_missing.sum()), len(is_missing)
    is_same_list = known is not None and known.endpoint == listed.endpoint
    lacks_keys = is_short(stored - missing, stored) or loses_page(is_missing)
    if is_short(rows, compared.splits, share) or (is_same_list and lacks_keys):
        yield (
            f"{rows:,} usable splits where there were {compared.splits:,}; "
            f"{missing:,} of the {stored:,} stored ones are missing"
        )


def _unusable(listed: SplitList) -> Iterator[str]:
    """Repeated rows are no sign of a broken list: one of them may be used."""
    broken = [row for row in listed.rejected if row.rule != DUPLICATE]
    received = listed.accepted.height + len(listed.rejected)
    if is_short(received - len(broken), received):
        rules = ", ".join(sorted({row.rule for row in broken}))
        yield f"{len(broken):,} of {received:,} rows cannot be used ({rules})"
