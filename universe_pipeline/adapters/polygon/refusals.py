"""What an HTTP status other than 200 means, by the texts that the vendor sends with it.

A 4xx says something about key, plan or data only in the vendor's own JSON: `status` is `ERROR` with
a text under `error`, or `NOT_AUTHORIZED` or `NOT_FOUND` with one under `message` (or `error`). Any
other body (an HTML page, JSON of another form, none) comes from a proxy, a firewall or a login page
on the way. That one is asked again, and stops no job.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.origins import destination
from universe_pipeline.adapters.polygon.retry import RateLimitedError
from universe_pipeline.adapters.polygon.wording import first_words, visible
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
    status: msgspec.Raw = msgspec.Raw()
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
_FROM_ANY_SERVER = (408, 429, 499)
"""These mean the same whether the vendor or a proxy sends them."""
_REFUSALS = ("NOT_AUTHORIZED", "NOT_FOUND")
_5XX = (FailureKind.SERVER_ERROR, RetryableError, "the vendor's server failed")
_UNEXPECTED = (FailureKind.UNEXPECTED_SHAPE, RetryableError, "an unexpected status")


def refusal(reply: Reply) -> VendorError:
    """The error that a reply of another status than 200 stands for."""
    own = _own_words(reply.body)
    kind, error, meaning = _meaning(reply, own)
    said = own or explanation(reply.body) or first_words(reply.body)
    message = f"{meaning}: {said}" if said else meaning
    refused = error(kind, reply.endpoint, message, http_status=reply.status)
    if isinstance(refused, RateLimitedError):
        refused.retry_after = _retry_after(reply)
    return refused


def explanation(body: bytes | bytearray) -> str:
    """What a body in JSON says under `error` or `message`; empty where it says nothing."""
    said = _said(body)
    return _text(said.error) or _text(said.message)


def _own_words(body: bytes | bytearray) -> str:
    """What the vendor itself says; empty where the body does not have the form of its refusals."""
    said = _said(body)
    status = _text(said.status)
    if status == "ERROR":
        return _text(said.error)
    return (_text(said.message) or _text(said.error)) if status in _REFUSALS else ""


def _said(body: bytes | bytearray) -> _Said:
    try:
        return msgspec.json.decode(body, type=_Said)
    except (ValueError, RecursionError):
        return _Said()


def _text(said: msgspec.Raw) -> str:
    try:
        return visible(msgspec.json.decode(said, type=str))
    except ValueError:  # absent, or no text
        return ""


def _meaning(reply: Reply, own: str) -> _Meaning:
    status = reply.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _5XX
    if status >= HTTPStatus.BAD_REQUEST:
        return _client_error(status, own)
    if status >= HTTPStatus.MULTIPLE_CHOICES and "Location" in reply.headers:
        return _redirect(reply)
    return _UNEXPECTED


def _client_error(status: int, own: str) -> _Meaning:
    if not own and status not in _FROM_ANY_SERVER:
        return _of_another_server(status)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(own.lower())
    return _MEANINGS.get(status, _OTHER_4XX)


def _of_another_server(status: int) -> _Meaning:
    meaning = (
        f"HTTP {status}, not in the vendor's form: a proxy or firewall between here and "
        "POLYGON_BASE_URL may have answered"
    )
    return FailureKind.NOT_THE_VENDOR, RetryableError, meaning


def _forbidden(own: str) -> _Meaning:
    if "before end of day" in own:
        return _TOO_EARLY
    return _OUTSIDE_PLAN if "timeframe" in own else _NOT_ENTITLED


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
