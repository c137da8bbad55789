"""The two lists of dividends, newer and deprecated, page by page."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import count
from typing import Any

import polars as pl

from universe_pipeline.simulator.answers import Answer, RefusedError, document
from universe_pipeline.simulator.market import Market
from universe_pipeline.simulator.questions import (
    choice,
    day_of,
    decimal_number,
    only_known,
    whole_number,
)
from universe_pipeline.simulator.request import COMPARISONS, Request

_DATES = ("ex_dividend_date", "declaration_date", "record_date", "pay_date")
_READERS: dict[str, Callable[[str, str], Any]] = {
    "ticker": lambda text, _: text,
    "frequency": lambda text, name: whole_number({name: text}, name, 0, least=0),
    "cash_amount": decimal_number,
    **dict.fromkeys(_DATES, day_of),
}
_NEWER_FIELDS = ("ticker", "ex_dividend_date", "frequency")
_PAGING = frozenset({"sort", "limit", "page_marker", "pull"})
_OLDER_TYPES = {"special": "SC"}
"""All others are `CD`."""

_NEWER = (
    *("ticker", "record_date", "pay_date", "declaration_date", "ex_dividend_date", "frequency"),
    *("cash_amount", "currency", "distribution_type"),
    *("historical_adjustment_factor", "split_adjusted_cash_amount"),
)
_OLDER = (
    *("cash_amount", "currency", "declaration_date", "dividend_type", "ex_dividend_date"),
    *("frequency", "pay_date", "record_date", "ticker"),
)
_UNDECLARED = 0.05
"""The fraction of rows without a declaration date."""
_SAME_DAY_RECORD = date(2024, 5, 28)
"""Since trades settle in one day, the record date is the ex-date."""


class DividendLists:
    """`/stocks/v1/dividends` and `/v3/reference/dividends`; neither says how many rows there are.

    The ids of the newer list are other ones in each pull: the first page draws them, and its
    cursor keeps them for the pages after it. The older list gives amounts in shares of today.
    """

    def __init__(self, market: Market, today: Callable[[], date]) -> None:
        self._market = market
        self._today = today
        self._pulls = count()
        self._lock = threading.Lock()
        self._listed: tuple[date, pl.DataFrame] | None = None

    def newer(self, request: Request) -> Answer:
        """One page with types and factors, by default the first 100 by ticker."""
        query = request.query
        known = _ranges(_NEWER_FIELDS) | {"distribution_type"}
        any_of = frozenset({"ticker.any_of", "distribution_type.any_of"})
        only_known(query, known | any_of | _PAGING)
        found = _matching(self._rows(), query, _NEWER_FIELDS)
        for name in any_of & query.keys():
            found = found.filter(pl.col(name.removesuffix(".any_of")).is_in(query[name].split(",")))
        if "distribution_type" in query:
            found = found.filter(pl.col("distribution_type") == query["distribution_type"])
        columns, descending = _order(query.get("sort", "ticker.asc"))
        found = found.sort(columns, descending=descending, maintain_order=True)
        return self._page(request, found, _NEWER, ("E", 32), default=100, most=5_000)

    def older(self, request: Request) -> Answer:
        """One page with amounts in shares of today, by default the newest 10."""
        query = request.query
        fields = ("ticker", "frequency", "cash_amount", *_DATES)
        only_known(query, _ranges(fields) | {"dividend_type", "order"} | _PAGING)
        adjusted = self._rows().with_columns(cash_amount=pl.col("split_adjusted_cash_amount"))
        found = _matching(adjusted, query, fields)
        if "dividend_type" in query:
            found = found.filter(pl.col("dividend_type") == query["dividend_type"])
        column = choice(query, "sort", ("ex_dividend_date", *fields))
        descending = choice(query, "order", ("desc", "asc")) == "desc"
        found = found.sort(column, descending=descending, maintain_order=True)
        return self._page(request, found, _OLDER, ("P", 20), default=10, most=1_000)

    def _page(
        self,
        request: Request,
        found: pl.DataFrame,
        columns: tuple[str, ...],
        form: tuple[str, int],
        *,
        default: int,
        most: int,
    ) -> Answer:
        limit = whole_number(request.query, "limit", default, most=most)
        start = whole_number(request.query, "page_marker", 0, least=0)
        pull = request.query.get("pull") or str(next(self._pulls))
        rows = found.slice(start, limit).select(*columns, "number").to_dicts()
        content: dict[str, Any] = {
            "status": "OK",
            "request_id": request.request_id,
            "results": [_row(row, *form, pull) for row in rows],
        }
        if start + limit < found.height:
            content["next_url"] = request.next_url(
                request.path, page_marker=start + limit, pull=pull
            )
        return document(content)

    def _rows(self) -> pl.DataFrame:
        """What is listed today, by ticker and ex-date."""
        today = self._today()
        with self._lock:
            if self._listed is None or self._listed[0] != today:
                self._listed = today, listed(self._market.dividends(today), today)
            return self._listed[1]


def listed(dividends: pl.DataFrame, today: date) -> pl.DataFrame:
    """The rows of both lists as of `today`, of `Market.dividends`."""
    ahead = 20 + (pl.col("draw") * 15).floor().cast(pl.Int64)
    ex_date = pl.col("ex_dividend_date")
    next_day = ex_date.dt.add_business_days(1, roll="forward")
    usual = ex_date - pl.duration(days=ahead)
    given = _day(pl.col("listed_from"))
    declared = dividends.with_columns(declaration_date=pl.coalesce(given, usual))
    is_listed = (pl.col("declaration_date") <= today) & (today.toordinal() < pl.col("listed_until"))
    is_stated = (pl.col("draw") >= _UNDECLARED) | pl.col("listed_from").is_not_null()
    return declared.filter(is_listed).with_columns(
        declaration_date=pl.when(is_stated).then("declaration_date"),
        record_date=pl.when(ex_date < _SAME_DAY_RECORD).then(next_day).otherwise(ex_date),
        pay_date=ex_date + pl.duration(days=ahead),
        dividend_type=pl.col("distribution_type").replace_strict(_OLDER_TYPES, default="CD"),
        historical_adjustment_factor=pl.col("kept").cum_prod(reverse=True).over("ticker").round(6),
        number=pl.int_range(pl.len()).over("ticker", "ex_dividend_date"),
    )


def _day(ordinal: pl.Expr) -> pl.Expr:
    return pl.from_epoch(ordinal - date(1970, 1, 1).toordinal(), time_unit="d")


def _ranges(fields: Iterable[str]) -> frozenset[str]:
    return frozenset(field + suffix for field in fields for suffix in COMPARISONS)


def _matching(rows: pl.DataFrame, query: Mapping[str, str], fields: Iterable[str]) -> pl.DataFrame:
    for field in fields:
        for suffix, compares in COMPARISONS.items():
            if (name := field + suffix) in query:
                wanted = _READERS[field](query[name], name)
                rows = rows.filter(compares(pl.col(field), wanted))
    return rows


def _order(text: str) -> tuple[list[str], list[bool]]:
    """The columns to sort by, and whether each descends, of `a.asc,b.desc`."""
    parts = [part.partition(".") for part in text.split(",")]
    if any(column not in _NEWER or way not in ("asc", "desc") for column, _, way in parts):
        raise RefusedError(400, f"The parameter 'sort' must be columns like ticker.asc, not {text}")
    return [column for column, _, _ in parts], [way == "desc" for _, _, way in parts]


def _row(row: dict[str, Any], letter: str, size: int, pull: str) -> dict[str, Any]:
    key = f"{row['ticker']} {row['ex_dividend_date']} {row.pop('number')} {pull}"
    digest = hashlib.blake2b(key.encode(), digest_size=size).hexdigest()
    values = {name: value for name, value in row.items() if value is not None}
    return {"id": letter + digest, **values}
