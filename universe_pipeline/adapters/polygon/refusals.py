"""What an HTTP status other than 200 means, by the texts that the vendor sends with it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from universe_pipeline.adapters.polygon.exchange import Reply
from universe_pipeline.adapters.polygon.origins import destination
from universe_pipeline.adapters.polygon.retry import RateLimitedError
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)


class TooEarlyError(PermanentError):
    """The session's data is not out yet: no failure, but no reason to ask again at once either."""


class _Said(msgspec.Struct, gc=False):
    error: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


_Meaning: TypeAlias = tuple[FailureKind, type[VendorError], str]

_MEANINGS: dict[int, _Meaning] = {
    400: (FailureKind.BAD_REQUEST, PermanentError, "the vendor refuses the request"),
    401: (
        FailureKind.UNAUTHORIZED,
        AccessError,
        "the vendor does not accept the key, check POLYGON_API_KEY",
    ),
    404: (FailureKind.NOT_FOUND, PermanentError, "the vendor has nothing there"),
    408: (FailureKind.TIMEOUT, RetryableError, "the vendor gave up waiting"),
    429: (FailureKind.RATE_LIMITED, RateLimitedError, "too many requests"),
    499: (FailureKind.TIMEOUT, RetryableError, "the vendor's proxy gave up waiting"),
}
_NOT_ENTITLED = (FailureKind.NOT_ENTITLED, AccessError, "the key's plan does not include this")
_OUTSIDE_PLAN = (
    FailureKind.OUTSIDE_PLAN,
    PermanentError,
    "the key's plan does not reach back that far",
)
_TOO_EARLY = (FailureKind.NOT_ENTITLED, TooEarlyError, "not published yet")
_OTHER_4XX = _MEANINGS[400]
_5XX = (FailureKind.SERVER_ERROR, RetryableError, "the vendor's server failed")
_UNEXPECTED = (FailureKind.UNEXPECTED_SHAPE, RetryableError, "an unexpected status")


def refusal(reply: Reply) -> VendorError:
    """The error that a reply of another status than 200 stands for."""
    said = explanation(reply.body)
    kind, error, meaning = _meaning(reply, said)
    message = f"{meaning}: {said}" if said else meaning
    refused = error(kind, reply.endpoint, message, http_status=reply.status)
    if isinstance(refused, RateLimitedError):
        refused.retry_after = _retry_after(reply)
    return refused


def explanation(body: bytes | bytearray) -> str:
    """What the vendor says under `error` or `message`; empty where it says nothing."""
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (ValueError, RecursionError):
        return ""
    return _text(said.error) or _text(said.message)


def _text(said: msgspec.Raw) -> str:
    try:
        return visible(msgspec.json.decode(said, type=str))
    except ValueError:  # absent, or no text
        return ""


def _meaning(reply: Reply, said: str) -> _Meaning:
    if reply.status == HTTPStatus.FORBIDDEN:
        return _forbidden(said.lower())
    if known := _MEANINGS.get(reply.status):
        return known
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _5XX
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _OTHER_4XX
    if reply.status >= HTTPStatus.MULTIPLE_CHOICES and "Location" in reply.headers:
        return _redirect(reply)
    return _UNEXPECTED


def _forbidden(said: str) -> _Meaning:
    if "before end of day" in said:
        return _TOO_EARLY
    return _OUTSIDE_PLAN if "timeframe" in said else _NOT_ENTITLED


def _retry_after(reply: Reply) -> float | None:
    """Seconds that Retry-After asks for, as a number or an HTTP date; None where it does not."""
    asked = reply.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        return (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return None


def _redirect(reply: Reply) -> _Meaning:
    location = reply.headers["Location"]
    foreign = destination(reply.url, location) is None
    return (
        FailureKind.FOREIGN_URL if foreign else FailureKind.UNEXPECTED_SHAPE,
        PermanentError,
        f"a redirect to {visible(location)}, which is not followed; check POLYGON_BASE_URL",
    )
