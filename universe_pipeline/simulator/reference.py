"""The reference endpoints: the lists of tickers, page by page, and their types."""

from collections.abc import Callable
from datetime import date
from typing import Any

from universe_pipeline.simulator.answers import Answer, document
from universe_pipeline.simulator.listings import Listing
from universe_pipeline.simulator.questions import choice, day_of, only_known, whole_number
from universe_pipeline.simulator.request import Request
from universe_pipeline.simulator.world import World

_PARAMETERS = frozenset(
    {"ticker", "type", "market", "exchange", "active", "date", "order", "sort", "limit"}
)
_DEFAULT_LIMIT = 100
_MOST_ROWS = 1_000

_TYPES = {
    "CS": "Common Stock",
    "PFD": "Preferred Stock",
    "WARRANT": "Warrant",
    "RIGHT": "Rights",
    "BOND": "Corporate Bond",
    "ETF": "Exchange Traded Fund",
    "ETN": "Exchange Traded Note",
    "ETV": "Exchange Traded Vehicle",
    "ETS": "Single-security ETF",
    "SP": "Structured Product",
    "ADRC": "American Depository Receipt Common",
    "ADRP": "American Depository Receipt Preferred",
    "ADRW": "American Depository Receipt Warrants",
    "ADRR": "American Depository Receipt Rights",
    "FUND": "Fund",
    "UNIT": "Unit",
    "OS": "Ordinary Shares",
    "NYRS": "New York Registry Shares",
    "GDR": "Global Depository Receipts",
    "OTHER": "Other Security Type",
}
"""The vendor's list is shorter than the codes that its rows use, and so is this one."""


class Reference:
    """`/v3/reference/tickers` and `/v3/reference/tickers/types`."""

    def __init__(self, world: World, today: Callable[[], date]) -> None:
        self._world = world
        self._today = today

    def tickers(self, request: Request) -> Answer:
        """One page; the first request's day is pinned in the cursor of all further ones."""
        query = request.query
        only_known(query, _PARAMETERS | {"page_marker"})
        choice(query, "sort", ("ticker",))
        limit = whole_number(query, "limit", _DEFAULT_LIMIT, most=_MOST_ROWS)
        start = whole_number(query, "page_marker", 0, least=0)
        day = day_of(query["date"], "date") if "date" in query else self._today()
        found = self._matching(request, day)
        page = found[start : start + limit]
        content: dict[str, Any] = {
            "results": [_row(listing, active=request.asks_active) for listing in page],
            "status": "OK",
            "request_id": request.request_id,
            "count": len(page),
        }
        if start + limit < len(found):
            content["next_url"] = request.next_url(
                request.path, date=day.isoformat(), page_marker=start + limit
            )
        return document(content)

    def types(self, request: Request) -> Answer:
        """All types; none for another asset class or place than US stocks."""
        only_known(request.query, frozenset({"asset_class", "locale"}))
        place = {"asset_class": "stocks", "locale": "us"}
        rows = [
            {"code": code, "description": description, **place}
            for code, description in _TYPES.items()
            if place | request.query == place
        ]
        return document(
            {
                "results": rows,
                "status": "OK",
                "request_id": request.request_id,
                "count": len(rows),
            }
        )

    def _matching(self, request: Request, day: date) -> list[Listing]:
        query = request.query
        choice(query, "active", ("true", "false"))
        order = choice(query, "order", ("asc", "desc"))
        found = self._world.reference(day, active=request.asks_active)
        if query.get("market", "stocks") != "stocks":
            found = []
        for field in {"ticker", "type", "exchange"} & query.keys():
            found = [listing for listing in found if getattr(listing, field) == query[field]]
        return found[::-1] if order == "desc" else found


def _row(listing: Listing, *, active: bool) -> dict[str, Any]:
    """A row as the vendor writes it: what it does not know is left out."""
    row: dict[str, Any] = {
        "ticker": listing.ticker,
        "name": listing.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": listing.exchange,
        "type": listing.type,
        "active": active if listing.states_active else None,
        "currency_name": "usd",
        "cik": listing.cik,
        "composite_figi": listing.composite_figi,
        "share_class_figi": listing.share_class_figi,
        "last_updated_utc": listing.last_updated_utc,
        "delisted_utc": None if active else f"{date.fromordinal(listing.end)}T00:00:00Z",
    }
    return {key: value for key, value in row.items() if value is not None}
