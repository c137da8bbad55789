"""Sockets that keep a total deadline.

httpx's time-outs bound each wait for bytes, so a server that drips one byte at a time, in headers
or body, would hold a request for ever.
"""

import ssl
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from math import inf
from socket import SHUT_RDWR, socket
from typing import Any

import httpcore
import httpx

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=inf)


@contextmanager
def deadline(seconds: float) -> Generator[None, None, None]:
    """Let everything that this thread reads or writes inside end within `seconds`."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's own transport, on sockets that keep the `deadline`."""

    def __init__(self, *, proxy: str | None, connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(verify=_trust(), proxy=proxy, limits=limits)
        # httpx hands no network backend through to its pool.
        self._pool._network_backend = _Backend()  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001


@cache
def _trust() -> ssl.SSLContext:
    # Reading all certificate authorities takes a tenth of a second, so clients share them.
    return httpx.create_ssl_context()


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._sockets.connect_tcp(
                host, port, _left(timeout, httpcore.ConnectTimeout), local_address, socket_options
            )
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

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

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    left = _DEADLINE.get() - time.monotonic()
    if left <= 0:
        raise late("the whole answer took too long")
    return left if timeout is None else min(timeout, left)
