"""Grouped and range answers -> frames of bars, of the session or days that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from universe_pipeline.adapters.polygon.envelope import Header, unusable
from universe_pipeline.adapters.polygon.exchange import Reply
from universe_pipeline.adapters.polygon.rows import GroupedRow, RangeRow, read_rows
from universe_pipeline.adapters.polygon.wording import visible
from universe_pipeline.domain.bars import (
    DATED_BAR_SCHEMA,
    Bars,
    Nothing,
    RejectedRow,
)
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.domain.sessions import NEW_YORK

_MOST_NAMED_DAYS = 3


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
    header, rows = read_rows(reply, GroupedRow)
    if not len(rows):
        return Nothing()
    _require_adjustment(reply, header, adjusted=adjusted)
    _require_days(reply, _times(rows.good), session, session)
    symbols = pl.Series("symbol", [row.T for row in rows.good], pl.String)
    return Bars(pl.DataFrame([symbols, *_values(rows.good)]), rows.undecodable)


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
    header, rows = read_rows(reply, RangeRow, symbol)
    if header.ticker is not None and header.ticker != symbol:
        message = f"bars of {visible(header.ticker)} where {visible(symbol)} was asked for"
        raise unusable(reply, FailureKind.UNEXPECTED_SHAPE, message)
    if len(rows):
        _require_adjustment(reply, header, adjusted=adjusted)
    times = _times(rows.good)
    _require_days(reply, times, start, end)
    values = pl.DataFrame([times, *_values(rows.good)])
    frame = values.with_columns(symbol=pl.lit(symbol), date=_new_york_date("t"))
    return RangePage(frame.select(DATED_BAR_SCHEMA.names()), rows.undecodable, header.next_url)


def _times(rows: Sequence[RangeRow]) -> pl.Series:
    """`t`, in milliseconds."""
    return pl.Series("t", [row.t for row in rows], pl.Float64)


def _values(rows: Sequence[RangeRow]) -> list[pl.Series]:
    """The columns of `BAR_SCHEMA`, in its order, without the symbol."""
    return [
        pl.Series("open", [row.o for row in rows], pl.Float64),
        pl.Series("high", [row.h for row in rows], pl.Float64),
        pl.Series("low", [row.l for row in rows], pl.Float64),
        pl.Series("close", [row.c for row in rows], pl.Float64),
        pl.Series("volume", [row.v for row in rows], pl.Float64),
        pl.Series("vwap", [row.vw for row in rows], pl.Float64),
        pl.Series("transactions", [row.n for row in rows], pl.Float64).cast(pl.Int64),
    ]


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
