"""Grouped and range answers -> frames of bars, of the session or days that were asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.adapters.polygon.columns import read_columns
from universe_pipeline.adapters.polygon.envelope import Header, unusable
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.rows import Count, Symbol, read_rows
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.bars import (
    BAR_SCHEMA,
    VENDOR_NAMES,
    Bars,
    Nothing,
    RejectedRow,
)
from universe_pipeline.domain.completeness import are_few_strays
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.quality import OFF_SESSION
from universe_pipeline.domain.sessions import NEW_YORK, sessions_between

Mask: TypeAlias = npt.NDArray[np.bool_]

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
    rejected: tuple[RejectedRow, ...] = ()
    """Rows that do not decode, and a few that are of no session of the range."""
    next_url: str | None = None

    @property
    def rows(self) -> int:
        """Rows that came, usable or not."""
        return self.frame.height + len(self.rejected)


def grouped_bars(reply: Reply, session: date, *, adjusted: bool = False) -> Bars | Nothing:
    """Decode a grouped answer.

    `t` is 16:00 in New York of the session; range answers say 00:00. Any time of the day passes.
    A few rows of other days, or without `t`, are rejected; with more of them the answer is refused.

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
    timely, strays = answer.frame, ()
    is_timely = _are_between(answer.frame["t"], session, session)
    if not is_timely.all():
        timely, others = _parted(answer.frame, is_timely)
        _require_few(reply, answer, others, session, session)
        strays = tuple(_stray(row, row["T"]) for row in others.iter_rows(named=True))
    # In this thread: what Polars does with columns in parallel waits for one of its own.
    return Bars(timely.select_seq(_named(_GROUPED)), (*answer.undecodable, *strays))


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
    sessions = sessions_between(start, end)
    dated = answer.frame.with_columns(date=_dates(answer.frame["t"], start, end))
    is_timely = dated["date"].is_in(sessions).fill_null(value=False).to_numpy()
    timely, others = _parted(dated, is_timely)
    if len(others):
        _require_few(reply, answer, others, start, end)
    strays = tuple(_stray(row, symbol, row.pop("date")) for row in others.iter_rows(named=True))
    frame = timely.select("date", pl.lit(symbol).alias("symbol"), *_named(_RANGE))
    return RangePage(frame, (*answer.undecodable, *strays), header.next_url)


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


def _require_adjustment(reply: Reply, header: Header, *, adjusted: bool) -> None:
    if header.adjusted not in (None, adjusted):
        message = f"adjusted={str(header.adjusted).lower()} bars where the other was asked for"
        raise unusable(reply, FailureKind.WRONG_ADJUSTMENT, message)


def _are_between(times: pl.Series, start: date, end: date) -> Mask:
    """Which of `times` are of the days from `start` to `end` in New York."""
    first, after = _midnight(start), _midnight(end + timedelta(days=1))
    at = times.to_numpy()  # a null is NaN, which is at no time
    return (at >= first) & (at < after)


def _dates(times: pl.Series, start: date, end: date) -> pl.Series:
    """The days of `times` in New York; null for those that are not from `start` to `end`."""
    within = times.set(pl.Series(~_are_between(times, start, end)), None)
    utc = pl.from_epoch(within.cast(pl.Int64), "ms").dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(NEW_YORK).dt.date()


def _parted(rows: pl.DataFrame, is_timely: Mask) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the days that were asked for, and the others."""
    timely = pl.Series(is_timely)
    return rows.filter(timely), rows.filter(~timely)


def _require_few(
    reply: Reply, answer: _Answer, others: pl.DataFrame, start: date, end: date
) -> None:
    """Check that so few rows are of other days that the rest can be trusted.

    Raises:
        RetryableError: there are too many (wrong_session).
    """
    untraded = int((others["v"] == 0).sum())
    if are_few_strays(answer.rows, len(others) - untraded, untraded):
        return
    closed = others["date"].drop_nulls() if "date" in others.columns else pl.Series()
    if len(closed):
        raise _closed_days(reply, answer, closed)
    days = sorted({_named_day(t) for t in others["t"]})
    named = ", ".join(days[:_MOST_NAMED_DAYS]) + ("…" if len(days) > _MOST_NAMED_DAYS else "")
    asked = f"{start}" if start == end else f"{start} to {end}"
    message = f"asked for {asked}, but {len(others):,} of {answer.rows:,} rows are of {named}"
    raise unusable(reply, FailureKind.WRONG_SESSION, message)


def _closed_days(reply: Reply, answer: _Answer, days: pl.Series) -> RetryableError:
    """The error for bars within the range that fall on weekends and holidays."""
    first = min(days.to_list())
    message = (
        f"{len(days):,} of {answer.rows:,} bars fall on closed days, "
        f"the first on {first:%A} {first}; the stamps are wrong"
    )
    return unusable(reply, FailureKind.WRONG_SESSION, message)


def _stray(row: dict[str, Any], symbol: str, day: date | None = None) -> RejectedRow:
    """A row of a day that was not asked for, under the vendor's keys as it came."""
    sent = {key: value for key, value in row.items() if value is not None}
    if "t" in sent and sent["t"].is_integer():
        sent["t"] = int(sent["t"])
    return RejectedRow(OFF_SESSION, symbol, sent, day)


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
