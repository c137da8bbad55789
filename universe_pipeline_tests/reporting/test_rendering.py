"""Drawings take their colours from the page, say what they show, and fetch nothing."""

import re
from base64 import b64decode
from datetime import date
from xml.etree import ElementTree as ET

import altair as alt
import polars as pl
import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.reporting.axes import NARROW, WIDE, Width, ticks
from universe_pipeline.reporting.calendar import calendar
from universe_pipeline.reporting.charts import bars
from universe_pipeline.reporting.colours import PALETTE
from universe_pipeline.reporting.frames import half_years, with_usual
from universe_pipeline.reporting.rendering import inline, picture

DAYS = sessions_between(date(2024, 1, 2), date(2024, 3, 28))
TITLE = "{http://www.w3.org/2000/svg}title"


def made(condition: str = "available") -> pl.DataFrame:
    return pl.DataFrame({"date": DAYS}).with_columns(
        condition=pl.lit(condition), status=pl.lit("loaded"), stored=pl.lit(1000)
    )


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # our own drawing


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(TITLE)]


def test_a_square_of_the_calendar_says_its_session() -> None:
    (half,) = half_years(made())

    drawn = inline(calendar(half), "Sessions of 2024")

    assert titles(drawn)[0] == "2024-01-02 available, 1000 bars"
    assert len(titles(drawn)) == len(DAYS) == 61
    assert parsed(drawn).attrib["aria-label"] == "Sessions of 2024"


@pytest.mark.parametrize("condition", ["degraded", "quarantined", "pending"])
def test_what_is_not_available_has_a_mark_besides_its_colour(condition: str) -> None:
    (plain,), (marked,) = half_years(made()), half_years(made(condition))

    shapes = [drawing.count("<path") for drawing in (
        inline(calendar(plain), ""), inline(calendar(marked), "")
    )]  # fmt: skip

    assert shapes[1] == shapes[0] + len(DAYS)


def test_what_is_missing_is_an_empty_square() -> None:
    (half,) = half_years(made("missing"))

    drawn = inline(calendar(half), "")

    assert "var(--available)" not in drawn
    assert drawn.count('stroke="var(--muted)"') == len(DAYS)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_chart_is_as_wide_as_it_has_to_be_and_of_the_pages_colours(width: Width) -> None:
    drawn = inline(bars(with_usual(made(), Thresholds()), width), "")

    assert parsed(drawn).attrib["width"] == str(width.pixels)
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn)) <= {
        "none",
        "transparent",
        *(f"var(--{name})" for name in PALETTE),
    }


def test_a_picture_has_colours_of_its_own_and_is_small() -> None:
    (half,) = half_years(made())

    markdown = picture(calendar(half), "sessions of 2024")

    found = re.fullmatch(
        r"!\[sessions of 2024\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", markdown
    )
    assert found is not None
    assert "var(" not in b64decode(found[1]).decode()
    assert len(markdown) < 100_000


def test_nothing_is_fetched_to_draw() -> None:
    chart = alt.Chart(alt.UrlData("http://127.0.0.1:9/never.csv")).mark_point()

    with pytest.raises(ValueError, match="http://127"):
        inline(chart, "")


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        ("2024-01-02", "2024-01-31", ["2024-01-02", "2024-01-10", "2024-01-19", "2024-01-29"]),
        ("2024-01-02", "2024-06-28", ["2024-02", "2024-03", "2024-04", "2024-05", "2024-06"]),
        ("2023-01-03", "2024-12-31", ["2023-07", "2024-01", "2024-07"]),
        ("2014-01-02", "2024-12-31", ["2015", "2017", "2019", "2021", "2023"]),
    ],
)
def test_an_axis_names_no_more_days_than_it_has_room_for(
    first: str, last: str, named: list[str]
) -> None:
    days = sessions_between(date.fromisoformat(first), date.fromisoformat(last))

    found, written = ticks(days, 8 if len(days) < 30 else 5)

    assert [f"{day:{written}}" for day in found] == named
