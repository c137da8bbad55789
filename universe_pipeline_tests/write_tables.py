"""Writes the tables of docs/data.md from `domain/tables.py`: `make tables`."""

import re
from collections.abc import Iterator
from pathlib import Path

from universe_pipeline.domain.tables import COLUMNS, Column, Role

DOCS = Path(__file__).parents[1] / "docs" / "data.md"

MARKED = re.compile(
    r"(<!-- columns of (?P<table>\w+): `make tables` -->\n)(.*?)(<!-- end -->\n)", re.DOTALL
)


def written(docs: str) -> str:
    """The docs, with the columns of each table between its markers.

    Raises:
        KeyError: no such table is described.
    """
    return MARKED.sub(lambda found: found[1] + columns(found["table"]) + found[4], docs)


def columns(table: str) -> str:
    """A table's columns in Markdown; without units where none has any."""
    described = COLUMNS[table]
    has_units = any(column.unit for column in described)
    heads = ["column", "type", "key, null", *(["unit"] if has_units else []), "meaning"]
    rows = [heads, ["---"] * len(heads), *(list(_cells(each, has_units)) for each in described)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(column: Column, has_units: bool) -> Iterator[str]:
    yield f"`{column.name}`"
    yield column.type.replace("timestamp with time zone", "timestamptz")
    yield "key" if column.role is Role.KEY else "null" if column.is_nullable else ""
    if has_units:
        yield column.unit or ""
    yield ("for our own use: " if column.role is Role.OWN else "") + column.meaning


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text()))
