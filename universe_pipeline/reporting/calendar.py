"""The calendar: sessions by condition, a square each."""

import altair as alt
import polars as pl

from universe_pipeline.reporting.axes import BARE, CROSS, TRIANGLE, Chart, data, paired, plain
from universe_pipeline.reporting.colours import variable
from universe_pipeline.reporting.frames import HalfYear

CELL = 11
"""Pixels from one session to the next."""

WEEKS = 28
"""Weeks that half a year can touch."""

CONDITIONS = ("available", "degraded", "quarantined", "pending", "missing")
"""The four words for a session, and apart from `degraded` what is kept from readers."""

_FILLS = [*(variable(name) for name in CONDITIONS[:-1]), "none"]
_EDGES = ["none"] * (len(CONDITIONS) - 1) + [variable("muted")]
_GLYPHS = {"degraded": TRIANGLE, "quarantined": CROSS, "pending": "circle"}


def calendar(half: HalfYear) -> Chart:
    """Half a year, a week a column; sessions that are not available have marks of their own."""
    weeks, days = list(range(WEEKS)), list(range(5))
    said = {str(week): name for week, name in half.months.items()}
    base = alt.Chart(data(_said_of_sessions(half.sessions))).encode(
        x=alt.X(
            "week:O",
            scale=alt.Scale(domain=weeks, paddingInner=0.12, paddingOuter=0),
            axis=alt.Axis(
                orient="top",
                values=list(half.months),
                labelExpr=f"({said})[datum.value]",
                labelAlign="left",
                labelAngle=0,
                labelOffset=-CELL / 2,
                labelOverlap=False,
                **BARE,
            ),
        ),
        y=alt.Y(
            "weekday:O",
            scale=alt.Scale(domain=days, paddingInner=0.12, paddingOuter=0),
            axis=alt.Axis(
                values=[0, 2, 4],
                labelExpr="['Mo', '', 'We', '', 'Fr'][datum.value]",
                labelPadding=4,
                **BARE,
            ),
        ),
        description="said:N",
    )
    cells = base.mark_rect(strokeWidth=0.8).encode(
        fill=alt.Fill("condition:N", scale=paired(CONDITIONS, _FILLS), legend=None),
        stroke=alt.Stroke("condition:N", scale=paired(CONDITIONS, _EDGES), legend=None),
    )
    glyphs = (
        base.transform_filter(alt.FieldOneOfPredicate(field="condition", oneOf=list(_GLYPHS)))
        .mark_point(
            size=16, filled=True, fill=variable("glyph"), stroke=variable("glyph"), opacity=1
        )
        .encode(
            shape=alt.Shape(
                "condition:N", scale=paired(list(_GLYPHS), list(_GLYPHS.values())), legend=None
            )
        )
    )
    return plain(alt.LayerChart(layer=[cells, glyphs])).properties(
        width=alt.Step(CELL), height=alt.Step(CELL), padding=1
    )


def _said_of_sessions(sessions: pl.DataFrame) -> pl.DataFrame:
    counted = pl.format("{}, {} bars", "condition", "stored")
    said = pl.when(pl.col("stored") > 0).then(counted).otherwise("condition")
    return sessions.with_columns(said=pl.format("{} {}", pl.col("date").cast(pl.String), said))
