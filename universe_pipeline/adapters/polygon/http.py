"""One request and its reply, in bounded time and memory; other modules say what the reply means.

By httpcore, without httpx's client: that one keeps the vendor's cookies, and reads a redirect even
when it is not to follow it, where some addresses end in errors that are none of its own.

A proxy that the environment names is used (`proxies.py`), except to loopback.
"""

import logging
import re
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event

import httpcore
import httpx

from universe_pipeline.adapters.polygon.body import (
    Damaged,
    explanation,
    packing,
    read_answer,
    read_explanation,
    unpacked,
)
from universe_pipeline.adapters.polygon.deadline import (
    CLOSED,
    Sockets,
    address,
    deadline,
    open_pool,
)
from universe_pipeline.adapters.polygon.key import ApiKey
from universe_pipeline.adapters.polygon.proxies import proxy_to
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.adapters.polygon.trust import no_trust, source, trust
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.errors import (
    FailureKind,
    RetryableError,
    VendorError,
)

logger = logging.getLogger("universe_pipeline.polygon")


@dataclass(frozen=True, slots=True)
class Packed:
    """What came back, as it came, with any status; an answer is a quarter of what it unpacks to."""

    url: httpx.URL
    """What was asked."""
    status: int
    content: bytearray = field(repr=False)
    packed_as: str
    """Its `packing`."""
    headers: httpx.Headers = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, unpacked, with any status."""

    url: httpx.URL
    """What was asked."""
    status: int
    body: bytes | bytearray = field(repr=False)
    headers: httpx.Headers = field(repr=False, default_factory=httpx.Headers)

    @property
    def endpoint(self) -> str:
        """The path that was asked, without its query."""
        return endpoint_of(self.url)


def endpoint_of(url: httpx.URL) -> str:
    """The path of `url` as it is sent, without its query."""
    return url.raw_path.partition(b"?")[0].decode("ascii")


_NEXT_URL = re.compile(rb'"next_url"\s*:\s*"[^"]*"')


class VendorConnections:
    """The connections to one vendor; thread-safe."""

    def __init__(
        self, base_url: httpx.URL, key: ApiKey, patience: Patience, connections: int
    ) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsError: the environment names a proxy or certificates that cannot be used.
        """
        self._key, self._patience, self.closed = key, patience, Event()
        proxy = proxy_to(base_url)
        self._base_url, self._via = base_url, f" by {proxy}" if proxy else ""
        self._sockets = Sockets()
        self._pool = open_pool(
            self._sockets,
            trust=trust() if base_url.scheme == "https" else no_trust(),
            proxy=proxy and proxy.for_httpx,
            connections=connections,
        )
        self._headers = {
            "Authorization": key.bearer,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "universe-pipeline",
        }
        timeout = httpx.Timeout(patience.read, connect=patience.connect, pool=patience.request)
        self._extensions = {"timeout": timeout.as_dict()}
        _quieten("httpx", "httpcore")

    def receive(self, url: httpx.URL) -> Packed:
        """Ask once for `url`, which must be one that may see the key.

        Raises:
            RetryableError: no whole answer came (timeout, connection, cut_body), or one packed as
                was not asked for (unexpected_shape).
            PermanentError: the body is larger than any answer (too_large).
        """
        started, outcome = time.monotonic(), "interrupted"
        try:
            packed = self._exchange(url)
            outcome = f"{packed.status}, {len(packed.content)} bytes"
        except VendorError as error:
            outcome = error.kind.value
            raise
        finally:
            path = self._key.hidden_in(url.raw_path.decode("ascii"))
            milliseconds = (time.monotonic() - started) * 1000
            logger.debug("GET %s: %s in %.0f ms", path, outcome, milliseconds)
        return packed

    def unpack(self, packed: Packed) -> Reply:
        """What was received, unpacked.

        Raises:
            RetryableError: it is cut off or damaged (cut_body), or repeats the key (leaked_key).
            PermanentError: the body is larger than any answer (too_large).
        """
        endpoint = endpoint_of(packed.url)
        if packed.status != HTTPStatus.OK:
            body = explanation(packed.content, packed.packed_as)
            return Reply(packed.url, packed.status, body, packed.headers)
        with _transport_errors(endpoint, self._named(packed.url)) as progress:
            progress.reading_body = True
            body = unpacked(packed.content, packed.packed_as, endpoint)
        self._require_no_key(body, endpoint)
        return Reply(packed.url, packed.status, body, packed.headers)

    def _exchange(self, url: httpx.URL) -> Packed:
        endpoint = endpoint_of(url)
        if self.closed.is_set():  # the pool would connect again
            raise RetryableError(FailureKind.CONNECTION, endpoint, CLOSED)
        sent = {"Host": url.netloc.decode("ascii"), **self._headers}
        request = httpcore.Request(
            "GET", address(url), headers=list(sent.items()), extensions=self._extensions
        )
        with (
            deadline(self._patience.request),
            _transport_errors(endpoint, self._named(url)) as progress,
            closing(self._pool.handle_request(request)) as response,
        ):
            progress.reading_body = True
            headers = httpx.Headers(response.headers)
            packed_as = packing(headers.get("Content-Encoding", ""))
            chunks = response.iter_stream()
            is_good = response.status == HTTPStatus.OK
            content = (
                read_answer(chunks, packed_as, endpoint) if is_good else read_explanation(chunks)
            )
            return Packed(url, response.status, content, packed_as, headers)

    def _require_no_key(self, body: bytearray, endpoint: str) -> None:
        """Refuse an answer that repeats the key: in a row or name it would be stored and shown.

        In `next_url` it would not: that is followed where it may lead, and hidden in messages.
        """
        if self._key.is_in(body) and self._key.is_in(_NEXT_URL.sub(b"", body)):
            message = "the answer repeats the API key; nothing of it is used: replace the key"
            raise RetryableError(FailureKind.LEAKED_KEY, endpoint, message)

    def _named(self, url: httpx.URL) -> str:
        """The address that answers for `url`, the setting that names it, the proxy on the way."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        is_set = url.netloc == self._base_url.netloc  # a next_url may lead to the twin host
        return f"{origin}{' (POLYGON_BASE_URL)' if is_set else ''}{self._via}"

    def close(self) -> None:
        """Close all connections and open no others; a waiting `receive` raises at once."""
        self.closed.set()
        self._pool.close()
        self._sockets.close()


_BROKEN = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""With the time-outs, all that httpcore raises of a connection."""


