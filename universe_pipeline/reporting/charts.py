"""The other charts. Those that do not fit a phone are made twice, wide and narrow.

Text that is scaled down cannot be read. Colours are the style sheet's, so that one drawing serves
light and dark.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import altair as alt
import polars as pl

from universe_pipeline.domain.quality.rules import RULES
from universe_pipeline.reporting.axes import (
    BARE,
    CROSS,
    NARROW,
    RULED,
    TICKED,
    TRIANGLE,
    Chart,
    Width,
    data,
    day_axis,
    paired,
    plain,
    sized,
    ticks,
)
from universe_pipeline.reporting.colours import variable

_COUNT: Mapping[str, Any] = {"format": ",.0f", "tickCount": 5, "tickMinStep": 1, **RULED}

LETTER = 7.5
"""Pixels that a letter of a name takes at most, on average."""


def bars(sessions: pl.DataFrame, width: Width) -> Chart:
    """Bars per session with the usual number, the band without findings, outliers."""
    days = sessions["date"].to_list()
    base = alt.Chart(data(_said_of_bars(sessions))).encode(x=day_axis(days, width))
    scale = alt.Scale(zero=False, nice=True)
    band = base.mark_area(color=variable("band")).encode(
        y=alt.Y("low:Q", title=None, axis=alt.Axis(**_COUNT), scale=scale), y2="high:Q"
    )
    usual = base.mark_line(color=variable("muted"), strokeWidth=1, strokeDash=[4, 3]).encode(
        y="usual:Q"
    )
    actual = base.mark_line(color=variable("accent"), strokeWidth=1.3).encode(y="bars:Q")
    alone = base.transform_filter("datum.alone").mark_point(
        color=variable("accent"), filled=True, size=12, opacity=1
    )
    outliers = (
        base.transform_filter("isValid(datum.verdict)")
        .mark_point(size=46, strokeWidth=1.8, opacity=1)
        .encode(
            y="bars:Q",
            shape=alt.Shape(
                "verdict:N",
                scale=paired(["unusual", "implausible"], [TRIANGLE, CROSS]),
                legend=None,
            ),
            stroke=alt.Stroke(
                "verdict:N",
                scale=paired(
                    ["unusual", "implausible"], [variable("warn"), variable("quarantined")]
                ),
                legend=None,
            ),
            description="said:N",
        )
    )
    layers = [band, usual, actual, alone.encode(y="bars:Q"), outliers]
    return sized(plain(alt.LayerChart(layer=layers)), width, 260)


def _said_of_bars(sessions: pl.DataFrame) -> pl.DataFrame:
    usual = pl.col("usual").round().cast(pl.Int64)
    no_line = pl.all_horizontal(
        pl.col("bars").shift(1).is_null(), pl.col("bars").shift(-1).is_null()
    )
    return sessions.with_columns(
        alone=pl.col("bars").is_not_null() & no_line,
        said=pl.when(pl.col("verdict").is_not_null()).then(
            pl.format("{}: {} bars, usually {}", pl.col("date").cast(pl.String), "bars", usual)
        ),
    )


def trading(counts: pl.DataFrame, width: Width) -> Chart:
    """Trading symbols by day: those that have ended by now, stacked on those that have not."""
    days = counts["date"].to_list()
    stacked = counts.unpivot(index="date", variable_name="kind", value_name="symbols")
    kinds = ["ended", "lasting"]
    chart = (
        alt.Chart(data(stacked))
        .mark_area()
        .encode(
            x=day_axis(days, width),
            y=alt.Y("symbols:Q", title=None, axis=alt.Axis(**_COUNT), stack=True),
            color=alt.Color(
                "kind:N",
                scale=paired(kinds, [variable("ended"), variable("lasting")]),
                legend=None,
            ),
            order=alt.Order("upwards:Q"),
        )
        .transform_calculate(upwards="datum.kind == 'ended' ? 1 : 0")
    )
    return sized(plain(chart), width, 220)


def changes(counts: pl.DataFrame, width: Width) -> Chart:
    """New symbols of each month upwards, ended ones downwards."""
    named, written = ticks(counts["month"].to_list(), width.ticks)
    said = pl.format("{}: {} new, {} ended", pl.col("month").dt.strftime("%Y-%m"), "began", "ended")
    base = (
        alt.Chart(data(counts.with_columns(said=said, down=-pl.col("ended"))))
        .mark_bar()
        .encode(
            x=alt.X(
                "month:O",
                title=None,
                axis=alt.Axis(
                    values=[month.isoformat() for month in named],
                    labelExpr=f"utcFormat(toDate(datum.value), '{written}')",
                    labelAngle=0,
                    labelOverlap=False,
                    **TICKED,
                ),
                scale=alt.Scale(paddingInner=0.25),
            ),
            description="said:N",
        )
    )
    count = alt.Axis(labelExpr="format(abs(datum.value), ',')", tickCount=5, tickMinStep=1, **RULED)
    began = base.encode(
        y=alt.Y("began:Q", title=None, axis=count), color=alt.value(variable("accent"))
    )
    ended = base.encode(y=alt.Y("down:Q"), color=alt.value(variable("ended")))
    return sized(plain(alt.LayerChart(layer=[began, ended])), width, 180)


def judgements(results: pl.DataFrame, columns: Sequence[str], colour: str, width: Width) -> Chart:
    """Rules by judgements: how often each was broken.

    Args:
        results: `at`, `rule`, `offenders`, `occasion`, `said`; a row each.
        columns: every value of `at`, in order, those of other charts included.
        colour: of the palette.
        width: where it has to fit; on a narrow one a rule's name stands above its row.
    """
    narrow = width is NARROW
    rules = results["rule"].unique(maintain_order=True).to_list()
    room = 0 if narrow else LETTER * max(len(rule.name) for rule in RULES)
    above = {"labelBaseline": "bottom", "labelOffset": -7} if narrow else {}
    largest = 90 if narrow else 190
    base = alt.Chart(data(results)).encode(
        x=alt.X(
            "at:O",
            scale=alt.Scale(domain=list(columns), padding=0.5),
            axis=alt.Axis(
                title=None,
                orient="top",
                offset=12 if narrow else 0,
                values=list(columns[:: ceil(len(columns) / width.ticks)]),
                labelExpr="slice(datum.label, 5, 10)",
                labelAngle=0,
                labelOverlap=False,
                **TICKED,
            ),
        ),
        y=alt.Y(
            "rule:O",
            sort=rules,
            scale=alt.Scale(padding=0.5),
            axis=alt.Axis(
                labelAlign="left",  # from the edge on, with any font of the browser
                labelPadding=room,
                minExtent=room,
                labelLimit=400,
                **above,
                **BARE,
            ),
        ),
        description="said:N",
    )
    size = alt.Size(
        "offenders:Q",
        scale=alt.Scale(type="log", domain=[1, 10_000], range=[20, largest], clamp=True),
        legend=None,
    )
    kept = base.transform_filter("datum.offenders == 0").mark_point(
        filled=True, size=5, color=variable("muted"), opacity=0.7
    )
    loads = (
        base.transform_filter("datum.offenders > 0 && datum.occasion == 'load'")
        .mark_point(filled=False, stroke=variable(colour), strokeWidth=1.5, opacity=1)
        .encode(size=size)
    )
    verified = (
        base.transform_filter("datum.offenders > 0 && datum.occasion == 'verification'")
        .mark_point(filled=True, color=variable(colour), opacity=1)
        .encode(size=size)
    )
    height = len(rules) * (34 if narrow else 20)
    return sized(plain(alt.LayerChart(layer=[kept, loads, verified])), width, height + 30)
