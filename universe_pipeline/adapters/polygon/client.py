"""What can be asked of the vendor: at its pace, with retries, to the last page."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from http import HTTPStatus
from itertools import chain, count
from typing import Generic, Protocol, Self, TypeVar
from urllib.parse import quote

import httpx
import polars as pl

from universe_pipeline.adapters.polygon.bars import RangePage, grouped_bars, range_bars
from universe_pipeline.adapters.polygon.dividends import DividendPage, dividend_page
from universe_pipeline.adapters.polygon.endpoints import endpoint_label
from universe_pipeline.adapters.polygon.factors import (
    FactorPage,
    dividend_factor_page,
    split_factor_page,
)
from universe_pipeline.adapters.polygon.http import Packed, Reply, VendorConnections, endpoint_of
from universe_pipeline.adapters.polygon.key import ApiKey
from universe_pipeline.adapters.polygon.lists import ListPage, Rejected
from universe_pipeline.adapters.polygon.origins import destination
from universe_pipeline.adapters.polygon.pacing import Pace, Unpaced
from universe_pipeline.adapters.polygon.reference import TickerPage, ticker_page, ticker_types
from universe_pipeline.adapters.polygon.refusals import TooEarlyError
from universe_pipeline.adapters.polygon.retry import Patience, Tries
from universe_pipeline.adapters.polygon.splits import SplitPage, split_page
from universe_pipeline.adapters.polygon.traffic import Traffic
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.adapters.tally import NOT_PUBLISHED, OK, UNREAD, Stage, Tally
from universe_pipeline.domain.bars import Answer, Bars, Failed, Nothing, NotYetPublished
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.windows import Window

SPLITS = "/stocks/v1/splits"
OLDER_SPLITS = "/v3/reference/splits"
"""Deprecated in February 2026, and still answering."""
DIVIDENDS = "/stocks/v1/dividends"

MOST_PAGES = 1_000
"""Far more than any list has: all delisted tickers are some 30 pages."""

MOST_ROWS = 100_000
"""On all pages of an answer, which are kept until the last has come. The longest answer, a year's
dividends, has some 40,000."""

MOST_WAITING = 2 * 1024 * 1024
"""Bytes of an answer that may wait unread, of which there are many: a grouped one has 0.3 MB, and
1.3 MB where a proxy has unpacked it."""

_PATIENT = Patience()

_Read = TypeVar("_Read")
_Result = TypeVar("_Result")


class _Page(Protocol):
    @property
    def frame(self) -> pl.DataFrame: ...
    @property
    def rows(self) -> int: ...
    @property
    def next_url(self) -> str | None: ...


_AnyPage = TypeVar("_AnyPage", bound=_Page)


class Decoding(Protocol):
    """Does the work of reading an answer, where and when it likes, and gives the result."""

    def __call__(self, work: Callable[[], _Result], /) -> _Result:
        """The result of `work`, or its error."""
        ...


def _at_once(work: Callable[[], _Result]) -> _Result:
    return work()


class PolygonClient:
    """The vendor's REST API; thread-safe. Close it, or use it as a context manager.

    The key goes as a bearer header to the base URL's origin, and to the vendor's twin host where
    a `next_url` leads there. It is in no URL, log line, error or repr.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        pace: Pace | None = None,
        patience: Patience = _PATIENT,
        connections: int = 50,
        decoding: Decoding = _at_once,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: the vendor's address, with or without a path; https, or http on loopback.
            api_key: sent to that origin only.
            pace: asked before every request, retries included; None = unpaced.
            patience: time-outs and retries.
            connections: most requests in flight; fewer while the vendor fails or slows down.
            decoding: reads every answer; left out = the thread that asks does.

        Raises:
            SettingsError: the key cannot be sent in a header, or the environment names a proxy
                or certificates that cannot be used.
        """
        self._base_url = httpx.URL(base_url.rstrip("/"))
        self._key = ApiKey(api_key)
        self._pace: Pace = pace or Unpaced()
        self._patience = patience
        self._connections = VendorConnections(self._base_url, self._key, patience, connections)
        self._decoding = decoding
        self.traffic = Traffic(connections)
        self.tally = Tally()
        self._numbers = count()
        self._unread: dict[int, str] = {}

    @property
    def spacing(self) -> float:
        """Least seconds from one request to the next, in the mean, as its pace allows."""
        return self._pace.spacing

    def __repr__(self) -> str:
        return f"PolygonClient({str(self._base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; requests in flight fail, and are not tried again."""
        self._connections.close()
        while self._unread:
            self.tally.request(self._unread.popitem()[1], UNREAD)

    def grouped_daily(self, session: date) -> Answer:
        """Ask for the raw bars of every ticker in one session (`BAR_SCHEMA`, as sent).

        Symbols may repeat and values may be null: validation judges them.
        """
        return self.receive_grouped_daily(session).read()

    def receive_grouped_daily(self, session: date) -> "ReceivedAnswer":
        """Ask as `grouped_daily` does, and leave the answer packed, a quarter of its size."""
        url = self._url(f"/v2/aggs/grouped/locale/us/market/stocks/{session}?adjusted=false")
        question = self._question(url, lambda reply: grouped_bars(reply, session))
        return ReceivedAnswer(question)

    def symbol_daily(
        self, symbol: str, start: date, end: date, *, adjusted: bool = False
    ) -> Answer:
        """Ask for a symbol's bars from `start` to `end`, both included (`DATED_BAR_SCHEMA`).

        As traded, or adjusted for the splits that were executed up to today.
        """
        path = f"/v2/aggs/ticker/{_in_path(symbol)}/range/1/day/{start}/{end}"
        url = self._url(f"{path}?adjusted={str(adjusted).lower()}&sort=asc&limit=50000")

        def read(reply: Reply) -> RangePage:
            return range_bars(reply, symbol, start, end, adjusted=adjusted)

        def bars() -> Bars | Nothing:
            pages = list(self._pages(url, read))
            frame = pl.concat(page.frame for page in pages)
            rejected = tuple(chain.from_iterable(page.rejected for page in pages))
            return Bars(frame, rejected) if frame.height or rejected else Nothing()

        return _outcome(bars)

    def tickers(self, *, active: bool, on: date | None = None) -> Iterator[TickerPage]:
        """Ask for the whole list of active or delisted stocks, page by page.

        Pages are asked for as the iteration goes. Symbols may repeat: `symbols.resolve` chooses.

        Args:
            active: whether to ask for the active ones.
            on: those that were so on a past day; None: today.

        Raises:
            VendorError: a page cannot be had; the pages before it are not a whole list.
        """
        listed = str(active).lower()
        question = (
            f"/v3/reference/tickers?market=stocks&active={listed}&limit=1000&order=asc&sort=ticker"
            + ("" if on is None else f"&date={on}")
        )
        yield from self.pages(question, lambda reply: ticker_page(reply, active=active))

    def splits(self, *, older: bool = False) -> Iterator[SplitPage]:
        """Ask for every split of US stocks there was or is announced, newest first.

        Pages are asked for as the iteration goes. Symbols and dates may repeat, and sides may be
        null: `splits.validate` judges them.

        Args:
            older: ask the deprecated endpoint, which does not name the types.

        Raises:
            VendorError: a page cannot be had; the pages before it are not a whole list.
        """
        question = (
            f"{OLDER_SPLITS}?sort=execution_date&order=desc&limit=1000"
            if older
            else f"{SPLITS}?sort=execution_date.desc&limit=5000"
        )
        yield from self.pages(question, split_page)

    def dividends(self, window: Window) -> Iterator[DividendPage]:
        """Ask for every cash dividend of a window of ex-dates, as declared, by ex-date.

        The older `/v3/reference/dividends` is never asked: its amounts may be adjusted for splits.

        Raises:
            VendorError: a page cannot be had; the pages before it are not all of the window.
        """
        end = "" if window.end is None else f"&ex_dividend_date.lt={window.end}"
        days = f"ex_dividend_date.gte={window.first}{end}"
        order = "sort=ex_dividend_date.asc,ticker.asc"
        yield from self.pages(f"{DIVIDENDS}?{days}&{order}&limit=5000", dividend_page)

    def split_factors(self, symbol: str) -> Iterator[FactorPage]:
        """Ask for the vendor's own cumulative factors of a symbol's splits (`FACTOR_SCHEMA`).

        Raises:
            VendorError: a page cannot be had.
        """
        yield from self.pages(
            f"{SPLITS}?ticker={_in_path(symbol)}&sort=execution_date.asc&limit=5000",
            split_factor_page,
        )

    def dividend_factors(self, symbol: str) -> Iterator[FactorPage]:
        """Ask for the vendor's own cumulative factors of a symbol's dividends (`FACTOR_SCHEMA`).

        Raises:
            VendorError: a page cannot be had.
        """
        yield from self.pages(
            f"{DIVIDENDS}?ticker={_in_path(symbol)}&sort=ex_dividend_date.asc&limit=5000",
            dividend_factor_page,
        )

    def pages(
        self, question: str, read: Callable[[Reply], ListPage[Rejected]]
    ) -> Iterator[ListPage[Rejected]]:
        """Ask for a whole list, page by page, as the iteration goes.

        Args:
            question: path and query of the first page.
            read: decodes a page.

        Raises:
            VendorError: a page cannot be had; what came before is not a whole list.
        """
        yield from self._pages(self._url(question), read)

    def ticker_types(self) -> dict[str, str]:
        """Ask for the type codes of stocks and what they stand for.

        The cheapest request that needs a key that works.

        Raises:
            VendorError: they cannot be had.
        """
        return self._ask(
            self._url("/v3/reference/tickers/types?asset_class=stocks&locale=us"), ticker_types
        )

    def _url(self, path_and_query: str) -> httpx.URL:
        return httpx.URL(f"{self._base_url}{path_and_query}")

    def _ask(self, url: httpx.URL, read: Callable[[Reply], _Read]) -> _Read:
        """Ask until `read` accepts the reply or patience ends."""
        return self._question(url, read).answer()

    def _question(self, url: httpx.URL, read: Callable[[Reply], _Read]) -> "_Question[_Read]":
        rest = self._connections.closed.wait
        return _Question(
            connections=self._connections,
            traffic=self.traffic,
            decoding=self._decoding,
            tally=self.tally,
            unread=self._unread,
            key=self._key,
            number=next(self._numbers),
            url=url,
            read=read,
            tries=Tries(self._patience, self._pace, rest, str(self._base_url)),
        )

    def _pages(self, url: httpx.URL, read: Callable[[Reply], _AnyPage]) -> Iterator[_AnyPage]:
        seen = {url}
        contents: set[int] = set()
        rows = 0
        for _ in range(MOST_PAGES):
            page = self._ask(url, read)
            rows += page.rows
            if rows > MOST_ROWS:
                raise self._too_many(url)
            content = hash(page.frame.hash_rows().to_numpy().tobytes())
            if page.frame.height and content in contents:
                raise self._endless(url, "two pages have the same rows")
            contents.add(content)
            yield page
            if not page.next_url:
                return
            url = self._following(url, page.next_url)
            if url in seen:
                raise self._endless(url, "a page leads back to an earlier one")
            seen.add(url)
        raise self._endless(url, f"more than {MOST_PAGES:,} pages")

    def _following(self, url: httpx.URL, link: str) -> httpx.URL:
        following = destination(self._base_url, link)
        if following is None:
            shown = self._key.hidden_in(visible(link.partition("?")[0]))
            message = f"next_url leads to {shown}, which must not see the key"
            raise PermanentError(FailureKind.FOREIGN_URL, self._endpoint(url), message)
        return following

    def _endless(self, url: httpx.URL, message: str) -> RetryableError:
        return RetryableError(FailureKind.PAGING, self._endpoint(url), message)

    def _too_many(self, url: httpx.URL) -> PermanentError:
        message = f"more than {MOST_ROWS:,} rows on its pages, as no answer has"
        return PermanentError(FailureKind.TOO_LARGE, self._endpoint(url), message)

    def _endpoint(self, url: httpx.URL) -> str:
        """For errors about pages: a `next_url` may have the key anywhere."""
        return self._key.hidden_in(endpoint_of(url))


