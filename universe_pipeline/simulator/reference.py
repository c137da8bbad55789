"""The reference endpoints: tickers in lists, page by page, and one by one, and their types."""

from collections.abc import Callable
from datetime import date
from typing import Any

from universe_pipeline.simulator.answers import NO_TICKER, Answer, RefusedError, document
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
    """`/v3/reference/tickers`, `…/types`, `…/{ticker}` and `/vX/reference/tickers/{id}/events`."""

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
        day = self._day(request)
        found = self._matching(request, day)
        page = found[start : start + limit]
        rows = [_row(listing, active=request.asks_active) for listing in page]
        if day < self._today() and self._world.errs:
            rows = [_as_of(day, row, listing) for row, listing in zip(rows, page, strict=True)]
        content: dict[str, Any] = {
            "results": rows,
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

    def overview(self, request: Request) -> Answer:
        """What is known of the ticker's holder on `date`, by default today."""
        only_known(request.query, frozenset({"date"}))
        held = [
            listing
            for listing in self._world.reference(self._day(request), active=True)
            if listing.ticker == request.parts["ticker"]
        ]
        if not held:
            raise RefusedError(404, NO_TICKER)
        newest = max(held, key=lambda listing: listing.last_updated_utc or "")
        row = _row(newest, active=True)
        row |= {"ticker_root": newest.ticker.partition(".")[0], "round_lot": 100}
        first = min(each.first for each in (newest, *self._listings_of(newest)))
        row |= {"list_date": date.fromordinal(first).isoformat()}
        return document({"request_id": request.request_id, "results": row, "status": "OK"})

    def events(self, request: Request) -> Answer:
        """The tickers of the company that has this ticker or FIGI today, the newest first."""
        only_known(request.query, frozenset({"types"}))
        choice(request.query, "types", ("ticker_change",))
        wanted = request.parts["ticker"]
        holder = next(
            (
                listing
                for listing in self._world.reference(self._today(), active=True)
                if wanted in (listing.ticker, listing.composite_figi)
            ),
            None,
        )
        if holder is None:
            raise RefusedError(404, NO_TICKER)
        found = {
            "name": holder.name,
            "composite_figi": holder.composite_figi,
            "cik": holder.cik,
            "events": [
                _event(listing.ticker, day)
                for listing in self._listings_of(holder)[::-1]
                for day in listing.event_days or (listing.first,)
            ],
        }
        results = {key: value for key, value in found.items() if value is not None}
        return document({"results": results, "status": "OK", "request_id": request.request_id})

    def _listings_of(self, holder: Listing) -> list[Listing]:
        """All listings of its security so far, oldest first."""
        today = self._today().toordinal()
        same = [
            each
            for each in self._world.listings
            if each.identity == holder.identity and each.traded and each.first <= today
        ]
        return sorted(same, key=lambda each: each.first)

    def _day(self, request: Request) -> date:
        query = request.query
        return day_of(query["date"], "date") if "date" in query else self._today()

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


def _as_of(day: date, row: dict[str, Any], listing: Listing) -> dict[str, Any]:
    """The row as the list of `day` dates it: on that day, unless it is a later holder's."""
    updated = listing.last_updated_utc
    if updated is None or not listing.traded:
        return row
    return row | {"last_updated_utc": min(updated, f"{day}T00:00:00Z")}


def _event(ticker: str, day: int) -> dict[str, Any]:
    changed = {"ticker": ticker}
    date_ = date.fromordinal(day).isoformat()
    return {"ticker_change": changed, "type": "ticker_change", "date": date_}
