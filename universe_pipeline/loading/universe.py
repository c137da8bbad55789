"""The universe of symbols: a whole list of two, of active and of delisted tickers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity import statements
from universe_pipeline.adapters.postgres.locks import DISCOVERY_LOCK
from universe_pipeline.adapters.postgres.reference.symbols import (
    Aside,
    Snapshot,
    known_symbols,
    newest_snapshot,
    swap_universe,
)
from universe_pipeline.domain.completeness import Shortage, day_of
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.listings.statements import of_active, of_delisted, with_known
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.symbols import (
    SYMBOL_SCHEMA,
    RejectedTicker,
    TickerList,
    Universe,
    merge,
    resolve,
    shortage,
    unsure,
)
from universe_pipeline.loading.whole_lists import OnPage, WholeList, refresh

_TICKERS = "/v3/reference/tickers"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The universe that holds now, and whether the vendor was asked for it just now."""

    snapshot: Snapshot
    reused: bool
    superseded: int = 0
    """Rows of the lists that another row of the same symbol speaks for."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Both lists, all pages, next to what is stored."""

    lists: Sequence[TickerList]
    known: pl.DataFrame
    unsure: set[str]
    """Known symbols that stay as they are."""
    universe: Universe
    taken_at: datetime

    @property
    def endpoint(self) -> str:
        """The path that was asked."""
        return _TICKERS


def discover(
    client: PolygonClient,
    connection: Connection,
    now: Now,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Discovery:
    """Discover the universe unless a fresh one is there; see `whole_lists.refresh`."""
    found = refresh(
        WHOLE_SYMBOLS, client, connection, now, force=force, run_id=run_id, on_page=on_page
    )
    superseded = 0 if found.answer is None else len(found.answer.universe.superseded)
    return Discovery(found.snapshot, found.reused, superseded)


def _ask(client: PolygonClient, connection: Connection, on_page: OnPage, at: datetime) -> _Found:
    lists = [_list(client, on_page, active=active) for active in (True, False)]
    known = known_symbols(connection)
    kept = unsure(lists, known)
    listed = pl.concat(each.rows for each in lists)
    universe = resolve(listed.filter(~pl.col("symbol").is_in(list(kept))))
    return _Found(lists, known, kept, universe, at)


def _list(client: PolygonClient, on_page: OnPage, *, active: bool) -> TickerList:
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


def _shortage(connection: Connection, found: _Found) -> Shortage | None:
    newest = newest_snapshot(connection)
    since = None if newest is None else day_of(newest.taken_at)
    return shortage(found.lists, found.universe, found.known, day_of(found.taken_at), since)


def _swap(connection: Connection, found: _Found, run_id: str | None) -> Snapshot:
    merged = merge(found.universe, found.known)
    rejected = [row for each in found.lists for row in each.rejected]
    aside = Aside(rejected, found.unsure, merged.absent)
    _record_evidence(connection, found, merged.symbols)
    return swap_universe(connection, merged.symbols, found.taken_at, run_id, aside)


def _record_evidence(connection: Connection, found: _Found, known: pl.DataFrame) -> None:
    day = day_of(found.taken_at)
    for each in found.lists:
        of_list = known.filter(pl.col("active") == each.active)
        if each.active:
            said = with_known(of_active(each.rows, day), of_list)
            statements.record_active(connection, said, day)
        else:
            said = with_known(of_delisted(each.rows), of_list)
            statements.record_delisted(connection, said)


WHOLE_SYMBOLS = WholeList(
    Dataset.SYMBOLS,
    DISCOVERY_LOCK,
    newest=newest_snapshot,
    ask=_ask,
    shortage=_shortage,
    swap=_swap,
)
