"""Bars as PostgreSQL's binary COPY format, built column-wise instead of value by value.

Format: postgresql.org/docs/current/sql-copy.html, "Binary Format": a header, then for every row
the number of fields and for each field its length (-1 for NULL) and its bytes, big-endian.

All rows are laid out alike first, with room for the longest symbol and for every value; the bytes
that a row does not have are then left out. Version 1 of a session's fingerprint is defined as that
layout (`domain/fingerprint.py`): the digest must stay when the layout changes.

By numpy: Polars would hand the rows to a thread of its own, which on two cores has to wait for its
turn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.fingerprint import versioned
from universe_pipeline.domain.tables import names

COLUMNS = names("daily_bars")
"""The columns of `daily_bars` in the order in which they are encoded."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_EPOCH = date(2000, 1, 1)
_WORD = 8
_PRESENT = ("open", "high", "low", "close", "volume")
_OPTIONAL: tuple[LiteralString, ...] = ("vwap", "transactions")
_VARYING = ("symbol", *_OPTIONAL)
"""The columns whose values are not of one length, in their order."""

_NUMBERS = (*_PRESENT, "vwap")


@dataclass(frozen=True, slots=True)
class EncodedBars:
    """Bars in COPY BINARY, without header and trailer, ordered by date and symbol."""

    content: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]
    """Where in `content` each row ends."""
    fingerprint: str
    """`domain.fingerprint.of_session`; means nothing where the frame had dates."""

    def __len__(self) -> int:
        return len(self.ends)

    def buffers(self, most_rows: int | None = None) -> Iterator[memoryview]:
        """The content in pieces of at most so many rows; in one piece by default."""
        step = most_rows or max(1, len(self))
        start = 0
        for last in range(step - 1, len(self) + step - 1, step):
            end = int(self.ends[min(last, len(self) - 1)])
            yield self.content[start:end].data
            start = end


def encode(bars: pl.DataFrame, source: str, session: date | None = None) -> EncodedBars:
    """Encode bars.

    In the order of the primary key: the index then only grows at its end, which makes it a quarter
    smaller and the COPY a sixth quicker than in the vendor's order.

    Args:
        bars: `BAR_SCHEMA` with `session` given, or `DATED_BAR_SCHEMA`.
        source: value of the `source` column for every row.
        session: the date of every row, where the frame has none.
    """
    days = (bars["date"] - _EPOCH).dt.total_days().to_numpy() if session is None else None
    layout, rows, is_canonical = _laid_out(_columns_of(bars), source, days)
    digest = _digest(rows, is_canonical=is_canonical)
    if session is not None:
        rows["date"] = (session - _EPOCH).days
    return layout.packed(rows, digest)


def fingerprint(bars: pl.DataFrame) -> str:
    """`domain.fingerprint.of_session` of a session's bars (`BAR_SCHEMA`)."""
    return fingerprint_of(_columns_of(bars))


def fingerprint_of(columns: "BarColumns") -> str:
    """The same of bars that are not in a frame."""
    _, rows, is_canonical = _laid_out(columns, "grouped")
    return _digest(rows, is_canonical=is_canonical)


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars as arrays, a bar at the same place of each."""

    lengths: npt.NDArray[np.int64]
    """Of the symbols, in bytes."""
    characters: npt.NDArray[np.uint8]
    """The symbols' bytes, one symbol after the other."""
    values: Mapping[str, npt.NDArray[Any]]
    """By name; of an absent value 0."""
    absent: Mapping[str, npt.NDArray[np.bool_]]
    """By name, where any are."""


def _columns_of(bars: pl.DataFrame) -> BarColumns:
    values: dict[str, npt.NDArray[Any]] = {name: bars[name].to_numpy() for name in _PRESENT}
    absent: dict[str, npt.NDArray[np.bool_]] = {}
    for name in _OPTIONAL:
        column = bars[name]
        if column.null_count():
            absent[name] = column.is_null().to_numpy()
            column = column.fill_null(0)
        values[name] = column.to_numpy()
    symbols = bars["symbol"]
    lengths = symbols.str.len_bytes().to_numpy().astype(np.int64)
    characters = np.frombuffer(symbols.str.join("").item().encode(), np.uint8)
    return BarColumns(lengths, characters, values, absent)


def _digest(rows: npt.NDArray[np.void], *, is_canonical: bool) -> str:
    return versioned((rows if is_canonical else _canonical(rows)).data)


def _is_canonical(values: npt.NDArray[np.float64]) -> bool:
    """Whether no zero has a sign and none is NaN; nearly always the first comparison says so."""
    if values.min(initial=1) > 0:
        return True
    return not (np.isnan(values) | ((values == 0) & np.signbit(values))).any()


