"""Sessions that are not loaded: nothing is compared across them, and what is usual lapses."""

from collections.abc import Sequence
from datetime import date
from random import Random
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.history import RollingState
from universe_pipeline.domain.quality.rules import (
    CLOSES_MOVE,
    JUMPS_EXPLAINED,
    MOVES_USUAL,
    NO_GAPS,
    NO_REPEAT,
    NO_SPIKES,
    ONE_COMPANY,
    PLACEHOLDERS_CARRY,
    ROW_COUNT_PLAUSIBLE,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
    VOLUME_USUAL,
    Level,
    Rule,
)
from universe_pipeline.domain.quality.scan import Reference, Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import TRAILING_DAYS, Thresholds
from universe_pipeline_tests.domain.quality.test_scan import SYMBOLS
from universe_pipeline_tests.support.made_bars import (
    DAYS,
    NO_ROWS,
    NO_SPLITS,
    calm,
    series,
    split_daily,
)


def found(
    bars: pl.DataFrame,
    loaded: Sequence[date],
    *,
    splits: pl.DataFrame = NO_SPLITS,
    asked: Sequence[tuple[str, date, date]] = (),
    at_once: int = 6,
    stored: dict[date, Stored] | None = None,
) -> dict[Rule, set[tuple[date | None, str | None, str]]]:
    """What the rules find in the bars of `loaded` sessions, and of the symbols `asked` for."""
    asked_for = pl.DataFrame(
        list(asked), schema={"symbol": pl.String, "first": pl.Date, "last": pl.Date}, orient="row"
    )
    known = stored or {day: Stored(day, True, 1, 0) for day in loaded}
    scan = Scan(Reference(known, SYMBOLS, splits, NO_ROWS, asked_for), Thresholds())
    of_symbols = [
        bars.filter((pl.col("symbol") == symbol) & pl.col("date").is_between(first, last))
        for symbol, first, last in asked
    ]
    there = pl.concat([bars.filter(pl.col("date").is_in(list(known))), *of_symbols]).unique()
    within = sessions_between(bars["date"].min(), bars["date"].max())  # type: ignore[arg-type]  # dates
    for days in (within[n : n + at_once] for n in range(0, len(within), at_once)):
        window = there.filter(pl.col("date").is_in(list(days))).sort("date", "symbol")
        scan.judge(window, [day for day in days if day in known])
    return {
        each.rule: {(one.day, one.symbol, one.detail) for one in each.worst}
        for each in scan.findings()
        if each.count
    }


def without(start: int, end: int) -> list[date]:
    """The sessions without those from the one to before the other."""
    return [*DAYS[:start], *DAYS[end:]]


def symbols_of(reported: dict[Rule, set[tuple[date | None, str | None, str]]]) -> set[str | None]:
    """The symbols that break a rule for series."""
    return {one[1] for rule in reported if rule.level is Level.SERIES for one in reported[rule]}


def test_between_bars_on_two_sides_of_a_hole_nothing_is_compared():
    """Sessions 30 to 34 are not loaded."""
    idle: dict[str, Any] = {"vwap": None, "transactions": None}
    volume = [*[5.0] * 35, 0.0, *[5.0] * 5]
    bars = pl.concat(
        [
            series("CARRIED", [*calm(35), 10.4, *calm(5)], volume=volume, **idle),
            series("GAP", [*calm(30), *[None] * 6, *calm(5)], volume=1e6),
            series("JUMP", [*calm(30), *[17.3, 17.4] * 5]),
            series("SCALE", [*calm(30), *[1_005.0, 1_006.0] * 5]),
            series("SPLIT", [*calm(30), *[5.05, 5.1] * 5]),
            series("STANDS", [*calm(27), *[11.0] * 10, *calm(5)]),
        ]
    )

    whole, holed = found(bars, DAYS[:41]), found(bars, without(30, 35)[:36])

    assert symbols_of(whole) == set(bars["symbol"])
    assert symbols_of(holed) == set()


def test_a_hole_of_any_length_is_neither_a_gap_nor_the_end_of_a_company():
    bars = pl.concat([series("TWO", [*calm(10), *[None] * 70, 40.0, 41.0, 40.0], volume=1e6)])

    whole, holed = found(bars, DAYS[:83]), found(bars, without(30, 31)[:82])

    assert whole[ONE_COMPANY] == {(DAYS[80], "TWO", "close 40.0 after 10.1")}
    assert {day for day, _, _ in whole[NO_GAPS]} == {DAYS[10]}
    assert not holed.keys() & {ONE_COMPANY, NO_GAPS}


def test_a_move_across_a_hole_is_half_of_no_spike():
    up, back = (
        series("UP", calm(29, 10.0, None, 14.0, 10.0)),
        series("BACK", calm(30, 14.0, None, 10.0)),
    )
    bars = pl.concat([up, back]).with_columns(volume=pl.lit(5_000.0))

    assert {symbol for _, symbol, _ in found(bars, DAYS[:33])[NO_SPIKES]} == {"BACK", "UP"}
    assert NO_SPIKES not in found(bars, without(31, 32)[:32])


