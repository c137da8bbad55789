"""The rows of an answer as columns, read by Polars.

That leaves the interpreter, which all threads of a load share, to the others. Polars takes some
values for what they are not; so what it could mistake is not read here, but one by one (`rows`).
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl

from universe_pipeline.adapters.polygon.envelope import (
    GOOD,
    REFUSED,
    Header,
    require_count,
    require_decodable,
)
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.rows import LONGEST_TEXT, MOST_COUNTABLE, MOST_ROWS

_RESULTS = b'"results":['
_MOST_BYTES = 8 * 1024 * 1024
"""The longest answers, 50,000 rows of a range, have 6 MB."""

_PIECE_BYTES = 128 * 1024
"""Rows are read so many bytes at a time: Polars takes ten times the bytes of what it reads."""


class _Around(Header, kw_only=True, gc=False):
    """An answer whose rows were taken out."""

    results: Annotated[list[Any], msgspec.Meta(max_length=0)]


_AROUND = msgspec.json.Decoder(_Around)


def read_columns(
    reply: Reply, types: Mapping[str, pl.DataType]
) -> tuple[Header, pl.DataFrame] | None:
    """Decode an answer and its rows.

    None where anything about it is unusual: `read_rows` names it.

    Args:
        reply: the answer.
        types: what a row has, by the vendor's keys: text, which every row must have; `Float64`, or
            `Int64` for counts, which may be absent.

    Raises:
        RetryableError: it states another number of rows (count_mismatch).
        PermanentError: it holds more values than any answer (too_large).
    """
    if reply.status != HTTPStatus.OK or len(reply.body) > _MOST_BYTES:
        return None
    require_decodable(reply)
    # Were these not the brackets of the rows, then one part or the other would be no JSON, or the
    # rows be those of a second object.
    first, after = reply.body.find(_RESULTS) + len(_RESULTS) - 1, reply.body.rfind(b"]") + 1
    packed = bytes(memoryview(reply.body)[first:after])
    around = reply.body[:first] + b"[]" + reply.body[after:]
    is_only_one = around.count(b'results"') == 1 and b"\\" not in around
    if not packed or not is_only_one or _has_what_may_be_mistaken(packed):
        return None
    read_as = {key: pl.Float64() if kind == pl.Int64 else kind for key, kind in types.items()}
    try:
        header = _AROUND.decode(around)
        read = (pl.read_json(BytesIO(piece), schema=read_as) for piece in _pieces(packed))
        rows = pl.concat(read, rechunk=True)
    except (*REFUSED, pl.exceptions.ComputeError):
        return None
    if header.status not in GOOD or rows.height > MOST_ROWS or _keys(packed) != _values(rows):
        return None
    if not rows.select(_is_as_documented(types)).item():
        return None
    require_count(reply, header, rows.height)
    return header, rows.cast({key: kind for key, kind in types.items() if kind == pl.Int64})


def _pieces(packed: bytes) -> Iterator[bytes]:
    """A list of rows as several. Cut within a row, where it has such a text, none would be JSON."""
    start = 0  # at the bracket, or at a comma
    while (end := packed.find(b"},{", start + _PIECE_BYTES) + 1) > 0:
        yield b"[" + packed[start + 1 : end] + b"]"
        start = end
    yield b"[" + packed[start + 1 :]


def _has_what_may_be_mistaken(packed: bytes) -> bool:
    """Truth values would be taken for numbers, and half a surrogate for the character U+0000.

    A letter that numbers and symbols hardly have is found soonest.
    """
    return (
        b"\\" in packed
        or (b"u" in packed and b"true" in packed)
        or (b"f" in packed and b"false" in packed)
    )


def _keys(packed: bytes) -> int:
    """At least as many as the rows have: symbols may hold colons, too."""
    return int(np.count_nonzero(np.frombuffer(packed, np.uint8) == ord(":")))


def _values(rows: pl.DataFrame) -> int:
    """All keys have one, unless one is unknown, or null, or stands twice in a row."""
    return sum(len(column) - column.null_count() for column in rows)


def _is_as_documented(types: Mapping[str, pl.DataType]) -> pl.Expr:
    """Numbers are taken for text: their first character comes before all letters."""
    are_valid = [
        (pl.col(key) >= "A") & (pl.col(key).str.len_bytes() <= LONGEST_TEXT)
        if kind == pl.String
        else (pl.col(key) % 1 == 0) & (pl.col(key).abs() <= MOST_COUNTABLE) | pl.col(key).is_null()
        for key, kind in types.items()
        if kind != pl.Float64
    ]
    return pl.all_horizontal(are_valid).fill_null(value=False).all()
