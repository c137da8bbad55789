"""Fingerprints: what `content_hash` says of bars and of lists, defined on values.

A fingerprint is its version, a colon, and the first 32 hexadecimal digits of a SHA-256, as in
`1:e3b0c44298fc1c149afbf4c8996fb924`, of the empty session. Equal values give equal fingerprints, in
any order and in any encoding. Fingerprints of different versions say nothing about each other: a
stored one that `is_known` denies means that the content is unknown.

Version 1 of a session, which is of the grouped endpoint's bars and not of the date: their records,
in the order of their symbols as UTF-8 bytes. All numbers are big-endian.

| bytes | a record holds |
|---|---|
| 2 | 10, the number of the fields that follow |
| 4 + 4 | 4, then 0 |
| 4 + w | length of the symbol, then the symbol, with zero bytes as long as the session's longest |
| 5 (4 + 8) | 8, then an IEEE-754 binary64: open, high, low, close, volume |
| 4 + 8 | the same of vwap; null: -1, then 0 |
| 4 + 8 | 8, then a signed integer: transactions; null: -1, then 0 |
| 4 + 7 | 7, then "grouped" |

Zero has no sign (-0.0 counts as 0.0) and every NaN is 7ff8000000000000, as PostgreSQL compares
them. Null and 0 differ.

Version 1 of a list (of symbols, of splits): its rows in the order of their keys as UTF-8 bytes,
each as a JSON array in the canonical form of RFC 8785, and a line feed. A date is the text
`2024-07-01`, a time the text `2024-07-01T13:30:00.000000` of UTC, a number the 16 hexadecimal
digits of its binary64.

`adapters/postgres/bars/copy_binary.py` computes that of a session column by column; a test holds it
to `of_session`.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import TypeAlias

import numpy as np
import polars as pl

VERSION = "1"
"""Raise it when equal values would get another fingerprint than before."""

_DIGITS = 32

BarValues: TypeAlias = tuple[str, float, float, float, float, float, float | None, int | None]
"""symbol, open, high, low, close, volume, vwap, transactions: the columns of `BAR_SCHEMA`."""

Value: TypeAlias = str | bool | float | date | datetime | None
"""A value of a list."""


def versioned(content: bytes | memoryview) -> str:
    """The fingerprint of values that are laid out as this version says."""
    return f"{VERSION}:{sha256(content).hexdigest()[:_DIGITS]}"


def is_known(fingerprint: str | None) -> bool:
    """Whether a stored fingerprint can be compared with those of this release."""
    return fingerprint is not None and fingerprint.startswith(f"{VERSION}:")


def of_session(bars: Iterable[BarValues]) -> str:
    """The fingerprint of a session's bars: the definition, value by value."""
    ordered = sorted(
        ((symbol.encode(), values) for symbol, *values in bars), key=lambda row: row[0]
    )
    longest = max((len(symbol) for symbol, _ in ordered), default=0)
    return versioned(b"".join(_record(symbol, longest, *values) for symbol, values in ordered))


OF_NO_BARS = of_session(())


def _record(symbol: bytes, longest: int, *values: float | None) -> bytes:
    *numbers, transactions = values
    return b"".join(
        [
            struct.pack(">hiii", 10, 4, 0, len(symbol)),
            symbol.ljust(longest, b"\0"),
            *(_double(number) for number in numbers),
            struct.pack(">iq", -1, 0)
            if transactions is None
            else struct.pack(">iq", 8, int(transactions)),
            struct.pack(">i", 7),
            b"grouped",
        ]
    )


def _double(number: float | None) -> bytes:
    return struct.pack(">id", -1, 0.0) if number is None else struct.pack(">i", 8) + _bits(number)


def _bits(number: float) -> bytes:
    if number != number:  # noqa: PLR0124  # NaN
        return bytes.fromhex("7ff8000000000000")
    return struct.pack(">d", number + 0.0)  # -0.0 + 0.0 is 0.0


def of_list(rows: Iterable[Sequence[Value]], keys: int) -> str:
    """The fingerprint of a list, of whose columns the first so many are its key."""
    listed = [[v if type(v) in _AS_THEY_ARE else _text(v) for v in row] for row in rows]
    listed.sort(key=lambda row: [str(key).encode() for key in row[:keys]])
    return versioned("".join(f"{_CANONICAL.encode(row)}\n" for row in listed).encode())


_ESCAPED = r'["\\\x00-\x1f]'
"""Characters that RFC 8785 does not write as they are."""


def of_frame(rows: pl.DataFrame, keys: int) -> str:
    """The fingerprint of a list as a frame, without nulls in the key.

    By columns, unless a text has characters to escape: a fraction of the time.
    """
    texts = pl.DataFrame([_as_texts(column) for column in rows])
    needs_escapes = pl.col(pl.String).str.contains(_ESCAPED).any()
    if any(texts.select(needs_escapes).row(0)):
        return of_list(texts.iter_rows(), keys)
    quoted = pl.format('"{}"', pl.col(pl.String))
    cells = texts.sort(texts.columns[:keys]).with_columns(quoted).cast(pl.String)
    lines = cells.select(pl.concat_str(pl.all().fill_null("null"), separator=",")).to_series()
    return versioned("".join(f"[{line}]\n" for line in lines).encode())


def _as_texts(values: pl.Series) -> pl.Series:
    """The values of a column as the list has them; texts and booleans as they are."""
    if values.dtype.is_float():
        return pl.Series(values.name, _hexadecimal(values), pl.String)
    if isinstance(values.dtype, pl.Datetime):
        in_utc = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return in_utc.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f")
    return values if values.dtype == pl.Boolean else values.cast(pl.String)


def _hexadecimal(values: pl.Series) -> list[str | None]:
    numbers = values.to_numpy(writable=True) + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan
    digits = numbers.astype(">f8").tobytes().hex()
    texts = (digits[at : at + 16] for at in range(0, len(digits), 16))
    missing = values.is_null()
    return [None if is_null else text for is_null, text in zip(missing, texts, strict=True)]


_CANONICAL = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
"""RFC 8785, as far as texts, booleans and null go."""


_AS_THEY_ARE = frozenset({str, bool, type(None)})


def _text(value: Value) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return _bits(value).hex() if isinstance(value, float) else str(value)
