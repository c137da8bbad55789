"""Reading a body: unpacked here, so that its size is bounded and a cut one is noticed.

httpx's own gzip decoder does neither: it unpacks a bomb whole, and takes half a stream for all.
ISA-L unpacks three times as fast as zlib, which took a tenth of the processor time of a load.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from isal import isal_zlib

from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

MOST_BYTES = 64 * 1024 * 1024
"""No answer is larger, unpacked: a grouped day of 2026, the largest, has 1.3 MB."""

MOST_PACKED = 16 * 1024 * 1024
"""Nor packed: numbers in JSON pack to a third. What unpacks to nothing would never end."""

_MOST_EXPLANATION = 64 * 1024
_STEP = 1024 * 1024
_PIECE = 64 * 1024
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
    """A whole body of that `packing`, as it comes.

    Raises:
        PermanentError: it is larger than any answer: `MOST_PACKED`, or `MOST_BYTES` where it is not
            packed (too_large).
        RetryableError: it is packed as was not asked for (unexpected_shape).
    """
    if packed_as not in ("", "gzip"):
        raise RetryableError(
            FailureKind.UNEXPECTED_SHAPE,
            endpoint,
            f"the body is packed as {visible(packed_as)}, not as gzip",
        )
    most, what = (MOST_PACKED, "packed body") if packed_as else (MOST_BYTES, "body")
    content = bytearray()  # a list of chunks would take the more memory the smaller they are
    with _no_larger(endpoint):
        for chunk in _within(most, what, chunks):
            content += chunk
    return content


def unpacked(content: bytearray, packed_as: str, endpoint: str) -> bytearray:
    """What `read_answer` has read, unpacked.

    Raises:
        PermanentError: it has more than `MOST_BYTES` (too_large).
        Damaged: it is, or ends early.
    """
    if not packed_as:
        return content
    body = bytearray()
    with _no_larger(endpoint):
        for part in _within(MOST_BYTES, "body", _gunzip(content)):
            body += part
    return body


def read_explanation(chunks: Iterable[bytes]) -> bytearray:
    """The beginning of an error's body, as it comes; its end explains nothing."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > _MOST_EXPLANATION:
            break
    return content


def explanation(content: bytearray, packed_as: str) -> bytearray:
    """What can be unpacked of an error's body; the status says the rest."""
    body = bytearray()
    try:
        for part in _gunzip(content) if packed_as == "gzip" else (content,):
            body += part
            if len(body) > _MOST_EXPLANATION:
                break
    except Damaged:
        pass  # what could be read has to do
    return body


@contextmanager
def _no_larger(endpoint: str) -> Generator[None]:
    try:
        yield
    except _TooLargeError as refused:
        raise PermanentError(FailureKind.TOO_LARGE, endpoint, str(refused)) from None


def _within(most: int, what: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise _TooLargeError(f"the {what} has more than {most // 1024**2} MB, as no answer has")
        yield part


def _gunzip(content: bytearray) -> Iterator[bytes]:
    member = isal_zlib.decompressobj(_GZIP)
    # In pieces: what is left of one is copied for each member, of which a hostile body has many.
    for start in range(0, len(content), _PIECE):
        packed = content[start : start + _PIECE]
        while packed:
            if member.eof:
                member = isal_zlib.decompressobj(_GZIP)
            yield member.decompress(packed, _STEP)
            packed = member.unconsumed_tail or member.unused_data
    if not member.eof:
        raise Damaged("the gzip stream ends early")
