"""Which symbol was meant."""

import pytest

from universe_pipeline.domain.spelling import nearest

LISTED = ["AAPL", "APP", "BRK.B", "GOOG", "GOOGL", "META", "MSFT", "TPC", "AAPLW", "TpC"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("aapl", ["AAPL"]),
        ("Brk.b", ["BRK.B"]),
        ("BRK-B", ["BRK.B"]),
        ("BRK/B", ["BRK.B"]),
        ("BRKB", ["BRK.B"]),
        ("tpc", ["TPC", "TpC"]),
        ("APPL", ["AAPL", "APP"]),
        ("AALP", ["AAPL"]),
        ("MSFTT", ["MSFT"]),
        ("MFST", ["MSFT"]),
        ("GOGL", ["GOOGL"]),
        ("METAA1", ["META"]),
        ("XQXQXQ", []),
        ("", []),
        ("...", []),
    ],
)
def test_what_differs_little_is_suggested_the_most_likely_first(
    given: str, meant: list[str]
) -> None:
    assert nearest(given, LISTED) == meant


def test_with_nothing_listed_nothing_is_suggested() -> None:
    assert nearest("aapl", []) == []
