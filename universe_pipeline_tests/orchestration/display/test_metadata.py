"""What Dagster's UI renders: the vendor's words stay words."""

import polars as pl
import pytest

from universe_pipeline.domain.foreign_text import as_markdown
from universe_pipeline.domain.tables import COLUMNS, names
from universe_pipeline.orchestration.display.metadata import bar_sample, table


def test_a_sample_shows_symbols_as_they_are_and_fetches_no_picture_of_theirs():
    bars = pl.DataFrame({"symbol": ["BRK.B", "![](//x.y/z)|<b>"], "close": [412.5, None]})

    shown = bar_sample(bars).value

    assert shown == (
        "| symbol | close |\n"
        "| --- | --- |\n"
        "| BRK.B | 412.5 |\n"
        "| \\!\\[\\](\\/\\/x.y\\/z)\\|\\<b\\> |  |"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-06-25: failed", "2024-06-25: failed"),
        ("https://x.y", "https:\\/\\/x.y"),
        ("`a` \\ &amp;", "\\`a\\` \\\\ \\&amp;"),
    ],
)
def test_only_what_markdown_would_take_for_its_own_is_escaped(text: str, shown: str):
    assert as_markdown(text) == shown


def test_a_table_shows_its_columns_with_types_units_and_what_may_be_null():
    shown = {column.name: column for column in table("daily_bars")["dagster/column_schema"].columns}

    assert list(shown) == list(names("daily_bars"))
    assert (shown["vwap"].type, shown["vwap"].constraints.nullable) == ("double precision", True)
    assert shown["close"].description == "USD a share; last price, as traded"
    assert shown["date"].constraints.other == ["key"]
    assert not shown["close"].constraints.nullable


@pytest.mark.parametrize("name", COLUMNS)
def test_descriptions_in_the_catalogue_are_plain_text(name: str):
    shown = table(name)["dagster/column_schema"].columns

    assert not [each.description for each in shown if set(each.description) & set("`[]")]
