"""All rules over windows of bars: however they are cut, the findings are the same."""

from datetime import date

import polars as pl
import pytest

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.rules import RULES, Level
from universe_pipeline.domain.quality.scan import Reference, Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.support.made_bars import DAYS, NO_ROWS, NO_SPLITS, calm, series

SYMBOLS = pl.DataFrame(
    [("A", True, None, "XNYS", True)],
    schema={
        "symbol": pl.String,
        "active": pl.Boolean,
        "delisted_date": pl.Date,
        "exchange": pl.String,
        "chosen": pl.Boolean,
    },
    orient="row",
)
SPLITS = pl.DataFrame([("EARLY", DAYS[38], 1.0, 10.0)], schema=NO_SPLITS.schema, orient="row")

BARS = pl.concat(
    [
        series("A", calm(100)),
        series("EARLY", [*calm(45), *[1.0, 1.01] * 20]),
        series("HOLED", [*calm(40), *[None] * 30, 10.0, 10.1], volume=1e6),
        series("RELISTED", [*calm(10), *[None] * 70, 40.0, 41.0], volume=1e6),
        series("SPIKE", calm(39, 14.0, 10.0, 10.1)),
        series("STANDS", [*calm(36), *[11.0] * 30]),
        series("BACK", [*calm(50), 56.0, 57.0, 10.5], volume=[*[1e3] * 50, *[15e3] * 3]),
        series("WILD", calm(90), volume=[*[1000.0] * 60, 1e6, *[1000.0] * 29]),
    ]
).sort("date", "symbol")  # fmt: skip

EXPECTED = {
    "series_have_no_gaps": [(DAYS[10], "RELISTED"), (DAYS[40], "HOLED")],
    "closes_do_not_stand_still": [(DAYS[40], "STANDS"), (DAYS[55], "STANDS")],
    "volume_is_near_its_usual": [(DAYS[60], "WILD")],
    "symbols_stay_one_company": [(DAYS[80], "RELISTED")],
    "moves_do_not_revert_at_once": [(DAYS[39], "SPIKE")],
    "splits_show_in_prices": [(DAYS[38], "EARLY")],
    "moves_like_a_split_are_splits": [(DAYS[45], "EARLY")],
    "jumps_are_explained_by_splits": [(DAYS[50], "BACK"), (DAYS[52], "BACK")],
}


def scanned(cuts: list[int]) -> Scan:
    """The bars judged in windows that end before the sessions `cuts`."""
    stored = {day: Stored(day, True, 7, 0) for day in DAYS[:100]}
    scan = Scan(Reference(stored, SYMBOLS, SPLITS, NO_ROWS), Thresholds())
    for start, end in zip([0, *cuts], [*cuts, 100], strict=True):
        days = DAYS[start:end]
        scan.judge(BARS.filter(pl.col("date").is_in(list(days))), days)
    return scan


@pytest.mark.parametrize("cuts", [[], [40], [41], [39], [20, 40, 60, 80], list(range(1, 100))])
def test_however_the_bars_are_cut_the_findings_are_the_same(cuts: list[int]):
    found = scanned(cuts).findings()

    series_level = {each.rule.name: each for each in found if each.rule.level is Level.SERIES}
    assert {
        name: sorted((one.day, one.symbol) for one in each.worst)
        for name, each in series_level.items()
        if each.count
    } == EXPECTED
    assert [one.detail for one in series_level["splits_show_in_prices"].worst] == [
        f"a split of 10 for 1: the price moved on {DAYS[45]} instead"
    ]


def test_sessions_may_become_known_as_their_bars_come():
    scan = Scan(Reference({}, SYMBOLS, SPLITS, NO_ROWS), Thresholds())

    for days in (DAYS[n : n + 10] for n in range(0, 100, 10)):
        for day in days:
            scan.include(Stored(day, True, 7, 0), NO_ROWS)
        scan.judge(BARS.filter(pl.col("date").is_in(list(days))), days)

    assert scan.findings() == scanned([]).findings()


def test_every_rule_is_judged_that_needs_the_bars():
    found = {each.rule.name for each in scanned([50]).findings()}

    levels = (Level.ROW, Level.SESSION, Level.SERIES)
    assert {rule.name for rule in RULES if rule.level in levels} - found == {
        "sessions_are_usable",
        "sessions_are_loaded",
        "coverage_knows_every_load",
    }


def test_bars_before_the_first_window_are_compared_with_and_not_judged():
    stored = {day: Stored(day, True, 1, 0) for day in DAYS[:6]}
    scan = Scan(Reference(stored, SYMBOLS, NO_SPLITS, NO_ROWS), Thresholds())
    stands = series("A", [9.0, *[10.0] * 5])
    is_before = pl.col("date") < DAYS[4]

    scan.remember(stands.filter(is_before))
    scan.judge(stands.filter(~is_before), DAYS[4:6])

    counts = {each.rule.name: each.count for each in scan.findings() if each.count}
    assert counts == {"closes_do_not_stand_still": 1}


def test_bars_on_closed_days_are_reported_by_day():
    scan = Scan(Reference({}, SYMBOLS, NO_SPLITS, NO_ROWS), Thresholds())
    closed = series("A", [10.0, 10.1]).with_columns(
        date=pl.Series([date(2024, 1, 15), date(2024, 1, 20)])
    )

    scan.judge(closed, [])

    (found,) = [each for each in scan.findings() if each.rule.name == "bars_fall_on_sessions"]
    assert [str(one) for one in found.worst] == ["2024-01-15: 1 bars", "2024-01-20: 1 bars"]


def test_where_there_are_no_bars_nothing_is_found():
    stored = {day: Stored(day, True, 0, 0) for day in DAYS[:2]}
    scan = Scan(Reference(stored, SYMBOLS, NO_SPLITS, NO_ROWS), Thresholds())

    scan.judge(DATED_BAR_SCHEMA.to_frame(), DAYS[:2])

    assert not any(each.count for each in scan.findings())
