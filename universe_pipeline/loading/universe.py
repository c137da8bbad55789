"""The universe of symbols: both reference lists, staged and swapped whole."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres import failures, symbols
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.splits import SplitSnapshot
from universe_pipeline.adapters.postgres.symbols import Snapshot
from universe_pipeline.domain.errors import FailureKind, RetryableError, VendorError
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA, resolve

FRESH_FOR = timedelta(hours=24)
"""A discovery younger than this is used again."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The universe that holds now, and whether the vendor was asked for it just now."""

    snapshot: Snapshot
    reused: bool
    superseded: int = 0
    """Rows of the lists that another row of the same symbol speaks for."""


def is_fresh(snapshot: Snapshot | SplitSnapshot | None) -> bool:
    """Whether the universe, or the splits, need not be asked for again."""
    return snapshot is not None and datetime.now(UTC) - snapshot.taken_at < FRESH_FOR


def discover(
    client: PolygonClient,
    connection: Connection,
    *,
    force: bool = False,
    run_id: str | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> Discovery:
    """Discover the universe unless a fresh one is there; of two at once the second reuses.

    Args:
        client: the vendor.
        connection: a connection of its own for the time this takes.
        force: ask even when the universe is fresh.
        run_id: the run that asks.
        on_page: told the number of rows of every page that has come in.

    Raises:
        VendorError: a page failed; it is recorded, and the universe stays as it was.
    """
    with symbols.discovery_lock(connection):
        known = symbols.newest_snapshot(connection)
        if known is not None and is_fresh(known) and not force:
            return Discovery(known, reused=True)
        taken_at = datetime.now(UTC)
        try:
            had_delisted = known is not None and known.symbols > known.active
            listed = _both_lists(client, on_page, had_delisted=had_delisted)
        except VendorError as error:
            failures.record_failure(connection, error, run_id=run_id)
            raise
        universe = resolve(listed)
        snapshot = symbols.swap_universe(connection, universe.symbols, taken_at, run_id)
        failures.resolve_reference_failures(connection)
    return Discovery(snapshot, reused=False, superseded=len(universe.superseded))


def _both_lists(
    client: PolygonClient, on_page: Callable[[int], None], *, had_delisted: bool
) -> pl.DataFrame:
    pages = [SYMBOL_SCHEMA.to_frame()]
    for active in (True, False):
        rows = 0
        for page in client.tickers(active=active):
            pages.append(page)
            rows += len(page)
            on_page(len(page))
        if not rows and (active or had_delisted):  # believed, it would retire every symbol
            listed = "active" if active else "delisted"
            raise RetryableError(
                FailureKind.EMPTY,
                "/v3/reference/tickers",
                f"no row in the list of {listed} tickers",
            )
    return pl.concat(pages)
