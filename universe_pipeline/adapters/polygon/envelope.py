"""The envelope of an answer: recognised and checked before the rows in it."""

from http import HTTPStatus

import msgspec

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.refusals import explanation, refusal
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

MOST_VALUES = 1_000_000
"""Commas in an answer: 50,000 rows of a range, the longest, have 400,000. More of the smallest
values than that would take a hundred times their bytes to decode."""

GOOD = ("OK", "DELAYED")
"""DELAYED is what 15-minute plans get; the data is good."""

REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a value that it refuses, invalid UTF-8 and deep nesting included."""


class Header(msgspec.Struct, gc=False):
    """What stands around the rows; keys that are not named here do not matter."""

    status: str | None = None
    ticker: str | None = None
    adjusted: bool | None = None
    results_count: float | None = msgspec.field(name="resultsCount", default=None)
    count: float | None = None
    next_url: str | None = None


class Envelope(Header, gc=False):
    """An answer whose rows are still packed."""

    results: msgspec.Raw = msgspec.Raw()
    """Empty where the answer has none."""


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ABSENT, _NULL = msgspec.Raw(), msgspec.Raw(b"null")


def open_envelope(reply: Reply) -> Envelope:
    """Decode an answer and check that the vendor calls it good.

    Raises:
        VendorError: the `refusal` of another status than 200.
        PermanentError: it holds more values than any answer (too_large).
        RetryableError: not_json, malformed_json, unexpected_shape or error_status.
    """
    if reply.status != HTTPStatus.OK:
        raise refusal(reply)
    require_decodable(reply)
    try:
        envelope = _ENVELOPE.decode(reply.body)
    except msgspec.ValidationError as error:
        raise unusable(
            reply, FailureKind.UNEXPECTED_SHAPE, f"not as documented: {error}"
        ) from error
    except REFUSED as error:
        raise _no_json(reply, error) from error
    if envelope.status is None:
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, "the answer has no status")
    if envelope.status not in GOOD:
        said = explanation(reply.body) or "no reason given"
        raise unusable(reply, FailureKind.ERROR_STATUS, f"status {envelope.status[:40]!r}: {said}")
    return envelope


def require_decodable(reply: Reply) -> None:
    """Check that decoding takes bounded memory.

    Raises:
        PermanentError: there are more values than in any answer (too_large).
    """
    # A value and its comma take two bytes at least; counting takes half a millisecond.
    if len(reply.body) > 2 * MOST_VALUES and reply.body.count(b",") > MOST_VALUES:
        raise too_large(reply, f"more than {MOST_VALUES:,} values, as no answer has")


def has_rows(reply: Reply, envelope: Envelope) -> bool:
    """Whether there are `results`, which only a stated count of 0 excuses from being there.

    Raises:
        RetryableError: `results` is null, as was seen under load (unexpected_shape), or missing
            without that count (count_mismatch, unexpected_shape).
    """
    if envelope.results == _NULL:
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, "`results` is null")
    if envelope.results != _ABSENT:
        return True
    if _stated(envelope) is None:
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, "neither `results` nor a count of them")
    require_count(reply, envelope, 0)
    return False


def require_count(reply: Reply, header: Header, rows: int) -> None:
    """Check that there are as many rows as stated, where it is stated.

    Raises:
        RetryableError: there are not (count_mismatch).
    """
    stated = _stated(header)
    if stated is not None and stated != rows:
        message = f"{rows:,} rows where the answer states {stated:,.15g}"
        raise unusable(reply, FailureKind.COUNT_MISMATCH, message)


def unusable(reply: Reply, kind: FailureKind, message: str) -> RetryableError:
    """The error for an answer with HTTP status 200 that cannot be used."""
    return RetryableError(kind, reply.endpoint, message, http_status=reply.status)


def too_large(reply: Reply, message: str) -> PermanentError:
    """The error for an answer that would take too much memory."""
    return PermanentError(FailureKind.TOO_LARGE, reply.endpoint, message, http_status=reply.status)


def _stated(header: Header) -> float | None:
    # Reference answers have no resultsCount; count is the rows of the page.
    return header.count if header.results_count is None else header.results_count


def _no_json(reply: Reply, error: Exception) -> RetryableError:
    beginning = bytes(reply.body[:100]).lstrip()
    if beginning.startswith((b"{", b"[")):
        return unusable(reply, FailureKind.MALFORMED_JSON, f"broken JSON: {error}")
    what = f"no JSON but {beginning[:40].decode('utf-8', 'replace')!r}…" if beginning else "no body"
    return unusable(reply, FailureKind.NOT_JSON, what)
