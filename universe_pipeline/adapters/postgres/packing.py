"""Columns as the server packs them: the values of one column stand side by side, big-endian.

Unpacked they are numpy's: dates as days since 1970-01-01, nulls as NaN, `NO_COUNT`, `NO_SECURITY`.

What the server does for every value costs most, so that four numbers go as the two points of a line
segment, and two as one point. A text can hold no NUL, so that one stands between two symbols.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from psycopg import sql

NO_COUNT = -(2**63)
"""Stands for a null of a bigint."""

NO_SECURITY = 0
"""Stands for a null of an id; ids begin at 1."""

_FORMS = {
    4: "string_agg(lseg_send(lseg(point({}, {}), point({}, {}))), '')",
    2: "string_agg(point_send(point({}, {})), '')",
    1: "string_agg(float8send({}), '')",
}
_OTHERS = {
    "date": ("string_agg(date_send(b.date), '')", ">i4"),
    "transactions": (
        "string_agg(int8send(coalesce(b.transactions, -9223372036854775808)), '')",
        ">i8",
    ),
}
_NULLABLE = ("vwap",)
_EPOCH = np.int32(10_957)
"""Days from 1970-01-01, where Polars begins, to 2000-01-01, where PostgreSQL does."""

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """Columns whose values go in one text of bytes."""

    names: tuple[str, ...]
    sql: str
    """An aggregate over the rows."""
    form: str
    """The values as numpy names them."""

    def unpacked(self, packed: bytes) -> Iterator[tuple[str, Numbers]]:
        """Each column's values, in the order of the rows."""
        native = numbers(packed, self.form, len(self.names))
        return zip(self.names, native + _EPOCH if self.names == ("date",) else native, strict=True)


def numbers(packed: bytes, form: str, columns: int) -> Numbers:
    """The numbers of each column, of which the values of a row stand side by side."""
    rows = np.frombuffer(packed, form).reshape(-1, columns)
    return rows.T.astype(rows.dtype.newbyteorder("="), order="C")


def query(text: str) -> sql.SQL:
    """A statement that was put together of this package's texts alone."""
    return sql.SQL(cast("LiteralString", text))


@lru_cache(maxsize=64)
def packs(names: tuple[str, ...]) -> tuple[Pack, ...]:
    """How columns of the bars `b` are packed."""
    numbers = [name for name in names if name not in _OTHERS]
    others = [name for name in names if name in _OTHERS]
    return (*_packs_of_numbers(numbers), *(Pack((name,), *_OTHERS[name]) for name in others))


def _packs_of_numbers(names: Sequence[str]) -> Iterator[Pack]:
    start = 0
    for size in (*[4] * (len(names) // 4), *[2] * (len(names) % 4 // 2), *[1] * (len(names) % 2)):
        chosen = tuple(names[start : start + size])
        yield Pack(chosen, _FORMS[size].format(*map(_number, chosen)), ">f8")
        start += size


def _number(name: str) -> str:
    return f"coalesce(b.{name}, 'NaN')" if name in _NULLABLE else f"b.{name}"


def unpack(chosen: Iterable[Pack], received: Iterable[bytes]) -> dict[str, Numbers]:
    """The columns of `chosen`, whose packed values are `received` in the same order."""
    return {
        name: values
        for pack, packed in zip(chosen, received, strict=True)
        for name, values in pack.unpacked(packed)
    }


def series(name: str, values: Numbers) -> pl.Series:
    """A column of a frame."""
    if name == "date":
        return pl.Series(name, values).cast(pl.Date)
    if name == "transactions":
        counts = pl.Series(name, values)
        return counts.set(counts == NO_COUNT, None)
    if name == "security_id":
        ids = pl.Series(name, values)
        return ids.set(ids <= NO_SECURITY, None)
    return pl.Series(name, values, nan_to_null=name in _NULLABLE)


def texts(packed: bytes) -> pl.Series:
    """Texts that stand one after the other, a NUL between two."""
    return pl.Series([packed.decode()], dtype=pl.String).str.split("\0").explode()
