"""The vendor's factors against applied actions, one action at a time."""

from datetime import date

import polars as pl

from universe_pipeline.domain.quality.factors import (
    APPLIED_SCHEMA,
    FACTOR_SCHEMA,
    factor_differences,
)
from universe_pipeline.domain.verdicts import Kind

AUGUST, NOVEMBER, FEBRUARY = date(2012, 8, 9), date(2012, 11, 7), date(2013, 2, 7)
CLOSES = {AUGUST: (619.86, 2.65), NOVEMBER: (582.86, 2.65), FEBRUARY: (457.35, 2.65)}
"""Apple's closes before its dividends, and these."""


def given(*rows: tuple[date, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, FACTOR_SCHEMA, orient="row")


def applied(**of: float) -> pl.DataFrame:
    rows = [(day, p / (p - cash)) for day, (p, cash) in CLOSES.items()]
    return pl.DataFrame(rows, APPLIED_SCHEMA, orient="row")


def differing(*rows: tuple[date, float | None]) -> list[date | None]:
    found = factor_differences("AAPL", Kind.DIVIDEND, given(*rows), applied())
    return [each.day for each in found]


def test_published_factors_agree_with_the_closes_before() -> None:
    assert differing((AUGUST, 0.838964), (NOVEMBER, 0.842566)) == [NOVEMBER]
    assert differing((AUGUST, 0.838964), (NOVEMBER, 0.842566), (FEBRUARY, 0.846414)) == [FEBRUARY]


def test_one_wrong_action_is_found_on_its_own_day() -> None:
    right = {day: 1 - cash / close for day, (close, cash) in reversed(CLOSES.items())}
    twice = right | {NOVEMBER: right[NOVEMBER] ** 2}
    factor, rows = 1.0, list[tuple[date, float | None]]()
    for day, step in twice.items():
        factor *= step
        rows.append((day, round(factor, 6)))

    assert differing(*rows) == [NOVEMBER]


def test_days_of_one_side_and_missing_factors_are_not_judged() -> None:
    assert differing((date(2012, 8, 8), 0.5), (NOVEMBER, None)) == []


def test_the_deepest_of_the_rows_of_a_day_counts() -> None:
    step = 1 - 2.65 / 457.35

    assert differing((FEBRUARY, 1 - 1 / 457.35), (FEBRUARY, step)) == []


def test_a_small_factor_is_compared_within_its_rounding() -> None:
    applied = pl.DataFrame([(AUGUST, 7.0)], APPLIED_SCHEMA, orient="row")
    rows = given((AUGUST, 0.000018), (NOVEMBER, 0.000125))

    assert factor_differences("XYZ", Kind.SPLIT, rows, applied) == []
