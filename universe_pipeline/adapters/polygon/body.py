"""Reading a body: unpacked here, so that its size is bounded and a cut one is noticed.

httpx's own gzip decoder does neither: it unpacks a bomb whole, and takes half a stream for all.
"""

import zlib
from collections.abc import Iterable, Iterator

from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

MOST_BYTES = 64 * 1024 * 1024
"""No answer is larger, unpacked: a grouped day of 2026, the largest, has 1.3 MB."""

_MOST_EXPLANATION = 64 * 1024
_STEP = 1024 * 1024
_GZIP = zlib.MAX_WBITS | 16


def read_answer(chunks: Iterable[bytes], encoding: str, endpoint: str) -> bytearray:
    """A whole body of the Content-Encoding `encoding`, unpacked.

    Raises:
        PermanentError: it has more than `MOST_BYTES` (too_large).
        RetryableError: it is packed as was not asked for (unexpected_shape).
        zlib.error: it is damaged or ends early.
    """
    if encoding not in ("", "identity", "gzip"):
        raise RetryableError(
            FailureKind.UNEXPECTED_SHAPE,
            endpoint,
            f"the body is packed as {visible(encoding)}, not as gzip",
        )
    body = bytearray()
    for part in _unpacked(chunks, encoding):
        body += part
        if len(body) > MOST_BYTES:
            raise PermanentError(
                FailureKind.TOO_LARGE,
                endpoint,
                f"the body has more than {MOST_BYTES // 1024**2} MB, as no answer has",
            )
    return body


def read_explanation(chunks: Iterable[bytes], encoding: str) -> bytearray:
    """The beginning of an error's body; its end explains nothing, and the status says the rest."""
    body = bytearray()
    try:
        for part in _unpacked(chunks, encoding):
            body += part
            if len(body) > _MOST_EXPLANATION:
                break
    except zlib.error:
        pass  # what could be read has to do
    return body


def _unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    return _gunzip(chunks) if encoding == "gzip" else iter(chunks)


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        packed = chunk
        while packed:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            yield member.decompress(packed, _STEP)
            packed = member.unconsumed_tail or member.unused_data
    if not member.eof:
        raise zlib.error("the gzip stream ends early")
