"""Answers about dividends -> frames."""

from dataclasses import replace
from datetime import date
from typing import Annotated, TypeAlias

import msgspec
import polars as pl

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.polygon.rows import Symbol, read_rows
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.dividends import SENT_SCHEMA

_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
_SmallCount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=32_767)]


class _Dividend(msgspec.Struct, gc=False):
    ticker: Symbol
    ex_dividend_date: date
    cash_amount: float | None = None
    currency: _Text | None = None
    distribution_type: _Text | None = None
    frequency: _SmallCount | None = None
    declaration_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None


DividendPage: TypeAlias = ListPage[RejectedRow]
"""Its frame is `SENT_SCHEMA`."""


def dividend_page(reply: Reply) -> DividendPage:
    """Decode one page of an answer about dividends.

    The vendor's own factors and split-adjusted amounts are not read: they count a split twice that
    its list has twice.

    Raises:
        VendorError: the answer is none.
    """
    header, rows = read_rows(reply, _Dividend)
    columns = zip(*map(msgspec.structs.astuple, rows.good), strict=True)
    named = dict(zip(SENT_SCHEMA, columns, strict=True)) if rows.good else {}
    frame = pl.DataFrame(named, SENT_SCHEMA)
    return ListPage(frame, tuple(map(_dated, rows.undecodable)), header.next_url)


def _dated(row: RejectedRow) -> RejectedRow:
    """The row with the ex-date that it is of, where that can be read."""
    try:
        return replace(row, day=date.fromisoformat(row.payload["ex_dividend_date"]))
    except (KeyError, TypeError, ValueError):
        return row
