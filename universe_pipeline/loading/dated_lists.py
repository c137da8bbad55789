"""Lists of the tickers that were active on past days, one a month: the anchors of identity.

Bars say when a symbol traded; these lists say whose it was. One a month is enough, because identity
changes rarely and bars give its days. What was asked for is not asked for again.
"""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity import statements
from universe_pipeline.adapters.postgres.ledger import daily_counters
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.listings.statements import of_active
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline.loading.progress import Step, report

ROWS_A_PAGE = 1000


def anchors(start: date, end: date) -> list[date]:
    """The first session of each month from `start` to `end`."""
    months: dict[tuple[int, int], date] = {}
    for session in sessions_between(start, end):
        months.setdefault((session.year, session.month), session)
    return list(months.values())


def missing(connection: Connection, days: Sequence[date]) -> list[date]:
    """Those of which no list is stored, the newest first."""
    known = statements.dated_lists(connection)
    return sorted((day for day in days if day not in known), reverse=True)


def fetch(
    client: PolygonClient,
    connection: Connection,
    days: Sequence[date],
    now: Now,
    on_list: Callable[[date, int], None] = lambda _, __: None,
) -> None:
    """Ask for the lists of `days`, and store each in a transaction of its own.

    Raises:
        VendorError: a page cannot be had; the lists before it are stored.
    """
    for number, day in enumerate(days):
        report(Step("dated lists", number, len(days)))
        at = now()
        rows = _list(client, day)
        with connection.transaction():
            statements.record_dated(connection, of_active(rows, day), day, at)
        daily_counters.store(connection, client.tally, now())
        on_list(day, rows.height)
    report(Step("dated lists", len(days), len(days)))


def _list(client: PolygonClient, day: date) -> pl.DataFrame:
    pages = client.tickers(active=True, on=day)
    rows = pl.concat([SYMBOL_SCHEMA.to_frame(), *(page.frame for page in pages)])
    if not rows.height:
        message = f"no usable row in the list of {day}"
        raise RetryableError(FailureKind.EMPTY, "/v3/reference/tickers", message)
    return rows