@dataclass(slots=True)
class _Progress:
    reading_body: bool = False


@contextmanager
def _transport_errors(endpoint: str, address: str) -> Generator[_Progress, None, None]:
    progress = _Progress()
    # Raised from nothing: what the library says is in the message, where the key is hidden.
    try:
        yield progress
    except httpcore.TimeoutException as error:
        is_unreached = isinstance(error, httpcore.ConnectTimeout)
        what = "cannot reach" if is_unreached else "no whole answer in time from"
        message = f"{what} {address}: {_reason(error)}"
        raise RetryableError(FailureKind.TIMEOUT, endpoint, message) from None
    except (*_BROKEN, Damaged) as error:
        if progress.reading_body:
            kind, what = FailureKind.CUT_BODY, f"the body from {address} is cut off or damaged"
        elif isinstance(error, httpcore.ConnectError | httpcore.ProxyError):
            kind, what = FailureKind.CONNECTION, f"cannot reach {address}"
        else:
            kind, what = FailureKind.CONNECTION, f"the connection to {address} failed"
        raise RetryableError(kind, endpoint, f"{what}: {_reason(error)}") from None


_DISTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def _reason(error: Exception) -> str:
    said = f"{visible(str(error))} ({type(error).__name__})"
    return f"{said}; trusted are those of {source()}" if _DISTRUSTED in said else said


def _quieten(*names: str) -> None:
    for name in names:
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            # Their lines repeat ours. A level that the user chose stays.
            library.setLevel(logging.WARNING)