def test_a_split_inside_a_hole_is_not_judged():
    """Not even that the price did not move: where it should have is not known."""
    splits = pl.DataFrame([("A", DAYS[32], 1.0, 10.0)], schema=NO_SPLITS.schema, orient="row")
    bars = series("A", calm(45))

    assert found(bars, DAYS[:45], splits=splits)[SPLITS_SHOWN]
    assert SPLITS_SHOWN not in found(bars, without(31, 34)[:42], splits=splits)
    assert SPLITS_SHOWN not in found(bars, without(32, 33)[:44], splits=splits)


def test_a_split_is_not_looked_for_on_the_other_side_of_a_long_hole():
    """The price moved by it, but forty sessions later, of which two are loaded."""
    splits = pl.DataFrame([("A", DAYS[30], 1.0, 10.0)], schema=NO_SPLITS.schema, orient="row")
    bars = series("A", [*calm(72), *[1.0, 1.01] * 4])

    (reported,) = found(bars, without(32, 71)[:41], splits=splits)[SPLITS_SHOWN]

    assert reported[2].endswith("the price did not move")


def test_what_was_asked_of_the_symbol_endpoint_is_not_a_hole_for_that_symbol():
    jump = [*calm(30), *[17.3, 17.4] * 5]
    bars = pl.concat([series("ASKED", jump), series("OTHER", jump)])
    asked = [("ASKED", DAYS[28], DAYS[33])]

    holed = found(bars, without(29, 32)[:37], asked=asked)

    assert holed[JUMPS_EXPLAINED] == {(DAYS[30], "ASKED", "close 17.3 after 10.1")}


def test_an_asked_session_without_a_bar_is_a_gap_of_that_symbol_alone():
    holed = calm(30, None, 10.0, 10.1)
    bars = pl.concat([series(name, holed, volume=1e6) for name in ("ASKED", "OTHER")])

    reported = found(bars, without(30, 31)[:32], asked=[("ASKED", DAYS[30], DAYS[30])])[NO_GAPS]

    assert {(day, symbol) for day, symbol, _ in reported} == {(DAYS[30], "ASKED")}


def test_symbols_are_judged_where_no_session_is_loaded():
    bars = pl.concat([series("A", [*calm(30), 17.3, *calm(9)]), series("B", calm(40))])

    reported = found(bars, [], asked=[("A", DAYS[0], DAYS[39]), ("B", DAYS[0], DAYS[39])])

    assert reported[NO_SPIKES] == {(DAYS[30], "A", "close 17.3 between 10.1 and 10.0")}


def test_a_quarantined_session_is_compared_with_and_not_across():
    """Its bars are there. What a symbol without one did in it is not known."""
    stored = {day: Stored(day, day != DAYS[30], 1, 0) for day in DAYS[:40]}
    bars = pl.concat(
        [
            series("THERE", [*calm(30), 17.3, *[17.4, 17.3] * 4]),
            series("ABSENT", [*calm(30), None, *[17.4, 17.3] * 4]),
        ]
    )

    reported = found(bars, [], stored=stored)

    assert reported[JUMPS_EXPLAINED] == {(DAYS[30], "THERE", "close 17.3 after 10.1")}
    assert NO_GAPS not in reported


def test_one_failed_session_leaves_a_symbol_its_usual_volume():
    volume = [*[1000.0] * 30, *[25_000.0] * 2, *[1000.0] * 8]
    bars = series("WILD", calm(40), volume=volume)

    reported = found(bars, without(30, 31)[:39])

    assert reported[VOLUME_USUAL] == {(DAYS[31], "WILD", "volume 25000.0, usually about 1001.0")}


def test_what_lies_sixty_days_back_is_not_usual_any_more():
    """Session 23 is the first of those within 60 days before session 62."""
    volume = [*[1000.0] * 62, 25_000.0]
    bars = series("WILD", calm(63), volume=volume)
    assert (DAYS[62] - DAYS[22]).days >= TRAILING_DAYS > (DAYS[62] - DAYS[23]).days

    nineteen, twenty = (found(bars, [*DAYS[: 23 + within], DAYS[62]]) for within in (19, 20))

    assert VOLUME_USUAL not in nineteen
    assert VOLUME_USUAL in twenty


def test_the_usual_move_is_of_the_moves_that_are_known():
    """Moves of a tenth, of which the one across the hole is not known."""
    closes = [100.0 * 1.1 ** (n % 2) for n in range(24)]
    histories = RollingState(split_daily(bars := series("A", closes)))
    loaded = without(12, 13)

    lines = histories.line_up(bars.filter(pl.col("date") != DAYS[12]), loaded).candidates

    last = lines.filter(pl.col("date") == DAYS[23])
    assert last["bars"].item() == 22
    assert last["usual_move"].item() == pytest.approx(0.0953102)