@dataclass(slots=True)
class _Question(Generic[_Read]):
    """One question, asked until its answer can be used or patience ends."""

    connections: VendorConnections
    traffic: Traffic
    decoding: Decoding
    tally: Tally
    unread: dict[int, str]
    """The endpoints of answers that have come and are not read, by their questions' numbers."""
    key: ApiKey
    number: int
    """The lower, the earlier it was asked."""
    url: httpx.URL
    read: Callable[[Reply], _Read]
    tries: Tries
    received: Packed | None = None

    def receive(self) -> Packed:
        """Ask, and keep the answer packed; only what refuses it is read.

        Raises:
            VendorError: none can be had.
        """
        while self.received is None:
            with self._retried():
                self.received = self._receive_once()
        return self.received

    def answer(self) -> _Read:
        """Read the answer, asking again while it cannot be used.

        Raises:
            VendorError: none can be had.
        """
        while True:
            packed = self.receive()
            with self._retried():
                self.unread.pop(self.number, None)
                read = self._read(packed)
                self.tally.request(self._endpoint, OK)
                return read
            self.received = None

    @property
    def _endpoint(self) -> str:
        return endpoint_label(self.url)

    def _receive_once(self) -> Packed:
        with self.traffic.request(self.number):
            with self.tally.seconds(Stage.WAIT):
                self.tries.next()
            with self.traffic.answer():
                with self.tally.seconds(Stage.FETCH):
                    packed = self.connections.receive(self.url)
                if packed.status != HTTPStatus.OK:
                    self.read(self.connections.unpack(packed))
        self.unread[self.number] = self._endpoint
        return packed

    def _read(self, packed: Packed) -> _Read:
        with self.tally.seconds(Stage.UNPACK):
            reply = self.connections.unpack(packed)
        return self.decoding(partial(self._decoded, reply))

    def _decoded(self, reply: Reply) -> _Read:
        with self.tally.seconds(Stage.DECODE):
            return self.read(reply)

    @contextmanager
    def _retried(self) -> Generator[None]:
        """Return when it is worth asking again; raise what ends the question."""
        closed = self.connections.closed
        try:
            yield
        except VendorError as error:
            if not closed.is_set():
                self.tally.request(self._endpoint, _outcome_of(error))
            _complete(error, self.key, self.tries.requests)
            if closed.is_set() or not isinstance(error, RetryableError):
                raise
            self.tries.failed(error)
            if closed.is_set():
                raise


