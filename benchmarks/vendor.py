"""`python -m benchmarks.vendor FOLDER SYMBOLS SECONDS`: prepared answers, at next to no cost.

Grouped answers come from FOLDER, ready packed, SECONDS after they were asked for and then, if that
is not 0, at `BYTES_A_SECOND` on each connection, as from a vendor far away. Anything else is asked
of the simulator once, and remembered. Writes its address on one line to stdout when it is ready.
"""

import asyncio
import json
import re
import sys
import zlib
from collections import Counter
from datetime import date
from pathlib import Path

from benchmarks.answers import GZIP, packed
from universe_pipeline.simulator.request import Request
from universe_pipeline.simulator.server import SimulatedVendor

REQUESTS = "/_benchmark/requests"
"""Answers how often each session was asked for, as JSON."""

BYTES_A_SECOND = 50_000_000 // 8
_PIECE = 64 * 1024

_GROUPED = re.compile(r"/v2/aggs/grouped/locale/us/market/stocks/(\d{4}-\d\d-\d\d)\b")


class PreparedVendor:
    """Knows the answer to each request, as bytes for the wire."""

    def __init__(self, folder: Path, simulator: SimulatedVendor) -> None:
        self._folder, self._simulator = folder, simulator
        self._remembered: dict[str, bytes] = {}
        self._asked: Counter[str] = Counter()

    def reply(self, head: str) -> bytes:
        """The whole reply to a request's head."""
        target = head.split(" ", 2)[1]
        if target == REQUESTS:
            return _wire(200, zlib.compress(json.dumps(self._asked).encode(), wbits=GZIP))
        if grouped := _GROUPED.match(target):
            self._asked[grouped[1]] += 1
            file = packed(self._folder, date.fromisoformat(grouped[1]))
            if file.exists():
                return _wire(200, file.read_bytes())
        if target not in self._remembered:
            self._remembered[target] = self._simulated(target, head)
        return self._remembered[target]

    def _simulated(self, target: str, head: str) -> bytes:
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        named = {name.lower(): value for name, value in headers.items()}
        request = Request.of(target, named["host"], named.get("authorization"))
        answer = self._simulator.answer(request)
        return _wire(answer.status, zlib.compress(answer.body, zlib.Z_BEST_SPEED, GZIP))


def _wire(status: int, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} Prepared\r\nContent-Type: application/json\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, vendor: PreparedVendor, seconds: float) -> None:
        self._vendor, self._seconds, self._received = vendor, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where replies go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Reply to every request whose head is complete; none has a body."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._send(self._vendor.reply(head.decode("latin-1")))

    def _send(self, reply: bytes) -> None:
        if not self._seconds:
            self._transport.write(reply)
            return
        loop = asyncio.get_running_loop()
        for start in range(0, len(reply), _PIECE):
            arrives = self._seconds + min(start + _PIECE, len(reply)) / BYTES_A_SECOND
            loop.call_later(arrives, self._transport.write, reply[start : start + _PIECE])


async def _serve(vendor: PreparedVendor, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(vendor, seconds), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main(folder: str, symbols: str, seconds: str) -> None:
    """Serve until killed."""
    with SimulatedVendor(symbols=int(symbols)) as simulator:
        asyncio.run(_serve(PreparedVendor(Path(folder), simulator), float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
