"""The two lists of splits, newer and deprecated, page by page."""

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from universe_pipeline.simulator.answers import Answer, document
from universe_pipeline.simulator.questions import choice, day_of, only_known, whole_number
from universe_pipeline.simulator.request import COMPARISONS, Request
from universe_pipeline.simulator.splits import Split
from universe_pipeline.simulator.world import World

ANNOUNCED_FOR = 90
"""Days before its execution date on which a split appears in the lists."""

_RANGES = frozenset(
    field + suffix for field in ("ticker", "execution_date") for suffix in COMPARISONS
)
_PAGING = frozenset({"sort", "limit", "page_marker"})
_ORDERS = ("execution_date.desc", "execution_date.asc", "ticker.desc", "ticker.asc")


@dataclass(frozen=True, slots=True)
class _Listed:
    ticker: str
    split: Split
    factor: float
    """What a price before it is multiplied by, for it and all later ones of the ticker."""

    @property
    def execution_date(self) -> str:
        return date.fromordinal(self.split.day).isoformat()

    @property
    def newer_row(self) -> dict[str, Any]:
        return {
            "id": _id("P" if self.split.is_spin_off else "E", 32, self),
            "execution_date": self.execution_date,
            "split_from": float(self.split.split_from),
            "split_to": float(self.split.split_to),
            "ticker": self.ticker,
            "adjustment_type": self.split.type,
            "historical_adjustment_factor": round(self.factor, 6),
        }

    @property
    def older_row(self) -> dict[str, Any]:
        return {
            "execution_date": self.execution_date,
            "id": _id("P", 20, self),
            "split_from": self.split.split_from,
            "split_to": self.split.split_to,
            "ticker": self.ticker,
        }


class SplitLists:
    """`/stocks/v1/splits` and `/v3/reference/splits`; neither says how many rows a page has."""

    def __init__(self, world: World, today: Callable[[], date]) -> None:
        self._world = world
        self._today = today

    def newer(self, request: Request) -> Answer:
        """One page with types and factors, by default the newest 100."""
        query = request.query
        only_known(query, _RANGES | _PAGING | {"ticker.any_of", "adjustment_type"})
        column, _, direction = choice(query, "sort", _ORDERS).partition(".")
        found = self._matching(query, column, descending=direction == "desc")
        if "adjustment_type" in query:
            found = [each for each in found if each.split.type == query["adjustment_type"]]
        return _page(request, [each.newer_row for each in found], default=100, most=5_000)

    def older(self, request: Request) -> Answer:
        """One page without types, by default the newest 10."""
        query = request.query
        only_known(query, _RANGES | _PAGING | {"order", "reverse_split"})
        column = choice(query, "sort", ("execution_date", "ticker"))
        order = choice(query, "order", ("desc", "asc"))
        found = self._matching(query, column, descending=order == "desc")
        if "reverse_split" in query:
            reverse = choice(query, "reverse_split", ("false", "true")) == "true"
            found = [each for each in found if (each.split.ratio < 1) is reverse]
        return _page(request, [each.older_row for each in found], default=10, most=1_000)

    def _matching(
        self, query: Mapping[str, str], column: str, *, descending: bool
    ) -> list[_Listed]:
        found = self._all()
        for field in ("ticker", "execution_date"):
            for suffix, compares in COMPARISONS.items():
                if (name := field + suffix) in query:
                    if field == "execution_date":
                        day_of(query[name], name)
                    found = [x for x in found if compares(getattr(x, field), query[name])]
        if "ticker.any_of" in query:
            chosen = query["ticker.any_of"].split(",")
            found = [each for each in found if each.ticker in chosen]
        other = "ticker" if column == "execution_date" else "execution_date"
        return sorted(found, key=operator.attrgetter(column, other), reverse=descending)

    def _all(self) -> list[_Listed]:
        today = self._today().toordinal()
        found: list[_Listed] = []
        for listing in self._world.listings:
            factor = 1.0
            for split in reversed(listing.splits):
                if _is_listed(split, today):
                    factor /= split.ratio
                    found.append(_Listed(split.listed_as or listing.ticker, split, factor))
        return found


def _is_listed(split: Split, today: int) -> bool:
    since = split.day - ANNOUNCED_FOR if split.listed_from is None else split.listed_from
    return split.is_listed and since <= today < split.listed_until


def _page(request: Request, rows: list[dict[str, Any]], *, default: int, most: int) -> Answer:
    limit = whole_number(request.query, "limit", default, most=most)
    start = whole_number(request.query, "page_marker", 0, least=0)
    content: dict[str, Any] = {
        "status": "OK",
        "request_id": request.request_id,
        "results": rows[start : start + limit],
    }
    if start + limit < len(rows):
        content["next_url"] = request.next_url(request.path, page_marker=start + limit)
    return document(content)


def _id(letter: str, size: int, listed: _Listed) -> str:
    text = f"{listed.ticker} {listed.execution_date}"
    if not listed.split.happens:
        text += f" {listed.split.ratio}"
    return letter + hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
