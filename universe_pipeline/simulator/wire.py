"""Answers on the wire: HTTP/1.1 with keep-alive, and the ways in which it can break."""

import contextlib
import os
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from universe_pipeline.simulator.answers import Answer, Sending
from universe_pipeline.simulator.request import Request

CONTROL = "/_simulator/"

_MEGABYTE = 1 << 20
_GZIP = 31
"""zlib's window bits for the gzip container."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Vendor(Protocol):
    """Who knows the answers."""

    def answer(self, request: Request) -> Answer:
        """Answer a client of the vendor."""
        ...

    def control(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request below `CONTROL`."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass, at most until the vendor stops."""
        ...


class Server(ThreadingHTTPServer):
    """Listens at once, and answers in a thread a connection after `serve_forever`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, vendor: Vendor) -> None:
        self.vendor = vendor
        self._open: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end, known to `close_connections` meanwhile."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def close_connections(self) -> None:
        """End the connections that clients keep alive."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that leaves in the middle of an answer."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body of an answer leave in one write.
    wbufsize = 2 * _MEGABYTE

    def do_GET(self) -> None:
        """Answer a client."""
        if self.path.startswith(CONTROL):
            self._do_control()
            return
        host, port = cast("tuple[str, int]", self.connection.getsockname())
        request = Request.of(
            self.path,
            host=self.headers.get("Host", f"{host}:{port}"),
            authorization=self.headers.get("Authorization"),
        )
        self._send(self._vendor.answer(request), request.request_id)

    def do_POST(self) -> None:
        """Accept faults."""
        self._do_control()

    def do_DELETE(self) -> None:
        """Forget faults."""
        self._do_control()

    def version_string(self) -> str:
        """The Server header."""
        return "simulated-vendor"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's naming)
        """Say nothing: the vendor has its own log."""

    @property
    def _vendor(self) -> Vendor:
        return cast("Server", self.server).vendor

    def _do_control(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(self._vendor.control(self.command, urlsplit(self.path).path, body), "control")

    def _send(self, answer: Answer, request_id: str) -> None:
        if answer.delay:
            self._vendor.pause(answer.delay)
        if answer.sending is Sending.RESET:
            self._reset()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("X-Request-Id", request_id)
        self.send_header("Vary", "Accept-Encoding")
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.sending is Sending.GZIP_BOMB:
            self._stream(_bomb(answer.megabytes), gzipped=True)
        elif answer.sending is Sending.ENDLESS:
            self._stream(_padded_document(answer.megabytes), gzipped=False)
        else:
            self._send_body(answer)

    def _send_body(self, answer: Answer) -> None:
        garbage = answer.sending is Sending.GZIP_GARBAGE
        gzipped = "gzip" in self.headers.get("Accept-Encoding", "")
        body = answer.body
        if gzipped and not garbage:
            body = zlib.compress(body, zlib.Z_BEST_SPEED, _GZIP)
        if gzipped or garbage:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if answer.sending is Sending.CUT:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def _stream(self, chunks: Iterator[bytes], *, gzipped: bool) -> None:
        if gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """Close so that the kernel sends RST, before socketserver could say goodbye with FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        os.close(self.connection.detach())


def _bomb(megabytes: int) -> Iterator[bytes]:
    """A correct gzip of so many megabytes of zeros, about a thousandth of that on the wire."""
    zeros = bytes(_MEGABYTE)
    packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, wbits=-zlib.MAX_WBITS)
    # After a full flush the same bytes unpack to the same zeros again, however often they come.
    packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    for _ in range(megabytes):
        checksum = zlib.crc32(zeros, checksum)
        yield packed
    yield packer.flush() + struct.pack("<LL", checksum, megabytes * _MEGABYTE % 2**32)


def _padded_document(megabytes: int) -> Iterator[bytes]:
    yield b'{"status":"OK","results":['
    for _ in range(megabytes):
        yield b" " * _MEGABYTE
    yield b"]}"
