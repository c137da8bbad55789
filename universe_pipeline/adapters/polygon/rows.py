"""The rows of an answer, decoded strictly, one by one.

So those that are not as documented, and no others, are set aside as they came.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, cast

import msgspec

from universe_pipeline.adapters.polygon.envelope import (
    REFUSED,
    Envelope,
    Header,
    has_rows,
    open_envelope,
    require_count,
    too_large,
    unusable,
)
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.domain.quality import UNDECODABLE

MOST_COUNTABLE = 2.0**53
"""Beyond this a float no longer counts by ones."""

Count: TypeAlias = Annotated[
    float, msgspec.Meta(multiple_of=1.0, ge=-MOST_COUNTABLE, le=MOST_COUNTABLE)
]
"""A whole number, which may come as 203.0."""

LONGEST_TEXT = 1_000

Symbol: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
"""What is a symbol at all; validation has its own limit, of 32."""

Row = TypeVar("Row", bound=msgspec.Struct)

_LONGEST_SYMBOL = 32
_LONGEST_PAYLOAD = 2_000
"""Bytes, of which a real row has some 120."""
_DEEPEST_PAYLOAD = 20
_LONGEST_INTEGER = 18


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """The rows of one answer, in its order."""

    good: list[Row]
    undecodable: tuple[RejectedRow, ...] = ()

    def __len__(self) -> int:
        return len(self.good) + len(self.undecodable)


MOST_ROWS = 100_000
"""Twice what the longest range answer has."""


def read_rows(reply: Reply, kind: type[Row], symbol: str | None = None) -> tuple[Header, Rows[Row]]:
    """Decode an answer and its rows; none where it states that there are none.

    Args:
        reply: the answer.
        kind: what a row has to be.
        symbol: the ticker of the rows, where the rows do not name it.

    Raises:
        VendorError: the answer is none, or has not the rows that it states.
        PermanentError: it has more rows than any answer (too_large).
    """
    header = open_envelope(reply)
    rows: Rows[Row] = Rows([])
    if has_rows(reply, header):
        packed = _packed(reply, header)
        if len(packed) > MOST_ROWS:
            raise too_large(reply, f"{len(packed):,} rows, as no answer has")
        rows = _one_by_one(packed, kind, symbol)
    require_count(reply, header, len(rows))
    return header, rows


def _packed(reply: Reply, envelope: Envelope) -> list[msgspec.Raw]:
    try:
        return _decoder(list[msgspec.Raw]).decode(envelope.results)
    except REFUSED as error:
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, "`results` is no list") from error


def _one_by_one(packed: list[msgspec.Raw], kind: type[Row], symbol: str | None) -> Rows[Row]:
    good: list[Row] = []
    undecodable: list[RejectedRow] = []
    for raw in packed:
        try:
            good.append(_decoder(kind).decode(raw))
        except REFUSED:
            sent = _as_sent(memoryview(raw))
            undecodable.append(RejectedRow(UNDECODABLE, symbol or _symbol_of(sent), sent))
    return Rows(good, tuple(undecodable))


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _as_sent(raw: memoryview) -> dict[str, Any]:
    """The row in what JSON and a database can hold; other than an object, as its `value`."""
    text = bytes(raw[:_LONGEST_PAYLOAD]).decode("utf-8", "replace")
    value: Any = text
    if len(raw) <= _LONGEST_PAYLOAD and text.count("[") + text.count("{") <= _DEEPEST_PAYLOAD:
        value = json.loads(text, parse_float=_finite_or_text, parse_int=_short_or_text)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"value": value}


def _finite_or_text(number: str) -> float | str:
    return float(number) if isfinite(float(number)) else number


def _short_or_text(number: str) -> int | str:
    return int(number) if len(number) <= _LONGEST_INTEGER else number


def _symbol_of(sent: dict[str, Any]) -> str | None:
    match sent.get("T", sent.get("ticker")):
        # U+FFFD stands for bytes that are not UTF-8.
        case str(symbol) if 0 < len(symbol) <= _LONGEST_SYMBOL and "\ufffd" not in symbol:
            return symbol
        case _:
            return None
