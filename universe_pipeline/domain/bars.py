"""Daily bars as traded: the shape of a session's frame and the answers it comes from."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

import polars as pl

from universe_pipeline.domain.errors import VendorError
from universe_pipeline.domain.tables import Role, frame_schema, names

BAR_VALUES = names("daily_bars", Role.VALUE)
"""open, high, low, close, volume, vwap, transactions."""

DATED_BAR_SCHEMA = frame_schema("daily_bars", Role.KEY, Role.VALUE)
"""One symbol's bars over several sessions: date, symbol and `BAR_VALUES`, as in `daily_bars`."""

BAR_SCHEMA = pl.Schema({name: DATED_BAR_SCHEMA[name] for name in ("symbol", *BAR_VALUES)})
"""One session's bars: symbol and `BAR_VALUES`."""

VENDOR_NAMES = {
    "T": "symbol",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "vw": "vwap",
    "n": "transactions",
}
"""The vendor's keys of a grouped row and what they are called here."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of an answer that is not stored, and the rule that it broke."""

    rule: str
    symbol: str | None
    payload: dict[str, Any]
    """The vendor's row as it came."""
    day: date | None = None
    """The row's day, if the answer holds several days and the row names its own."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A usable answer: the rows that decode (`BAR_SCHEMA`, or `DATED_BAR_SCHEMA` for a symbol).

    Nulls and nonsense values may be inside; `quality.validate` separates them.
    """

    frame: pl.DataFrame
    rejected: tuple[RejectedRow, ...] = field(default=())
    """Rows whose values do not even have the documented types, and a few of other days."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """A well-formed answer that holds no row: right on a closed day, proof of nothing else."""


@dataclass(frozen=True, slots=True)
class NotYetPublished:
    """The vendor says that the session's data is not out yet: ask again later."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer after all retries; `error` knows whether asking again is useful."""

    error: VendorError


Answer: TypeAlias = Bars | Nothing | NotYetPublished | Failed
"""What one request for bars ends in."""
