"""The vendor's own adjustment factors of splits and dividends -> frames, for comparison only."""

from datetime import date
from typing import TypeAlias

import msgspec
import polars as pl

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.polygon.rows import read_rows
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.quality.factors import FACTOR_SCHEMA


class _Split(msgspec.Struct, gc=False):
    execution_date: date
    historical_adjustment_factor: float | None = None


class _Dividend(msgspec.Struct, gc=False):
    ex_dividend_date: date
    historical_adjustment_factor: float | None = None


FactorPage: TypeAlias = ListPage[RejectedRow]
"""Its frame is `FACTOR_SCHEMA`."""


def split_factor_page(reply: Reply) -> FactorPage:
    """Decode one page of a symbol's splits.

    Raises:
        VendorError: the answer is none.
    """
    return _page(reply, _Split)


def dividend_factor_page(reply: Reply) -> FactorPage:
    """Decode one page of a symbol's dividends.

    Raises:
        VendorError: the answer is none.
    """
    return _page(reply, _Dividend)


def _page(reply: Reply, kind: type[_Split | _Dividend]) -> FactorPage:
    header, rows = read_rows(reply, kind)
    frame = pl.DataFrame(map(msgspec.structs.astuple, rows.good), FACTOR_SCHEMA, orient="row")
    return ListPage(frame, rows.undecodable, header.next_url)
