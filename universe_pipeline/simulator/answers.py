"""Answers before they go over the wire, and the vendor's words when it refuses.

The texts of the refusals are the vendor's own; ERROR carries its text as `error`, NOT_… as
`message`.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import msgspec

from universe_pipeline.simulator.request import Request

NO_KEY = "API Key was not provided"
UNKNOWN_KEY = "Unknown API Key"
NOT_ENTITLED = (
    "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
)
OUTSIDE_PLAN = (
    "Your plan doesn't include this data timeframe. "
    "Please upgrade your plan at https://polygon.io/pricing"
)
BEFORE_END_OF_DAY = (
    "Attempted to request today's data before end of day. "
    "Please upgrade your plan at https://polygon.io/pricing"
)
NO_DATA = "Data not found."
NO_TICKER = "Ticker not found."
TOO_MANY_REQUESTS = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription "
    "to continue. https://polygon.io/pricing"
)
UNREADABLE_CURSOR = "Failed to parse query parameters from URL: the cursor is not valid"

_STATUS_WORDS = {403: "NOT_AUTHORIZED", 404: "NOT_FOUND"}


class Sending(Enum):
    """How an answer goes over the wire."""

    WHOLE = auto()
    RESET = auto()
    CUT = auto()
    GZIP_GARBAGE = auto()
    GZIP_BOMB = auto()
    ENDLESS = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, uncompressed."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    """Seconds to wait before anything is sent."""
    sending: Sending = Sending.WHOLE
    megabytes: int = 0
    """How much `GZIP_BOMB` and `ENDLESS` send."""


class RefusedError(Exception):
    """The vendor refuses a request, with an HTTP status and its reason."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(status, text)


def document(content: dict[str, Any], status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(msgspec.json.encode(content), status)


def refusal(request: Request, status: int, text: str) -> Answer:
    """The vendor's error body."""
    word = _STATUS_WORDS.get(status, "ERROR")
    reason = "error" if word == "ERROR" else "message"
    return document({"status": word, "request_id": request.request_id, reason: text}, status)
