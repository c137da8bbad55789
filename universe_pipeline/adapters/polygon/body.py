"""Reading a body: unpacked here, so that its size is bounded and a cut one is noticed.

httpx's own gzip decoder does neither: it unpacks a bomb whole, and takes half a stream for all.
ISA-L unpacks three times as fast as zlib, which took a tenth of the processor time of a load.
"""

from collections.abc import Iterable, Iterator
from typing import cast

from isal import isal_zlib

from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

MOST_BYTES = 64 * 1024 * 1024
"""No answer is larger, unpacked: a grouped day of 2026, the largest, has 1.3 MB."""

MOST_PACKED = 16 * 1024 * 1024
"""Nor packed: numbers in JSON pack to a third. What unpacks to nothing would go on for ever."""

_MOST_EXPLANATION = 64 * 1024
_STEP = 1024 * 1024
_GZIP = isal_zlib.MAX_WBITS | 16

Damaged = cast("type[Exception]", isal_zlib.error)  # its stub calls it an instance
"""Raised by a body that is not gzip, or is cut off."""


class _TooLargeError(Exception):
    """Says what is too large, and how much of it there may be."""


def packing(header: str) -> str:
    """How a Content-Encoding says that a body is packed: "gzip", "" for not at all, or another.

    Names have no case, `x-gzip` is gzip, and `identity` changes nothing (RFC 9110, 8.4.1).
    """
    named = (name.strip().lower() for name in header.split(","))
    applied = (name for name in named if name not in ("", "identity"))
    return ", ".join("gzip" if name == "x-gzip" else name for name in applied)


def read_answer(chunks: Iterable[bytes], packed_as: str, endpoint: str) -> bytearray:
    """A whole body of that `packing`, unpacked.

    Raises:
        PermanentError: it has more than `MOST_BYTES`, or `MOST_PACKED` as it came (too_large).
        RetryableError: it is packed as was not asked for (unexpected_shape).
        Damaged: it is, or ends early.
    """
    if packed_as not in ("", "gzip"):
        raise RetryableError(
            FailureKind.UNEXPECTED_SHAPE,
            endpoint,
            f"the body is packed as {visible(packed_as)}, not as gzip",
        )
    body = bytearray()
    try:
        for part in _within(MOST_BYTES, "body", _unpacked(chunks, packed_as)):
            body += part
    except _TooLargeError as refused:
        raise PermanentError(FailureKind.TOO_LARGE, endpoint, str(refused)) from None
    return body


def read_explanation(chunks: Iterable[bytes], packed_as: str) -> bytearray:
    """The beginning of an error's body; its end explains nothing, and the status says the rest."""
    body = bytearray()
    try:
        for part in _unpacked(chunks, packed_as):
            body += part
            if len(body) > _MOST_EXPLANATION:
                break
    except (Damaged, _TooLargeError):
        pass  # what could be read has to do
    return body


def _within(most: int, what: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise _TooLargeError(f"the {what} has more than {most // 1024**2} MB, as no answer has")
        yield part


def _unpacked(chunks: Iterable[bytes], packed_as: str) -> Iterator[bytes]:
    if packed_as != "gzip":
        return iter(chunks)
    return _gunzip(_within(MOST_PACKED, "packed body", chunks))


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = isal_zlib.decompressobj(_GZIP)
    for chunk in chunks:
        packed = chunk
        while packed:
            if member.eof:
                member = isal_zlib.decompressobj(_GZIP)
            yield member.decompress(packed, _STEP)
            packed = member.unconsumed_tail or member.unused_data
    if not member.eof:
        raise Damaged("the gzip stream ends early")
