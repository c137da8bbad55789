"""Reference answers -> frames of symbols, and the vendor's type codes."""

import logging
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

import msgspec
import polars as pl

from universe_pipeline.adapters.polygon.envelope import (
    REFUSED,
    has_rows,
    open_envelope,
    require_count,
    too_large,
    unusable,
)
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.polygon.rows import read_rows
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.domain.symbols import (
    NO_TICKER,
    OTHER_LIST,
    SYMBOL_SCHEMA,
    RejectedTicker,
)

logger = logging.getLogger("universe_pipeline.polygon")


_Code: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=200, pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z")
]
"""What a key or an index can hold. Longer ones and control characters are in no list."""

_Symbol: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=200, pattern=r"\A(?=.*\S)[^\x00-\x1f\x7f-\x9f]*\Z")
]
"""A `_Code` that is not blank."""

_Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=1_000)]


class _Ticker(msgspec.Struct, gc=False):
    ticker: _Symbol
    name: _Name | None = None
    type: _Code | None = None
    primary_exchange: _Code | None = None
    currency_name: _Code | None = None
    cik: _Code | None = None
    composite_figi: _Code | None = None
    share_class_figi: _Code | None = None
    active: bool | None = None
    delisted_utc: str | None = None
    last_updated_utc: str | None = None


class _TickerType(msgspec.Struct, gc=False):
    code: _Code
    description: _Name = ""


_MOST_ROWS = 10_000
"""Ten times what a page is asked for."""


TickerPage: TypeAlias = ListPage[RejectedTicker]
"""Its frame is `SYMBOL_SCHEMA`."""


def ticker_page(reply: Reply, *, active: bool) -> TickerPage:
    """Decode one page of the list of `active` or delisted tickers.

    Every field but the ticker may be absent. Times come with up to nanoseconds, which are cut off
    to microseconds. A time that is none becomes null and is logged: it decides between duplicates,
    no more. A row that is not as documented, or that belongs into the other list, is rejected.

    Raises:
        VendorError: the answer is none.
    """
    header, decoded = read_rows(reply, _Ticker)
    if len(decoded) > _MOST_ROWS:
        raise too_large(reply, f"{len(decoded):,} rows on a page, as no list has")
    rows = [row for row in decoded.good if row.active in (None, active)]
    strays = [row for row in decoded.good if row.active not in (None, active)]
    delisted = _texts(row.delisted_utc for row in rows)
    updated = _texts(row.last_updated_utc for row in rows)
    frame = pl.DataFrame(
        {
            "symbol": _texts(row.ticker for row in rows),
            "name": _texts(row.name or "" for row in rows),
            "type": _texts(row.type for row in rows),
            "primary_exchange": _texts(row.primary_exchange for row in rows),
            "currency": _texts(row.currency_name for row in rows),
            "cik": _texts(row.cik for row in rows),
            "composite_figi": _texts(row.composite_figi for row in rows),
            "share_class_figi": _texts(row.share_class_figi for row in rows),
            "active": [active] * len(rows),
            "delisted_date": _of_our_time(
                delisted.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
            ),
            "last_updated_utc": _of_our_time(
                updated.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
            ),
        },
        SYMBOL_SCHEMA,
    )
    _warn_of_unread(frame, {"delisted_date": delisted, "last_updated_utc": updated})
    rejected = (
        *(_undecodable(row, active=active) for row in decoded.undecodable),
        *(RejectedTicker(active, OTHER_LIST, row.ticker, _as_sent(row)) for row in strays),
    )
    return ListPage(frame, rejected, header.next_url)


def _undecodable(row: RejectedRow, *, active: bool) -> RejectedTicker:
    ticker = row.payload.get("ticker")
    if ticker is None or not str(ticker).strip():
        return RejectedTicker(active, NO_TICKER, None, row.payload)
    return RejectedTicker(active, row.rule, row.symbol, row.payload)


def _as_sent(row: _Ticker) -> dict[str, Any]:
    return {name: sent for name, sent in msgspec.structs.asdict(row).items() if sent is not None}


def ticker_types(reply: Reply) -> dict[str, str]:
    """Decode the vendor's type codes and what they stand for.

    Raises:
        VendorError: the answer is none, or not as documented.
    """
    envelope = open_envelope(reply)
    if not has_rows(reply, envelope):
        return {}
    try:
        rows = msgspec.json.decode(envelope.results, type=list[_TickerType])
    except REFUSED as error:
        message = f"a row is not as documented: {error}"
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, message) from error
    require_count(reply, envelope, len(rows))
    return {row.code: row.description for row in rows}


def _texts(values: Iterable[str | None]) -> pl.Series:
    return pl.Series(values=list(values), dtype=pl.String)


def _of_our_time(times: pl.Series) -> pl.Series:
    """`times` without those of years that polars reads, and no datetime can hold in every zone."""
    return pl.select(pl.when(times.dt.year().is_between(2, 9998)).then(times)).to_series()


def _warn_of_unread(frame: pl.DataFrame, sent: dict[str, pl.Series]) -> None:
    for column, texts in sent.items():
        unread = frame.filter(frame[column].is_null() & texts.is_not_null())
        if unread.height:
            symbols = visible(", ".join(unread["symbol"].head(3)))
            logger.warning(
                "%d tickers (%s …) have an unreadable %s", unread.height, symbols, column
            )
