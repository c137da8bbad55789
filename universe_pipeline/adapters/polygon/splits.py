"""Answers about splits -> frames; both endpoints have the same rows, but for their type."""

from dataclasses import replace
from datetime import date
from typing import Annotated, TypeAlias

import msgspec
import polars as pl

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.polygon.rows import Symbol, read_rows
from universe_pipeline.domain.bars import RejectedRow


class _Split(msgspec.Struct, gc=False):
    ticker: Symbol
    execution_date: date
    split_from: float | None = None
    split_to: float | None = None
    adjustment_type: Annotated[str, msgspec.Meta(max_length=200)] | None = None


SplitPage: TypeAlias = ListPage[RejectedRow]
"""Its frame is `SPLIT_SCHEMA`."""


def split_page(reply: Reply) -> SplitPage:
    """Decode one page of the list of splits.

    Raises:
        VendorError: the answer is none.
    """
    header, rows = read_rows(reply, _Split)
    frame = pl.DataFrame(
        [
            pl.Series("symbol", [row.ticker for row in rows.good], pl.String),
            pl.Series("execution_date", [row.execution_date for row in rows.good], pl.Date),
            pl.Series("split_from", [row.split_from for row in rows.good], pl.Float64),
            pl.Series("split_to", [row.split_to for row in rows.good], pl.Float64),
            pl.Series("adjustment_type", [row.adjustment_type for row in rows.good], pl.String),
        ]
    )
    return ListPage(frame, tuple(map(_dated, rows.undecodable)), header.next_url)


def _dated(row: RejectedRow) -> RejectedRow:
    """The row with the day that it is of, where that can be read."""
    try:
        return replace(row, day=date.fromisoformat(row.payload["execution_date"]))
    except (KeyError, TypeError, ValueError):
        return row
