"""A plain HTTP client that shows exactly what came over the wire."""

import http.client
import json
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from universe_pipeline.simulator.server import SimulatedVendor

GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
TICKERS = "/v3/reference/tickers"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as it was sent, its compression undone by `text` only."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def text(self) -> bytes:
        if self.headers.get("Content-Encoding") == "gzip":
            return zlib.decompress(self.raw, 31)
        return self.raw

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.json["results"]

    @property
    def by_ticker(self) -> dict[str, dict[str, Any]]:
        return {row["T"]: row for row in self.rows}


def send(
    base_url: str, method: str, target: str, headers: dict[str, str], body: bytes | None = None
) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def ask(vendor: SimulatedVendor | str, target: str, **headers: str) -> Reply:
    """GET with a key; `accept_encoding="gzip"` becomes the header Accept-Encoding."""
    base_url = vendor if isinstance(vendor, str) else vendor.base_url
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return send(base_url, "GET", target, {"Authorization": "Bearer any"} | named)


def grouped(vendor: SimulatedVendor | str, day: str, query: str = "adjusted=false") -> Reply:
    return ask(vendor, f"{GROUPED}/{day}?{query}")


def daily_range(
    vendor: SimulatedVendor | str,
    ticker: str,
    start: str,
    end: str,
    query: str = "adjusted=false&sort=asc&limit=50000",
) -> Reply:
    return ask(vendor, f"/v2/aggs/ticker/{ticker}/range/1/day/{start}/{end}?{query}")


def all_pages(vendor: SimulatedVendor | str, query: str) -> list[Reply]:
    """Follow every `next_url` of the list of tickers."""
    base_url = vendor if isinstance(vendor, str) else vendor.base_url
    pages = [ask(base_url, f"{TICKERS}?{query}")]
    while next_url := pages[-1].json.get("next_url"):
        assert next_url.startswith(f"{base_url}{TICKERS}?cursor=")
        pages.append(ask(base_url, next_url.removeprefix(base_url)))
    return pages
