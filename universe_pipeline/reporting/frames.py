"""The figures behind the pictures: pure functions over small frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

import polars as pl

from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS, Thresholds

MOST_POINTS = 400
"""Points of a line, about as many as a drawing has columns."""

_WEEKEND = (5, 6)
_JULY = 7


def with_usual(sessions: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """Sessions with what they usually hold, as the rules for row counts see it.

    Args:
        sessions: every session in order: `date`, `status`, `stored`.
        thresholds: the fractions by which row counts may deviate from the usual.

    Returns:
        `date`; `bars`, null where none are stored; `usual`, the median of the twenty loaded
        sessions before within 60 days, null with fewer; `low` and `high`, between which nothing is
        reported; `verdict`, null, `unusual` or `implausible`.
    """
    loaded = sessions.filter(pl.col("status") == SessionStatus.LOADED).select(
        until="date",
        since=pl.col("date").shift(TRAILING - 1),
        usual=pl.col("stored").cast(pl.Float64).rolling_median(TRAILING),
    )
    off = (pl.col("bars") - pl.col("usual")).abs()
    is_near = pl.col("since") > pl.col("date") - timedelta(days=TRAILING_DAYS)
    is_stored = pl.col("status").is_in([SessionStatus.LOADED, SessionStatus.QUARANTINED])
    return (
        sessions.join_asof(
            loaded,
            left_on="date",
            right_on="until",
            strategy="backward",
            allow_exact_matches=False,
        )
        .select(
            "date",
            bars=pl.when(is_stored).then("stored"),
            usual=pl.when(is_near).then("usual"),
        )
        .with_columns(
            low=pl.col("usual") * (1 - thresholds.rows_warn),
            high=pl.col("usual") * (1 + thresholds.rows_warn),
            verdict=pl.when(off > thresholds.rows_error * pl.col("usual"))
            .then(pl.lit("implausible"))
            .when(off > thresholds.rows_warn * pl.col("usual"))
            .then(pl.lit("unusual")),
        )
    )


@dataclass(frozen=True, slots=True)
class Lives:
    """Symbols by their first and last session.

    A symbol has ended when it has no bar in the last twenty of `days`, and is new when it has none
    in the first twenty; every other was there before, or goes on: it may be seldom traded.
    """

    spans: pl.DataFrame
    """`first`, `last`, `symbols`."""
    days: Sequence[date]
    """The loaded sessions, in order."""

    def trading(self) -> pl.DataFrame:
        """For up to `MOST_POINTS` of the days how many symbols have their bars around it.

        `date`; `lasting`, those that have not ended by the last day; `ended`, those that have.
        """
        step = ceil(len(self.days) / MOST_POINTS)
        chosen = pl.DataFrame({"date": sorted(self.days[::-step])}, schema={"date": pl.Date})
        was_there, lasting = pl.col("first") <= self._early, pl.col("last") >= self._late
        spans = self.spans.with_columns(
            first=pl.when(was_there).then(pl.lit(self.days[0])).otherwise("first"),
            last=pl.when(lasting).then(pl.lit(self.days[-1])).otherwise("last"),
            lasts=lasting,
        )
        return chosen.with_columns(
            lasting=_around(chosen, spans.filter("lasts")),
            ended=_around(chosen, spans.filter(~pl.col("lasts"))),
        )

    def changes(self) -> pl.DataFrame:
        """For each `month` (its first day) how many symbols are new, `began`, and have `ended`."""
        months = pl.date_range(
            self.days[0].replace(day=1), self.days[-1], interval="1mo", eager=True
        ).to_frame("month")
        began = pl.col("first").is_between(self._early, self.days[-1], closed="right")
        ended = pl.col("last").is_between(self.days[0], self._late, closed="left")
        return (
            months.join(_by_month(self.spans.filter(began), "first", "began"), "month", how="left")
            .join(_by_month(self.spans.filter(ended), "last", "ended"), "month", how="left")
            .fill_null(0)
            .sort("month")
        )

    @property
    def _early(self) -> date:
        return self.days[:TRAILING][-1]

    @property
    def _late(self) -> date:
        return self.days[-TRAILING:][0]


def _around(days: pl.DataFrame, spans: pl.DataFrame) -> pl.Series:
    """How many of the symbols have begun, and not ended before, on each of the days."""
    begun = _running(days, spans, "first", or_same=True)
    return begun - _running(days, spans, "last", or_same=False)


def _running(days: pl.DataFrame, spans: pl.DataFrame, edge: str, *, or_same: bool) -> pl.Series:
    counts = (
        spans.group_by(pl.col(edge).alias("date"))
        .agg(pl.col("symbols").sum())
        .sort("date")
        .with_columns(pl.col("symbols").cum_sum())
    )
    joined = days.join_asof(counts, on="date", strategy="backward", allow_exact_matches=or_same)
    return joined["symbols"].fill_null(0)


def _by_month(spans: pl.DataFrame, edge: str, name: str) -> pl.DataFrame:
    month = pl.col(edge).dt.truncate("1mo").alias("month")
    return spans.group_by(month).agg(pl.col("symbols").sum().alias(name))


@dataclass(frozen=True, slots=True)
class HalfYear:
    """Half a calendar year of sessions, drawn as a column a week."""

    year: int
    is_second: bool
    sessions: pl.DataFrame
    """`date`, `condition`, `stored`; its `week` of the half and its `weekday`, both from 0."""
    months: dict[int, str]
    """The week in which each month begins, and its name."""


def half_years(sessions: pl.DataFrame) -> Iterator[HalfYear]:
    """Cut the sessions (`date`, `condition`, `stored`) into half years, in order."""
    second = (pl.col("date").dt.month() >= _JULY).alias("second")
    halves = sessions.group_by(pl.col("date").dt.year().alias("year"), second, maintain_order=True)
    for (year, is_second), part in halves:
        assert isinstance(year, int)  # noqa: S101  # as dt.year() has it
        first_month = _JULY if is_second else 1
        first = date(year, first_month, 1)
        monday = first - timedelta(days=first.weekday())
        months = [date(year, month, 1) for month in range(first_month, first_month + 6)]
        yield HalfYear(
            year,
            bool(is_second),
            part.with_columns(
                week=(pl.col("date") - monday).dt.total_days() // 7,
                weekday=pl.col("date").dt.weekday() - 1,
            ),
            {(_on_weekday(month) - monday).days // 7: f"{month:%b}" for month in months},
        )


def _on_weekday(day: date) -> date:
    """The day, or the Monday after a weekend."""
    return day + timedelta(days=7 - day.weekday() if day.weekday() in _WEEKEND else 0)
