"""What all charts have in common: widths, axes, data without time zones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

import altair as alt
import polars as pl

from universe_pipeline.reporting.colours import variable

Chart = alt.Chart | alt.LayerChart

CROSS = "M-1,-1L1,1M1,-1L-1,1"
TRIANGLE = "triangle-up"

BARE: Mapping[str, Any] = {"domain": False, "ticks": False, "grid": False, "title": None}
RULED: Mapping[str, Any] = {"domain": False, "ticks": False, "grid": True}
TICKED: Mapping[str, Any] = {"domain": True, "ticks": True, "grid": False}
"""Kinds of axes."""

_YEAR = range(1, 13)
_FEWEST_TICKS = 3


@dataclass(frozen=True, slots=True)
class Width:
    """How wide a chart is, and how much it says within that."""

    name: str
    pixels: int
    ticks: int


WIDE = Width("wide", 920, 10)
NARROW = Width("narrow", 340, 5)


def data(frame: pl.DataFrame) -> alt.InlineData:
    """The rows as JSON: Altair copies and checks each value of rows it can see, several times."""
    written = frame.with_columns(pl.col(pl.Date).cast(pl.String)).write_json()
    return alt.InlineData(values=written, format=alt.DataFormat(type="json"))


def day_axis(days: Sequence[date], width: Width) -> alt.X:
    """A day without a time zone: days are read as UTC, and shown so."""
    named, written = ticks(days, width.ticks)
    axis = alt.Axis(
        values=[day.isoformat() for day in named],
        labelExpr=f"utcFormat(datum.value, '{written}')",
        labelOverlap=False,
        **TICKED,
    )
    return alt.X("date:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def ticks(days: Sequence[date], most: int) -> tuple[list[date], str]:
    """At most so many days to be named on an axis, and the format to do it in."""
    first, last = days[0], days[-1]
    months = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in _YEAR]
    within = [month for month in months if first <= month <= last]
    if len(within) < _FEWEST_TICKS:
        return list(days[:: ceil(len(days) / (most // 2))]), "%Y-%m-%d"
    for step in (1, 2, 3, 6):
        chosen = [month for month in within if (month.month - 1) % step == 0]
        if len(chosen) <= most:
            return chosen, "%Y-%m"
    years = [month for month in within if month.month == 1]
    return years[:: ceil(len(years) / most)], "%Y"


def paired(domain: Sequence[str], values: Sequence[str]) -> alt.Scale:
    """A scale of names and what stands for each."""
    return alt.Scale(domain=list(domain), range=list(values))


def sized(chart: Chart, width: Width, height: int) -> Chart:
    """The chart so large, its axes included."""
    return chart.properties(
        width=width.pixels,
        height=height,
        padding={"left": 5, "right": 14, "top": 6, "bottom": 2},
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )


def plain(chart: Chart) -> Chart:
    """The chart in the page's colours."""
    return (
        chart.configure(background="transparent", font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=variable("muted"),
            labelFontSize=12,
            domainColor=variable("line"),
            tickColor=variable("line"),
            gridColor=variable("line"),
            tickSize=4,
        )
    )
