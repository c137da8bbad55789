"""Connections whose sockets keep a total deadline.

httpcore's time-outs bound each wait for bytes, so a server that drips one byte at a time, in
headers or body, would hold a request for ever.
"""

import ssl
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from math import inf
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any

import httpcore
import httpx

IDLE_SECONDS = 5.0
"""After which a connection that nothing uses is closed, before servers close it."""

CLOSED = "the client has been closed"

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=inf)


@contextmanager
def deadline(seconds: float) -> Generator[None, None, None]:
    """Let everything that this thread reads or writes inside end within `seconds`."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def open_pool(
    sockets: "Sockets", *, trust: ssl.SSLContext, proxy: httpx.Proxy | None, connections: int
) -> httpcore.ConnectionPool:
    """At most so many connections, through the proxy if there is one, that keep the `deadline`."""
    settings: dict[str, Any] = {
        "ssl_context": trust,
        "max_connections": connections,
        "max_keepalive_connections": connections,
        "keepalive_expiry": IDLE_SECONDS,
        "network_backend": sockets,
    }
    if proxy is None:
        return httpcore.ConnectionPool(**settings)
    return httpcore.HTTPProxy(
        address(proxy.url), proxy.raw_auth, proxy_ssl_context=proxy.ssl_context, **settings
    )


def address(url: httpx.URL) -> httpcore.URL:
    """`url` as httpcore has it."""
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


class Sockets(httpcore.NetworkBackend):
    """The sockets of one pool, which can be closed with those that no pool has yet.

    A pool that is closed forgets the connections that threads are still opening, and these would
    open, and ask.
    """

    def __init__(self) -> None:
        self._connector = httpcore.SyncBackend()
        self._lock = Lock()
        self._open: set[_Stream] = set()
        self._closed = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection in bounded time, to be closed with the others."""
        left = _left(timeout, httpcore.ConnectTimeout)
        return self.keep(
            self._connector.connect_tcp(host, port, left, local_address, socket_options)
        )

    def keep(self, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """Of `stream`, one that is closed with the others.

        Raises:
            httpcore.ConnectError: they have been closed already, and so is it.
        """
        kept = _Stream(stream, self)
        with self._lock:
            is_late = self._closed
            if not is_late:
                self._open.add(kept)
        if is_late:
            kept.close()
            raise httpcore.ConnectError(CLOSED)
        return kept

    def forget(self, stream: "_Stream") -> None:
        """Of `stream`, which is closed."""
        with self._lock:
            self._open.discard(stream)

    def close(self) -> None:
        """Close all that are open, and each that a thread is opening as soon as it has."""
        with self._lock:
            self._closed, streams = True, list(self._open)
        for stream in streams:
            stream.close()


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, sockets: Sockets) -> None:
        self._stream, self._sockets = stream, sockets

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        # Closing alone would let a thread that reads wait on. Past SSLSocket's own shutdown, which
        # takes away what that thread works with.
        with suppress(OSError):
            socket.shutdown(self._stream.get_extra_info("socket"), SHUT_RDWR)
        self._stream.close()
        self._sockets.forget(self)

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        try:
            secured = self._stream.start_tls(*args, **kwargs)
        finally:  # its socket is the secured one's now, or closed
            self._sockets.forget(self)
        return self._sockets.keep(secured)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    left = _DEADLINE.get() - time.monotonic()
    if left <= 0:
        raise late("the whole answer took too long")
    return left if timeout is None else min(timeout, left)
