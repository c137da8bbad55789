"""Grouped and range answers -> frames of bars, of the session or days that were asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from universe_pipeline.adapters.polygon.columns import read_columns
from universe_pipeline.adapters.polygon.envelope import Header, unusable
from universe_pipeline.adapters.polygon.exchange import Reply
from universe_pipeline.adapters.polygon.rows import Count, Symbol, read_rows
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.bars import (
    BAR_SCHEMA,
    VENDOR_NAMES,
    Bars,
    Nothing,
    RejectedRow,
)
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.domain.sessions import NEW_YORK

_MOST_NAMED_DAYS = 3


class _RangeRow(msgspec.Struct, gc=False):
    """A row of a range answer. Numbers come as 65000, 13825995.0 and 1.6698648e+07 alike."""

    v: float | None = None
    vw: float | None = None
    o: float | None = None
    c: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741 - the vendor's key
    t: float | None = None
    n: Count | None = None


class _GroupedRow(_RangeRow, kw_only=True, gc=False):
    """A row of a grouped answer."""

    T: Symbol


_GROUPED = {"t": pl.Float64(), **{key: BAR_SCHEMA[name] for key, name in VENDOR_NAMES.items()}}
_RANGE = {key: kind for key, kind in _GROUPED.items() if key != "T"}
"""The types of the rows' columns; `t` is in milliseconds."""


@dataclass(frozen=True, slots=True)
class _Answer:
    header: Header
    frame: pl.DataFrame
    """The rows that decode, by the vendor's keys."""
    undecodable: tuple[RejectedRow, ...] = ()

    @property
    def rows(self) -> int:
        return self.frame.height + len(self.undecodable)


@dataclass(frozen=True, slots=True)
class RangePage:
    """One page of a symbol's bars."""

    frame: pl.DataFrame
    """`DATED_BAR_SCHEMA`, in the answer's order."""
    undecodable: tuple[RejectedRow, ...] = ()
    next_url: str | None = None

    @property
    def rows(self) -> int:
        """Rows that came, decodable or not."""
        return self.frame.height + len(self.undecodable)


def grouped_bars(reply: Reply, session: date, *, adjusted: bool = False) -> Bars | Nothing:
    """Decode a grouped answer.

    `t` is 16:00 in New York of the session; range answers say 00:00. Any time of the day passes.

    Args:
        reply: the answer.
        session: the day that was asked for.
        adjusted: what was asked for.

    Raises:
        VendorError: the answer is none, or not what was asked for.
    """
    answer = _read(reply, _GroupedRow, _GROUPED)
    if not answer.rows:
        return Nothing()
    _require_adjustment(reply, answer.header, adjusted=adjusted)
    _require_days(reply, answer.frame["t"], session, session)
    # In this thread: what Polars does with columns in parallel waits for one of its own.
    return Bars(answer.frame.select_seq(_named(_GROUPED)), answer.undecodable)


def range_bars(
    reply: Reply, symbol: str, start: date, end: date, *, adjusted: bool = False
) -> RangePage:
    """Decode one page of a range answer; a page without rows has an empty frame.

    Args:
        reply: the answer.
        symbol: what was asked for.
        start: the first day that was asked for.
        end: the last one.
        adjusted: what was asked for.

    Raises:
        VendorError: the answer is none, or not what was asked for.
    """
    answer = _read(reply, _RangeRow, _RANGE, symbol)
    header = answer.header
    if header.ticker is not None and header.ticker != symbol:
        message = f"bars of {visible(header.ticker)} where {visible(symbol)} was asked for"
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, message)
    if answer.rows:
        _require_adjustment(reply, header, adjusted=adjusted)
    _require_days(reply, answer.frame["t"], start, end)
    date_and_symbol = (_new_york_date("t").alias("date"), pl.lit(symbol).alias("symbol"))
    frame = answer.frame.select(*date_and_symbol, *_named(_RANGE))
    return RangePage(frame, answer.undecodable, header.next_url)


def _read(
    reply: Reply,
    kind: type[_RangeRow],
    types: Mapping[str, pl.DataType],
    symbol: str | None = None,
) -> _Answer:
    whole = read_columns(reply, types)
    if whole is not None:
        return _Answer(*whole)
    header, rows = read_rows(reply, kind, symbol)
    columns = {key: [getattr(row, key) for row in rows.good] for key in types}
    return _Answer(header, pl.DataFrame(columns, types, strict=False), rows.undecodable)


def _named(types: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    return [pl.col(key).alias(name) for key, name in VENDOR_NAMES.items() if key in types]


def _new_york_date(column: str) -> pl.Expr:
    utc = pl.from_epoch(pl.col(column).cast(pl.Int64), "ms").dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(NEW_YORK).dt.date()


def _require_adjustment(reply: Reply, header: Header, *, adjusted: bool) -> None:
    if header.adjusted not in (None, adjusted):
        message = f"adjusted={str(header.adjusted).lower()} bars where the other was asked for"
        raise unusable(reply, FailureKind.WRONG_ADJUSTMENT, message)


def _require_days(reply: Reply, times: pl.Series, start: date, end: date) -> None:
    first, after = _midnight(start), _midnight(end + timedelta(days=1))
    at = times.to_numpy()  # a null is NaN, which is at no time
    asked_for = (at >= first) & (at < after)
    if not asked_for.all():
        wrong = times.filter(pl.Series(~asked_for))
        days = sorted({_named_day(t) for t in wrong})
        named = ", ".join(days[:_MOST_NAMED_DAYS]) + ("…" if len(days) > _MOST_NAMED_DAYS else "")
        asked = f"{start}" if start == end else f"{start} to {end}"
        message = f"asked for {asked}, but {len(wrong):,} of {len(times):,} rows are of {named}"
        raise unusable(reply, FailureKind.WRONG_SESSION, message)


def _midnight(day: date) -> float:
    """The beginning of `day` in New York, in the vendor's milliseconds."""
    return datetime.combine(day, time.min, ZoneInfo(NEW_YORK)).timestamp() * 1000


def _named_day(t: float | None) -> str:
    if t is None:
        return "no time"
    try:
        return f"{datetime.fromtimestamp(t / 1000, ZoneInfo(NEW_YORK)).date()}"
    except (OverflowError, ValueError, OSError):
        return "no calendar day"
