"""The daily bars: grouped by session, and the range of a ticker."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from universe_pipeline.domain.sessions import NEW_YORK, close_of, is_session
from universe_pipeline.simulator.answers import (
    BEFORE_END_OF_DAY,
    OUTSIDE_PLAN,
    Answer,
    RefusedError,
    document,
)
from universe_pipeline.simulator.bodies import rows
from universe_pipeline.simulator.market import Market
from universe_pipeline.simulator.questions import choice, day_of, only_known, whole_number
from universe_pipeline.simulator.request import Request

PUBLISHED_AFTER = timedelta(minutes=15)
"""From the close to the publication of a session."""

_NEW_YORK = ZoneInfo(NEW_YORK)
_DEFAULT_LIMIT = 5_000
_MOST_ROWS = 50_000


class Aggregates:
    """`/v2/aggs/grouped/…` and `/v2/aggs/ticker/{ticker}/range/1/day/…`.

    Args:
        market: where the bars are.
        now: the clock, timezone-aware.
        plan_start: the first day that the plan includes; None: all.
    """

    def __init__(
        self, market: Market, now: Callable[[], datetime], plan_start: date | None
    ) -> None:
        self._market = market
        self._now = now
        self._plan_start = plan_start

    def grouped(self, request: Request) -> Answer:
        """Every bar of one session."""
        query = request.query
        only_known(query, frozenset({"adjusted", "include_otc"}))
        adjusted = choice(query, "adjusted", ("true", "false"))
        include_otc = choice(query, "include_otc", ("false", "true")) == "true"
        day = day_of(request.parts["date"], "date")
        self._require_plan(day)
        if day > self._last_published() and (is_session(day) or day > self._today()):
            raise RefusedError(403, BEFORE_END_OF_DAY)
        if not is_session(day):
            return document(_head(None, adjusted) | _tail(request, None))
        as_of = self._as_of(adjusted)
        bars = self._market.session(day, include_otc=include_otc, in_shares_of=as_of)
        return document(_head(bars, adjusted) | _tail(request, bars))

    def range(self, request: Request) -> Answer:
        """The bars of one ticker, `limit` of them a page."""
        query, parts = request.query, request.parts
        only_known(query, frozenset({"adjusted", "sort", "limit", "page_marker"}))
        if (parts["multiplier"], parts["timespan"]) != ("1", "day"):
            raise RefusedError(400, "The simulated vendor only knows ranges of 1 day")
        adjusted = choice(query, "adjusted", ("true", "false"))
        descending = choice(query, "sort", ("asc", "desc")) == "desc"
        limit = whole_number(query, "limit", _DEFAULT_LIMIT, most=_MOST_ROWS)
        start, end = _moment(parts["start"], "from"), _moment(parts["end"], "to")
        if start > end:
            raise RefusedError(400, "The parameter 'to' cannot be a time that occurs before 'from'")
        self._require_plan(start)
        last, as_of = min(end, self._last_published()), self._as_of(adjusted)
        bars = self._market.ticker(parts["ticker"], start, last, in_shares_of=as_of)
        bars = bars.sort("t", descending=descending)
        content = (
            {"ticker": parts["ticker"]}
            | _head(bars.head(limit), adjusted)
            | _tail(request, bars.head(limit), with_ticker=False)
        )
        if bars.height > limit:
            content["next_url"] = _next_page(request, bars["t"][limit], descending=descending)
        return document(content)

    def _as_of(self, adjusted: str) -> date | None:
        """Adjusted bars are in the shares of the day on which they are asked for."""
        return self._today() if adjusted == "true" else None

    def _today(self) -> date:
        return self._now().astimezone(_NEW_YORK).date()

    def _last_published(self) -> date:
        """The newest day whose bars are out, if it has any."""
        today = self._today()
        if is_session(today) and self._now() < close_of(today) + PUBLISHED_AFTER:
            return today - timedelta(days=1)
        return today

    def _require_plan(self, day: date) -> None:
        if self._plan_start is not None and day < self._plan_start:
            raise RefusedError(403, OUTSIDE_PLAN)


def _head(bars: pl.DataFrame | None, adjusted: str) -> dict[str, object]:
    count = 0 if bars is None else bars.height
    return {"queryCount": count, "resultsCount": count, "adjusted": adjusted == "true"}


def _tail(
    request: Request, bars: pl.DataFrame | None, *, with_ticker: bool = True
) -> dict[str, object]:
    """The rows, under a key that is absent when there are none, and what follows them."""
    closing: dict[str, object] = {"status": "OK", "request_id": request.request_id}
    if bars is None or bars.is_empty():
        return {**closing, "count": 0}
    results = msgspec.Raw(b"[" + rows(bars, with_ticker=with_ticker) + b"]")
    return {"results": results, **closing, "count": bars.height}


def _moment(text: str, name: str) -> date:
    """The New York day of a date or of Unix milliseconds."""
    if not (text.isascii() and text.isdigit()):
        return day_of(text, name)
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC).astimezone(_NEW_YORK).date()
    except (ValueError, OverflowError, OSError):
        raise RefusedError(400, f"Could not parse the time parameter: '{name}'") from None


def _next_page(request: Request, stamp: int, *, descending: bool) -> str:
    """The rest of the range, from (or down from) the first bar that found no room."""
    *path, start, end = request.path.split("/")
    rest = [start, str(stamp)] if descending else [str(stamp), end]
    return request.next_url("/".join([*path, *rest]), page_marker=stamp)
