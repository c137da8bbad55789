"""A vendor on loopback that answers each request with the bytes that a test gives it."""

import contextlib
import gzip
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from universe_pipeline_tests.support.vendor_answers import as_sent


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire."""

    target: str
    headers: dict[str, str]
    """By lower-case name."""


Act: TypeAlias = Callable[[socket.socket], None]
Reply: TypeAlias = bytes | Act
"""A whole answer, or what to do to the connection instead."""


@dataclass
class ScriptedVendor:
    """Answers the first request by the first reply, and so on; the last one is repeated."""

    base_url: str
    requests: list[Request] = field(default_factory=list[Request])
    _replies: list[Reply] = field(default_factory=list[Reply])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, *replies: Reply) -> None:
        """Answer so from now on."""
        self._replies = list(replies)

    def reply_to(self, request: Request) -> Reply:
        """Note the request and choose its reply."""
        with self._lock:
            self.requests.append(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


@contextmanager
def scripted_vendor() -> Generator[ScriptedVendor, None, None]:
    """Serve on a free port of loopback."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client may leave in the middle of an answer
                while request := _read_request(self.rfile.readline):
                    reply = vendor.reply_to(request)
                    if not isinstance(reply, bytes):
                        return reply(self.connection)
                    self.connection.sendall(reply)
                    if b"Connection: close" in reply:
                        return None
            return None

    with _Server(("127.0.0.1", 0), Handler) as server:
        vendor = ScriptedVendor(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield vendor
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def shutdown_request(self, request: Any) -> None:
        # Without the polite end of a connection that the base class makes of a reset.
        self.close_request(request)


def _read_request(readline: Callable[[], bytes]) -> Request | None:
    first = readline().decode("ascii").split()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[1], headers)


def answer(body: Any, status: int = 200, *, length: int | None = None, **headers: str) -> bytes:
    """A whole answer that ends its connection.

    Args:
        body: bytes as they are, or something that becomes JSON.
        status: the HTTP status.
        length: a Content-Length that is not the true one.
        headers: more of them, `_` standing for `-`.
    """
    content = body if isinstance(body, bytes) else as_sent(body)
    announced = len(content) if length is None else length
    given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {announced}\r\n{given}"
    return f"{head}Connection: close\r\n\r\n".encode() + content


def kept_alive(reply: bytes) -> bytes:
    """The same answer on a connection that stays."""
    return reply.replace(b"Connection: close\r\n", b"")


def zipped(body: Any) -> bytes:
    """A body's JSON as a gzip stream."""
    return gzip.compress(as_sent(body))


def reset(connection: socket.socket) -> None:
    """End the connection by a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """End the connection without a word."""
    del connection


def silence(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    connection.recv(1)


def dripping(beginning: bytes, drop: bytes) -> Act:
    """Send a beginning, then one drop after another until the client leaves."""

    def drip(connection: socket.socket) -> None:
        connection.settimeout(0.05)
        connection.sendall(beginning)
        while True:
            connection.sendall(drop)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return

    return drip