def _canonical(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The rows with equal bits for equal numbers; stored they are with the bits that came."""
    rows = rows.copy()
    for name in _NUMBERS:
        values = rows[name] + 0.0
        rows[name] = np.where(np.isnan(values), np.nan, values)
    return rows


def _laid_out(
    columns: BarColumns, source: str, days: npt.NDArray[np.int64] | None = None
) -> "tuple[_Layout, npt.NDArray[np.void], bool]":
    """All rows, laid out alike, in order; without a date unless `days` are given.

    Also whether their numbers are canonical.
    """
    lengths, symbols = columns.lengths, _in_words(columns.lengths, columns.characters)
    layout = _Layout(int(lengths.max(initial=1)), source.encode())
    rows = layout.rows(len(lengths))
    dated = [] if days is None else [days]
    order = _order([*dated, *symbols.view(">u8").astype(np.uint64).T])
    if days is not None:
        rows["date"] = days[order]
    rows["symbol#"] = lengths[order]
    rows["symbol"] = symbols.view(f"S{symbols.shape[1]}")[order, 0]
    for name, is_absent in columns.absent.items():
        rows[f"{name}#"][is_absent[order]] = -1
    for name, values in columns.values.items():
        rows[name] = values[order]
    return layout, rows, all(_is_canonical(columns.values[name]) for name in _NUMBERS)


def _in_words(
    lengths: npt.NDArray[np.int64], characters: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """The bytes of texts, a text a row, filled with zeros to whole words."""
    words = -(-int(lengths.max(initial=1)) // _WORD)
    padded = np.zeros((len(lengths), words * _WORD), dtype=np.uint8)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = characters
    return padded


def _order(keys: Sequence[npt.NDArray[np.int64 | np.uint64]]) -> npt.NDArray[np.intp] | slice:
    """Where the rows in the order of `keys` are, the first of which decides first.

    One key, as most sessions' symbols have, takes a fifth of the time of several; rows that are in
    order, as stored ones are, stay where they are.
    """
    first, *others = keys
    if others:
        return np.lexsort(keys[::-1])
    is_in_order = bool((first[1:] >= first[:-1]).all())
    return slice(None) if is_in_order else np.argsort(first)


@dataclass(frozen=True)
class _Layout:
    """One row: every field as its length (`name#`) and its bytes, at their longest."""

    longest_symbol: int
    source: bytes

    @cached_property
    def _type(self) -> np.dtype[np.void]:
        types = {
            "date": ">i4",
            "symbol": f"S{self.longest_symbol}",
            **dict.fromkeys((*_PRESENT, "vwap"), ">f8"),
            "transactions": ">i8",
            "source": f"S{len(self.source)}",
        }
        fields = [("fields", ">i2")]
        for name in COLUMNS:
            fields += [(f"{name}#", ">i4"), (name, types[name])]
        return np.dtype(fields)

    def rows(self, count: int) -> npt.NDArray[np.void]:
        """Rows without values, but for what is the same in all of them."""
        row = np.zeros(1, dtype=self._type)
        row["fields"] = len(COLUMNS)
        for name in COLUMNS:
            row[f"{name}#"] = self._type[name].itemsize
        row["source"] = self.source
        return np.repeat(row, count)

    def packed(self, rows: npt.NDArray[np.void], digest: str) -> EncodedBars:
        """The rows without the bytes that they do not have.

        Rows alike, which have all lengths in common, are copied together, a few pieces each.
        """
        sizes = np.full(len(rows), self._type.itemsize)
        shapes = np.zeros(len(rows), dtype=np.int64)
        for name in _VARYING:
            lengths = rows[f"{name}#"].astype(np.int64)
            sizes += np.maximum(lengths, 0) - self._type[name].itemsize
            shapes = shapes * (self._type[name].itemsize + 2) + lengths + 1
        ends = np.cumsum(sizes)
        content = np.empty(int(sizes.sum()), dtype=np.uint8)
        for shape in np.unique(shapes):
            (alike,) = np.nonzero(shapes == shape)
            places = ends[alike] - sizes[alike]
            for begin, end in self._pieces(rows[alike[:1]]):
                piece = f"V{end - begin}"
                given = np.ndarray(len(rows), piece, rows, begin, rows.strides)
                at_any_byte = np.ndarray(len(content) - (end - begin) + 1, piece, content, 0, (1,))
                at_any_byte[places] = given[alike]
                places += end - begin
        return EncodedBars(content, ends, digest)

    def _pieces(self, row: npt.NDArray[np.void]) -> Iterator[tuple[int, int]]:
        """The bytes that one row has, from where to where."""
        fields = self._type.fields
        assert fields is not None  # noqa: S101  # a structured type has them
        begin = 0
        for name in _VARYING:
            kind, offset, *_ = fields[name]
            has = max(0, row[f"{name}#"].item())
            if has < kind.itemsize:
                yield begin, offset + has
                begin = offset + kind.itemsize
        yield begin, self._type.itemsize
