"""The simulated vendor itself: keys, limits, answers and faults."""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from types import TracebackType
from typing import Literal, Self
from zoneinfo import ZoneInfo

import msgspec

from universe_pipeline.domain.sessions import NEW_YORK
from universe_pipeline.simulator.aggregates import Aggregates
from universe_pipeline.simulator.answers import (
    NO_DATA,
    NO_KEY,
    TOO_MANY_REQUESTS,
    UNKNOWN_KEY,
    Answer,
    RefusedError,
    document,
    refusal,
)
from universe_pipeline.simulator.dividend_lists import DividendLists
from universe_pipeline.simulator.effects import struck
from universe_pipeline.simulator.faults import Fault, Faults
from universe_pipeline.simulator.market import Market
from universe_pipeline.simulator.reference import Reference
from universe_pipeline.simulator.request import Endpoint, Request
from universe_pipeline.simulator.split_lists import SplitLists
from universe_pipeline.simulator.wire import CONTROL, Server
from universe_pipeline.simulator.world import DEFAULT_SYMBOLS, World

REMEMBERED_REQUESTS = 20_000
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request that arrived, with any outcome."""

    at: float
    """Seconds of the monotonic clock."""
    method: str
    path: str
    query: str
    """As it came, a key in it included."""
    endpoint: Endpoint | None
    key: str | None


class SimulatedVendor:
    """A vendor on loopback: a context manager that serves from a thread of its own.

    Args:
        symbols: rows of both reference lists together.
        port: 0 takes a free one.
        host: where to listen.
        api_key: the only key that is known; None: any, but one is needed.
        now: the clock, timezone-aware; decides which sessions are published.
        plan_start: days before it are outside the plan (403).
        rate_limit: requests a key has in any 60 seconds, beyond which it gets 429; 0: no limit.
        planted_until: lists that err, as described in `truth`, in the 60 sessions up to that day;
            None: lists that are right.
        restless: prices that jump, thin names that trade seldom, and warrants at cents.

    Raises:
        ValueError: `symbols` is too small or too large.
        OSError: the port is taken.
    """

    def __init__(
        self,
        *,
        symbols: int = DEFAULT_SYMBOLS,
        port: int = 0,
        host: str = "127.0.0.1",
        api_key: str | None = None,
        now: Callable[[], datetime] | None = None,
        plan_start: date | None = None,
        rate_limit: int = 0,
        planted_until: date | None = None,
        restless: bool = False,
    ) -> None:
        clock = now or (lambda: datetime.now(UTC))
        world, market = _world(symbols, planted_until, restless=restless)
        self.truth = world.truth

        def today() -> date:
            return clock().astimezone(ZoneInfo(NEW_YORK)).date()

        reference, splits = Reference(world, today), SplitLists(world, today)
        dividends = DividendLists(market, today)
        aggregates = Aggregates(market, clock, plan_start)
        self._endpoints: dict[Endpoint, Callable[[Request], Answer]] = {
            "tickers": reference.tickers,
            "types": reference.types,
            "overview": reference.overview,
            "events": reference.events,
            "splits": splits.newer,
            "older_splits": splits.older,
            "dividends": dividends.newer,
            "older_dividends": dividends.older,
            "grouped": aggregates.grouped,
            "range": aggregates.range,
        }
        self._api_key = api_key
        self._pace = _Pace(rate_limit)
        self._lock = threading.Lock()
        self._log: deque[LoggedRequest] = deque(maxlen=REMEMBERED_REQUESTS)
        self._counts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self.faults = Faults()
        self._server = Server(host, port, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.base_url = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, and close every connection."""
        self._stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self.stop()
        return False

    @property
    def requests(self) -> list[LoggedRequest]:
        """The last `REMEMBERED_REQUESTS` requests, oldest first, control requests left out."""
        with self._lock:
            return list(self._log)

    def count(self, endpoint: Endpoint | None = None) -> int:
        """How many requests came in, in all or to one endpoint."""
        return self._counts[endpoint] if endpoint else self._counts.total()

    def answer(self, request: Request) -> Answer:
        """Answer a client; the network calls this."""
        self._remember(request)
        if request.key is None:
            return refusal(request, 401, NO_KEY)
        if self._api_key not in (None, request.key):
            return refusal(request, 401, UNKNOWN_KEY)
        if not self._pace.allows(request.key):
            return refusal(request, 429, TOO_MANY_REQUESTS)
        faults = self.faults.striking(request)
        answer = self._healthy_answer(request)
        for fault in faults:
            answer = struck(fault, request, answer)
        return answer

    def control(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request below `/_simulator/`; the network calls this."""
        match method, path.removeprefix(CONTROL):
            case "POST", "faults":
                try:
                    added = msgspec.json.decode(body, type=list[Fault])
                except msgspec.DecodeError as unusable:
                    return document({"error": str(unusable)}, 400)
                self.faults.extend(added)
                return document({"status": "OK"})
            case "DELETE", "faults":
                self.faults.clear()
                return document({"status": "OK"})
            case "GET", "requests":
                with self._lock:
                    return document(dict(self._counts))
            case _:
                return document({"error": f"there is no {method} {path}"}, 404)

    def pause(self, seconds: float) -> None:
        """Let time pass, at most until the vendor stops; the network calls this."""
        self._stopped.wait(seconds)

    def _healthy_answer(self, request: Request) -> Answer:
        if request.endpoint is None:
            return refusal(request, 404, NO_DATA)
        try:
            return self._endpoints[request.endpoint](request)
        except RefusedError as refused:
            return refusal(request, refused.status, refused.text)

    def _remember(self, request: Request) -> None:
        _, _, query = request.target.partition("?")
        logged = LoggedRequest(
            time.monotonic(), "GET", request.path, query, request.endpoint, request.key
        )
        with self._lock:
            self._counts[request.endpoint or "unknown"] += 1
            self._log.append(logged)


@lru_cache(maxsize=4)
def _world(symbols: int, planted_until: date | None, *, restless: bool) -> tuple[World, Market]:
    """Both never change, so that vendors with the same options can share them."""
    world = World(symbols, planted_until=planted_until)
    return world, Market(world.listings, restless=restless)


class _Pace:
    """At most `limit` requests of a key in any minute; refused ones do not count."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def allows(self, key: str) -> bool:
        if not self._limit:
            return True
        now = time.monotonic()
        with self._lock:
            recent = self._recent[key]
            while recent and recent[0] <= now - _MINUTE:
                recent.popleft()
            if len(recent) >= self._limit:
                return False
            recent.append(now)
            return True
