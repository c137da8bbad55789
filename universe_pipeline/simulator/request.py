"""A request as the endpoints and the faults see it, and cursors."""

import base64
import binascii
import hashlib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Endpoint = Literal[
    "tickers",
    "types",
    "overview",
    "events",
    "splits",
    "older_splits",
    "dividends",
    "older_dividends",
    "grouped",
    "range",
]

_PATHS: tuple[tuple[Endpoint, re.Pattern[str]], ...] = (
    ("tickers", re.compile(r"/v3/reference/tickers")),
    ("types", re.compile(r"/v3/reference/tickers/types")),
    ("overview", re.compile(r"/v3/reference/tickers/(?P<ticker>[^/]+)")),
    ("events", re.compile(r"/vX/reference/tickers/(?P<ticker>[^/]+)/events")),
    ("splits", re.compile(r"/stocks/v1/splits")),
    ("older_splits", re.compile(r"/v3/reference/splits")),
    ("dividends", re.compile(r"/stocks/v1/dividends")),
    ("older_dividends", re.compile(r"/v3/reference/dividends")),
    ("grouped", re.compile(r"/v2/aggs/grouped/locale/us/market/stocks/(?P<date>[^/]+)")),
    (
        "range",
        re.compile(
            r"/v2/aggs/ticker/(?P<ticker>[^/]+)/range/(?P<multiplier>[^/]+)/(?P<timespan>[^/]+)"
            r"/(?P<start>[^/]+)/(?P<end>[^/]+)"
        ),
    ),
)

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "": operator.eq,
    ".gt": operator.gt,
    ".gte": operator.ge,
    ".lt": operator.lt,
    ".lte": operator.le,
}
"""By the suffix of a parameter like `execution_date.gte`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, cursor unpacked."""

    origin: str
    """Scheme, host and port as the client named them, like `http://127.0.0.1:8080`."""
    target: str
    """Path and query as they came."""
    path: str
    endpoint: Endpoint | None
    """None: no path of the vendor."""
    parts: dict[str, str]
    """The variable parts of the path: `date`, or `ticker`, `multiplier`, `start` …"""
    query: dict[str, str]
    """Without `apiKey`; a readable cursor's parameters instead of the cursor."""
    key: str | None

    @classmethod
    def of(cls, target: str, host: str, authorization: str | None) -> "Request":
        """Read a request line's target and the headers that matter."""
        path = urlsplit(target).path
        query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        in_query = query.pop("apiKey", None)
        scheme, _, token = (authorization or "").partition(" ")
        in_header = token.strip() if scheme == "Bearer" else None
        endpoint, parts = _endpoint_of(path)
        if "cursor" in query:
            query = _unpacked(query["cursor"]) or query
        return cls(f"http://{host}", target, path, endpoint, parts, query, in_header or in_query)

    @property
    def request_id(self) -> str:
        """The same for the same question, so that the whole body is."""
        return hashlib.blake2b(self.target.encode(), digest_size=16).hexdigest()

    @property
    def ticker(self) -> str | None:
        """The ticker that is asked for alone."""
        return self.parts.get("ticker") or self.query.get("ticker")

    @property
    def asks_active(self) -> bool:
        """Which of the two reference lists is asked for."""
        return self.query.get("active", "true") == "true"

    def covers(self, session: date) -> bool:
        """Whether bars or dividends of `session` are asked for (days written as ISO dates)."""
        day = session.isoformat()
        if self.endpoint in ("dividends", "older_dividends"):
            return all(
                compares(day, self.query[f"ex_dividend_date{suffix}"])
                for suffix, compares in COMPARISONS.items()
                if f"ex_dividend_date{suffix}" in self.query
            )
        if self.endpoint == "range":
            return self.parts["start"] <= day <= self.parts["end"]
        return self.parts.get("date") == day

    def next_url(self, path: str, **parameters: str | int) -> str:
        """The address of a next page: on the host that was asked, with nothing but a cursor."""
        text = urlencode(sorted((self.query | parameters).items()))
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{self.origin}{path}?cursor={cursor}"


def _endpoint_of(path: str) -> tuple[Endpoint | None, dict[str, str]]:
    for endpoint, pattern in _PATHS:
        if match := pattern.fullmatch(path):
            return endpoint, {name: unquote(part) for name, part in match.groupdict().items()}
    return None, {}


def _unpacked(cursor: str) -> dict[str, str] | None:
    """The parameters in a cursor of `Request.next_url`; None for anything else."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        found = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    except (binascii.Error, ValueError):
        return None
    return found if "page_marker" in found else None