def test_a_series_is_unbroken_after_a_long_hole_once_twenty_bars_say_so():
    """As the thin symbol was before the hole, so it is supposed to be after it."""
    hole = [None] * 60
    thin = series("THIN", [*[10.0, None] * 10, *hole, *[10.1, None] * 10, 10.2])
    daily = series("DAILY", [*calm(20), *hole, *calm(10, None, 10.0)])
    late = series("LATE", [*calm(20), *hole, *calm(20, None, 10.0)])

    bars = pl.concat([thin, daily, late]).with_columns(volume=pl.lit(1e6))

    reported = found(bars, without(20, 80)[:42])[NO_GAPS]

    assert {(day, symbol) for day, symbol, _ in reported} == {
        (DAYS[1], "THIN"),
        (DAYS[100], "LATE"),
    }


def test_a_session_repeats_none_across_a_hole_and_has_no_returns():
    names = [f"S{n:04}" for n in range(1_000)]
    bars = pl.concat(
        [series("A", calm(30))] + [series(name, [10.0] * 3, start=27) for name in names]
    )

    whole, holed = found(bars, DAYS[:30]), found(bars, without(28, 29)[:29])

    assert {day for day, _, _ in whole[NO_REPEAT]} == {DAYS[28], DAYS[29]}
    assert NO_REPEAT not in holed
    assert MOVES_USUAL not in holed


@pytest.mark.parametrize(("left_out", "expected"), [(20, True), (21, False)])
def test_sessions_are_usual_across_a_hole_while_twenty_lie_within_sixty_days(
    left_out: int, expected: bool
):
    """Those from session 22 on are not loaded; all before it lie too far back."""
    loaded = [*DAYS[:22], *DAYS[22 + left_out : 63]]
    stored = {day: Stored(day, True, 10_000, 0) for day in loaded}
    stored[DAYS[62]] = Stored(DAYS[62], True, 100, 0)

    reported = found(series("A", calm(63)), [], stored=stored)

    assert (ROW_COUNT_PLAUSIBLE in reported) == expected


YEARS = sessions_between(date(2021, 1, 4), date(2024, 6, 28))
NEIGHBOURS = {
    CLOSES_MOVE,
    NO_SPIKES,
    ONE_COMPANY,
    PLACEHOLDERS_CARRY,
    SCALE_KEPT,
    SPLITS_KNOWN,
}
"""Rules that need no more than the bars before."""


def wandering(random: Random, days: Sequence[date], absent: float = 0.03) -> pl.DataFrame:
    """Bars of symbols to which all kinds of things happen."""
    rows: list[tuple[Any, ...]] = []
    for symbol in "ABCDEFGH":
        close, usual = random.uniform(5, 50), 10 ** random.uniform(2, 6)
        for day in days:
            event = random.random()
            if event < 0.03:
                factor = random.choice([1.4, 1.8, 2, 3, 10, 100])
                close *= factor if close < 30 else 1 / factor
            elif event < 0.7:
                close *= random.uniform(0.98, 1.02)
            if event > 1 - absent:
                continue
            volume = usual * random.uniform(0.5, 2) * random.choice([1] * 60 + [0, 100])
            price = round(close, 3)
            values = (price, price, price, price, float(round(volume)), price, 10)
            rows.append((day, symbol, *values))
    return pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row").sort("date", "symbol")


def of_series(reported: dict[Rule, set[Any]], rules: set[Rule]) -> set[tuple[str, Any]]:
    return {(rule.name, one) for rule in rules & reported.keys() for one in reported[rule]}


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_with_a_hole_is_found_without_it_too(seed: int):
    random = Random(seed)  # noqa: S311  # bars, not secrets
    bars = wandering(random, YEARS[:160])
    lost = set(random.sample(YEARS[:160], random.choice([1, 5, 30])))
    loaded = [day for day in YEARS[:160] if day not in lost]

    whole, holed = found(bars, YEARS[:160]), found(bars, loaded)

    assert of_series(whole, NEIGHBOURS)
    assert of_series(holed, NEIGHBOURS) <= of_series(whole, NEIGHBOURS)


@pytest.mark.parametrize("seed", range(4))
def test_two_ranges_far_apart_are_judged_as_if_each_were_alone(seed: int):
    """Once what was usual has lapsed, a range after a hole begins as the first one did."""
    first, second = YEARS[:80], YEARS[600:680]
    random = Random(seed)  # noqa: S311  # bars, not secrets
    bars = wandering(random, YEARS[:680], absent=0.0)
    usual = NEIGHBOURS | {JUMPS_EXPLAINED, VOLUME_USUAL}

    together = of_series(found(bars, [*first, *second]), usual)

    alone = [
        of_series(found(bars.filter(pl.col("date").is_in(list(days))), days), usual)
        for days in (first, second)
    ]
    assert together == alone[0] | alone[1]


@pytest.mark.parametrize("at_once", [1, 7, 160])
def test_however_bars_with_holes_are_cut_the_findings_are_the_same(at_once: int):
    random = Random(9)  # noqa: S311  # bars, not secrets
    bars = wandering(random, YEARS[:160])
    lost = {*YEARS[40:44], YEARS[70], *YEARS[100:130:2]}
    loaded = [day for day in YEARS[:160] if day not in lost]

    cut = found(bars, loaded, at_once=at_once)

    assert of_series(cut, NEIGHBOURS) == of_series(found(bars, loaded), NEIGHBOURS)
    assert of_series(cut, NEIGHBOURS)
