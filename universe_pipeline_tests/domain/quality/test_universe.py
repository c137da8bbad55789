"""Rules for the reference lists: each with a planted case and one that keeps the rule."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.quality.rules import (
    DELISTED_QUIET,
    FIGI_UNIQUE,
    LISTED_TRADED,
    SOME_END,
    SYMBOLS_UNIQUE,
    TRADED_LISTED,
)
from universe_pipeline.domain.quality.universe import (
    Counts,
    judge_snapshots,
    judge_spans,
    judge_symbols,
)
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline_tests.support.made_bars import details, offenders

BEFORE: dict[str, Any] = {
    "symbols": 14_000,
    "active": 10_000,
    "by_type": {"CS": 5_000, "ETF": 4_000, "": 100},
    "by_exchange": {"XNAS": 5_000, "XNYS": 3_000},
    "without_figi": 6_000,
    "without_cik": 3_000,
}
YEAR = sessions_between(date(2023, 1, 3), date(2024, 1, 31))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"symbols": 14_280}, []),  # 2 %
        ({"symbols": 14_281}, ["symbols: 14,281 after 14,000"]),
        ({"active": 9_799}, ["active: 9,799 after 10,000"]),
        ({"by_type": {"CS": 5_000, "ETF": 4_000, "": 120}}, []),  # 20 are too few
        ({"by_type": {"CS": 5_000, "ETF": 4_000, "": 121}}, ["none: 121 after 100"]),
        (
            {"by_type": {"CS": 5_000, "": 100, "ETFX": 4_000}},
            ["ETF: 0 after 4,000", "ETFX: 4,000 after 0"],
        ),
        ({"by_exchange": {"XNAS": 5_000}}, ["XNYS: 0 after 3,000"]),
        ({"without_figi": 6_290}, ["44.9% have no composite FIGI, 42.9% before"]),
        ({"without_figi": 6_270}, []),
        ({"without_cik": 3_290}, ["23.5% have no CIK, 21.4% before"]),
        ({"without_figi": None, "without_cik": None}, []),
    ],
)
def test_a_snapshot_resembles_the_one_before(changes: dict[str, Any], expected: list[str]):
    found = judge_snapshots(Counts(**BEFORE | changes), Counts(**BEFORE))

    assert [one.detail for each in found for one in each.worst] == expected


def test_the_first_snapshot_is_compared_with_nothing():
    assert [each.count for each in judge_snapshots(Counts(**BEFORE), None)] == [0, 0]


def reference(*rows: tuple[str, str | None, bool]) -> pl.DataFrame:
    frame = pl.DataFrame(
        rows,
        schema={"symbol": pl.String, "composite_figi": pl.String, "active": pl.Boolean},
        orient="row",
    ).with_columns(name=pl.lit("A company"))
    return pl.concat([SYMBOL_SCHEMA.to_frame(), frame], how="diagonal")


def test_a_figi_names_one_active_symbol():
    found = judge_symbols(
        reference(
            ("A", "BBG1", True),
            ("B", "BBG1", True),
            ("C", "BBG2", True),
            ("D", "BBG2", False),
            ("E", None, True),
            ("F", None, True),
        )
    )

    assert offenders(found, FIGI_UNIQUE) == [(-1, "A"), (-1, "B")]
    assert offenders(found, SYMBOLS_UNIQUE) == []


def test_a_symbol_stands_once_in_the_list():
    found = judge_symbols(reference(("A", None, True), ("A", None, False), ("a", None, True)))

    assert offenders(found, SYMBOLS_UNIQUE) == [(-1, "A"), (-1, "A")]


SPANS = {"symbol": pl.String, "first": pl.Date, "last": pl.Date, "bars": pl.UInt32}
LISTED = {
    "symbol": pl.String,
    "active": pl.Boolean,
    "delisted_date": pl.Date,
    "exchange": pl.String,
    "chosen": pl.Boolean,
}


def test_bars_compared_with_the_list():
    delisted = date(2023, 6, 1)
    spans = pl.DataFrame(
        [
            ("ACTIVE", YEAR[0], YEAR[-1], 270),
            ("GONE", YEAR[0], delisted, 100),
            ("LATE", YEAR[0], date(2023, 6, 2), 101),
            ("UNKNOWN", date(2023, 3, 1), YEAR[-1], 200),
            ("SILENT", YEAR[0], YEAR[-21], 250),
        ],
        schema=SPANS,
        orient="row",
    )
    symbols = pl.DataFrame(
        [
            ("ACTIVE", True, None, "XNYS", True),
            ("GONE", False, delisted, "XNYS", True),
            ("LATE", False, delisted, "XNYS", True),
            ("SILENT", True, None, "XNYS", True),
            ("NEVER", True, None, "XNYS", True),
            ("FUND", True, None, "XNYS", False),
        ],
        schema=LISTED,
        orient="row",
    )

    found = judge_spans(spans, symbols, YEAR, newest=True)

    assert details(found, TRADED_LISTED) == ["200 bars since 2023-03-01"]
    assert details(found, DELISTED_QUIET) == ["delisted on 2023-06-01"]
    assert details(found, LISTED_TRADED) == [f"no bar since {YEAR[-21]}", "no bar"]
    (silent,) = [each for each in found if each.rule is LISTED_TRADED]
    assert [one.symbol for one in silent.worst] == ["SILENT", "NEVER"]
    older = judge_spans(spans, symbols, YEAR, newest=False)
    assert details(older, LISTED_TRADED) == []


@pytest.mark.parametrize(
    ("ended", "expected"), [(0, ["all 100 symbols have bars to the end"]), (1, [])]
)
def test_over_a_year_some_symbols_end(ended: int, expected: list[str]):
    last = [YEAR[100]] * ended + [YEAR[-1]] * (100 - ended)
    spans = pl.DataFrame(
        [(f"S{n}", YEAR[0], day, 100) for n, day in enumerate(last)], schema=SPANS, orient="row"
    )
    nothing = pl.DataFrame(schema=LISTED)

    assert details(judge_spans(spans, nothing, YEAR, newest=True), SOME_END) == expected
    assert details(judge_spans(spans, nothing, YEAR[:251], newest=True), SOME_END) == []
