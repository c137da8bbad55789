"""The vendor's text as PostgreSQL can store it."""

import pytest

from universe_pipeline.adapters.postgres.text import Json, storable, storable_json


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("", ""),
        ("Ä 日本 🙂", "Ä 日本 🙂"),
        ("a\0b", "a\\u0000b"),
        ("\ud800x", "\\ud800x"),
        ("\ud83d\ude42", "\\ud83d\\ude42"),
        ("tab\tand\x01", "tab\tand\x01"),
    ],
)
def test_what_cannot_be_stored_is_written_out(text: str, stored: str):
    assert storable(text) == stored


def test_a_document_is_made_storable_to_its_depth():
    document: Json = {"k\0": ["\0", {"a": "\udfff"}], "n": [1, 2.5, True, None]}

    assert storable_json(document) == {
        "k\\u0000": ["\\u0000", {"a": "\\udfff"}],
        "n": [1, 2.5, True, None],
    }
