"""Bars as PostgreSQL's binary COPY format, built column-wise instead of value by value.

Format: postgresql.org/docs/current/sql-copy.html, "Binary Format": a header, then for every row
the number of fields and for each field its length (-1 for NULL) and its bytes, big-endian.
"""

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

COLUMNS = (
    "date",
    "symbol",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "transactions",
    "source",
)
"""The columns of `daily_bars` in the order in which they are encoded."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_EPOCH = date(2000, 1, 1)
_VALUES = ("open", "high", "low", "close", "volume")


def encode(bars: pl.DataFrame, source: str, session: date | None = None) -> Iterator[bytes]:
    """Encode bars, without header and trailer, in groups of rows of one layout.

    Args:
        bars: `BAR_SCHEMA` with `session` given, or `DATED_BAR_SCHEMA`.
        source: value of the `source` column for every row.
        session: the date of every row, where the frame has none.

    Rows come out ordered by length of the symbol, missing values, and symbol; equal bars give
    equal bytes.
    """
    dated = bars if session is None else bars.with_columns(date=pl.lit(session))
    shaped = dated.with_columns(
        _length=pl.col("symbol").str.len_bytes(),
        _vwap=pl.col("vwap").is_not_null(),
        _transactions=pl.col("transactions").is_not_null(),
    ).sort("_length", "_vwap", "_transactions", "date", "symbol")
    for _, group in shaped.group_by("_length", "_vwap", "_transactions", maintain_order=True):
        yield _encode_group(group, source.encode())


def _encode_group(group: pl.DataFrame, source: bytes) -> bytes:
    first = group.row(0, named=True)
    optional = [name for name in ("vwap", "transactions") if first[f"_{name}"]]
    layout = _layout(first["_length"], optional, len(source))
    rows = np.zeros(len(group), dtype=layout)
    rows["fields"] = len(COLUMNS)
    for name in layout.names or ():
        if name.endswith("#"):
            rows[name] = -1 if name[:-1] not in (layout.names or ()) else layout[name[:-1]].itemsize
    rows["date"] = (group["date"] - _EPOCH).dt.total_days().to_numpy()
    rows["symbol"] = np.array(group["symbol"].cast(pl.Binary).to_list(), dtype=layout["symbol"])
    for name in (*_VALUES, *optional):
        rows[name] = group[name].to_numpy()
    rows["source"] = source
    return rows.tobytes()


def _layout(symbol_length: int, optional: list[str], source_length: int) -> np.dtype[np.void]:
    """One row: every field as its length (`name#`) and, unless it is NULL, its bytes."""
    types = {
        "date": ">i4",
        "symbol": f"S{symbol_length}",
        **dict.fromkeys(_VALUES, ">f8"),
        "vwap": ">f8" if "vwap" in optional else None,
        "transactions": ">i8" if "transactions" in optional else None,
        "source": f"S{source_length}",
    }
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name in COLUMNS:
        fields.append((f"{name}#", ">i4"))
        if (kind := types[name]) is not None:
            fields.append((name, kind))
    return np.dtype(fields)