class ReceivedAnswer:
    """A grouped answer that has come and is packed still, or why none has come."""

    def __init__(self, question: _Question[Bars | Nothing]) -> None:
        """Ask. An answer too large to wait for its turn is read at once: most are refused."""
        self._question = question
        self._outcome: Answer | None = None
        received = _outcome(question.receive)
        if not isinstance(received, Packed):
            self._outcome = received
        elif len(received.content) > MOST_WAITING:
            self._outcome = self.read()

    @property
    def is_refused(self) -> bool:
        """Whether key or plan forbid it."""
        return isinstance(self._outcome, Failed) and isinstance(self._outcome.error, AccessError)

    def read(self) -> Answer:
        """Unpack and read it; asks again where it cannot be used."""
        return _outcome(self._question.answer) if self._outcome is None else self._outcome


def _outcome(ask: Callable[[], _Result]) -> _Result | NotYetPublished | Failed:
    try:
        return ask()
    except TooEarlyError as early:
        return NotYetPublished(early.message)
    except VendorError as error:
        # A kept error must not keep the reply as well, which hangs on its tracebacks.
        error.__cause__ = error.__context__ = None
        return Failed(error.with_traceback(None))


def _outcome_of(error: VendorError) -> str:
    return NOT_PUBLISHED if isinstance(error, TooEarlyError) else error.kind.value


def _complete(error: VendorError, key: ApiKey, requests: int) -> None:
    """Add what only the client knows, and hide the key."""
    error.attempts = requests
    error.endpoint = key.hidden_in(error.endpoint)
    error.message = key.hidden_in(error.message)
    error.args = (error.kind, error.endpoint, error.message)


def _in_path(symbol: str) -> str:
    """`symbol` as one segment of a path: case and dots as they are."""
    quoted = quote(symbol, safe="", errors="replace")
    # A segment of nothing but dots would be taken for a step up the path.
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
