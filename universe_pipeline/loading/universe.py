"""The universe of symbols: both reference lists, staged and swapped whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import fetch_errors, refused_answers
from universe_pipeline.adapters.postgres.reference import symbols
from universe_pipeline.adapters.postgres.reference.symbols import Aside, Snapshot
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError, VendorError
from universe_pipeline.domain.moments import Now, is_fresh
from universe_pipeline.domain.symbols import (
    SYMBOL_SCHEMA,
    RejectedTicker,
    TickerList,
    merge,
    resolve,
    shortage,
    unsure,
)
from universe_pipeline.loading.shortages import ShortList, require_belief

_TICKERS = "/v3/reference/tickers"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The universe that holds now, and whether the vendor was asked for it just now."""

    snapshot: Snapshot
    reused: bool
    superseded: int = 0
    """Rows of the lists that another row of the same symbol speaks for."""


def discover(
    client: PolygonClient,
    connection: Connection,
    now: Now,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Discovery:
    """Discover the universe unless a fresh one is there; of two at once the second reuses.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        now: the database's clock, by which the request is made and the list is fresh.
        force: ask even when the universe is fresh.
        run_id: the run that asks.
        on_page: called with 0 when the vendor is about to be asked, then with each page's rows.

    Raises:
        CollapsedError: the lists lack many of the stored symbols and are not believed yet.
        VendorError: a page failed. Either is recorded, and the universe stays as it was.
    """
    with symbols.discovery_lock(connection):
        known = symbols.newest_snapshot(connection)
        at = now()
        if known is not None and is_fresh(known.taken_at, at) and not force:
            return Discovery(known, reused=True)
        try:
            on_page(0)
            lists = [_list(client, on_page, active=active) for active in (True, False)]
            return _store(connection, lists, at, run_id)
        except VendorError as error:
            fetch_errors.record_failure(connection, error, Dataset.SYMBOLS, run_id=run_id, at=now())
            raise


def _list(client: PolygonClient, on_page: Callable[[int], None], *, active: bool) -> TickerList:
    frames = [SYMBOL_SCHEMA.to_frame()]
    rejected: list[RejectedTicker] = []
    for page in client.tickers(active=active):
        frames.append(page.frame)
        rejected += page.rejected
        on_page(page.rows)
    listed = TickerList(active, pl.concat(frames), rejected)
    if active and not listed.rows.height:  # believed, it would retire every symbol
        message = f"no usable row among {listed.received:,} in the list of active tickers"
        raise RetryableError(FailureKind.EMPTY, _TICKERS, message)
    return listed


def _store(
    connection: Connection, lists: Sequence[TickerList], taken_at: datetime, run_id: str | None
) -> Discovery:
    known = symbols.known_symbols(connection)
    kept = unsure(lists, known)
    listed = pl.concat(each.rows for each in lists)
    found = resolve(listed.filter(~pl.col("symbol").is_in(list(kept))))
    newest = symbols.newest_snapshot(connection)
    since = None if newest is None else day_of(newest.taken_at)
    short = shortage(lists, found, known, day_of(taken_at), since)
    if short is not None:
        small = ShortList(refused_answers.SYMBOLS, _TICKERS, short.answer, short.reasons)
        require_belief(connection, small, run_id)
    merged = merge(found, known)
    aside = Aside([row for each in lists for row in each.rejected], kept, merged.absent)
    with connection.transaction():
        snapshot = symbols.swap_universe(connection, merged.symbols, taken_at, run_id, aside)
        refused_answers.close(connection, refused_answers.SYMBOLS)
        fetch_errors.resolve_list_failures(connection, Dataset.SYMBOLS)
    return Discovery(snapshot, reused=False, superseded=len(found.superseded))
