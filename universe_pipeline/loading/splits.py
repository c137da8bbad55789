"""Splits: the whole list, from the endpoint that answers, swapped in once in 24 hours."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import polars as pl

from universe_pipeline.adapters.polygon.client import OLDER_SPLITS, SPLITS, PolygonClient
from universe_pipeline.adapters.postgres import failures
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.splits import (
    SplitList,
    SplitSnapshot,
    newest_split_snapshot,
    splits_lock,
    swap_splits,
)
from universe_pipeline.domain import splits
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.loading.universe import is_fresh

LEAST_SHARE = 0.9
"""Of the stored splits; a list with fewer replaces nothing."""

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
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Refreshed:
    """Ask for the splits unless fresh ones are there; of two at once the second reuses.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        force: ask even when the splits are fresh.
        run_id: the run that asks.
        on_page: told the number of rows of every page that has come in.

    Raises:
        VendorError: a page failed, or the list is far too short; it is recorded, and the splits
            stay as they were.
    """
    with splits_lock(connection):
        known = newest_split_snapshot(connection)
        if known is not None and is_fresh(known) and not force:
            return Refreshed(known, reused=True)
        try:
            listed = _list(client, on_page)
            _require_whole(connection, known, listed)
        except VendorError as error:
            failures.record_failure(connection, error, run_id=run_id)
            raise
        snapshot = swap_splits(connection, listed, run_id)
        failures.resolve_split_failures(connection)
    return Refreshed(snapshot, reused=False)


def _list(client: PolygonClient, on_page: Callable[[int], None]) -> SplitList:
    try:
        return _list_of(client, on_page, older=False)
    except PermanentError as refused:  # a proxy's 403 or 404 is retryable, and says nothing
        if refused.http_status not in _NOT_THERE:
            raise
    return _list_of(client, on_page, older=True)


def _list_of(client: PolygonClient, on_page: Callable[[int], None], *, older: bool) -> SplitList:
    taken_at = datetime.now(UTC)
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
        taken_at=taken_at,
    )


def _require_whole(connection: Connection, known: SplitSnapshot | None, listed: SplitList) -> None:
    rows = listed.accepted.height
    if not rows:
        raise RetryableError(FailureKind.EMPTY, listed.endpoint, "no usable row in the list")
    alike = newest_split_snapshot(connection, SPLITS) if listed.endpoint == SPLITS else known
    share = LEAST_SHARE if alike else LEAST_SHARE_OF_OLDER
    compared = alike or known
    if compared is not None and rows < share * compared.splits:
        message = f"{rows:,} usable splits where there were {compared.splits:,}"
        raise CollapsedError(FailureKind.COLLAPSED, listed.endpoint, message)
