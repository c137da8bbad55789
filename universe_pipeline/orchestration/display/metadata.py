"""What people see of a table in Dagster's UI: columns, samples."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from universe_pipeline.domain.foreign_text import as_markdown
from universe_pipeline.domain.tables import COLUMNS, Column, Role

Metadata = Mapping[str, Any]

OWNERS = ["team:market-data"]
"""Whom Dagster's catalogue names for every asset; make it yours."""


def table(name: str) -> dict[str, Any]:
    """A table's name and columns, as Dagster's catalogue shows them."""
    return {
        "dagster/table_name": f"public.{name}",
        "dagster/column_schema": dg.TableSchema([_column(each) for each in COLUMNS[name]]),
    }


def _column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(
        nullable=column.is_nullable, other=["key"] if column.role is Role.KEY else []
    )
    return dg.TableColumn(column.name, column.type, column.plain, constraints)


def session_links(run_id: str | None, session: date) -> dict[str, Any]:
    """The run that loaded a session, and how to read its bars."""
    query = f"SELECT * FROM daily_bars WHERE date = '{session}'"  # shown, never run
    links: dict[str, Any] = {"query": dg.MetadataValue.md(f"```sql\n{query}\n```")}
    if run_id is not None:
        links["loaded_by"] = dg.MetadataValue.dagster_run(run_id)
    return links


def bar_sample(bars: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """A few bars as a Markdown table."""
    if bars.is_empty():
        return dg.MetadataValue.md("no bars")
    lines = [
        "| " + " | ".join(bars.columns) + " |",
        "|" + " --- |" * len(bars.columns),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in bars.iter_rows()),
    ]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    return as_markdown(str(value))
