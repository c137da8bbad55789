"""The tables of docs/data.md are those that `make tables` writes."""

from universe_pipeline.domain.tables import COLUMNS
from universe_pipeline_tests.write_tables import DOCS, MARKED, columns, written


def test_the_docs_have_the_columns_as_they_are_described():
    docs = DOCS.read_text()

    assert written(docs) == docs, "run `make tables`"


def test_the_docs_have_every_table_once():
    found = [each["table"] for each in MARKED.finditer(DOCS.read_text())]

    assert sorted(found) == sorted(COLUMNS)


def test_what_stands_between_markers_is_replaced_and_nothing_else():
    marked = "a\n<!-- columns of universe_types: `make tables` -->\n{}<!-- end -->\nb\n"

    assert written(marked.format("old\n")) == marked.format(columns("universe_types"))
