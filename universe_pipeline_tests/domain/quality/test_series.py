"""Rules for one symbol's bars: each with a planted case and one that just keeps the rule."""

from typing import Any

import polars as pl

from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.history import Lagged
from universe_pipeline.domain.quality.rules import (
    CLOSES_CHANGE,
    CLOSES_MOVE,
    NO_GAPS,
    PLACEHOLDERS_CARRY,
    TRADED_DAILY,
    VOLUME_USUAL,
)
from universe_pipeline.domain.quality.series import judge_series
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.support.made_bars import (
    DAYS,
    NO_ROWS,
    calm,
    details,
    lined_up,
    offenders,
    series,
)


def judged(given: Lagged, rejected: pl.DataFrame = NO_ROWS, stale: int = 5) -> list[Finding]:
    return judge_series(given.candidates, DAYS, rejected, Thresholds(stale=stale))


def test_a_session_without_a_bar_in_an_unbroken_series_is_a_gap():
    holed = series("HOLED", calm(22, None, None, 10.0), volume=1e6)
    whole = series("WHOLE", calm(25))

    found = judged(lined_up(holed, whole))

    assert offenders(found, NO_GAPS) == [(22, "HOLED")]
    assert details(found, NO_GAPS) == [
        "no bar until 2024-02-06, 2 missing: no trade, a halt, or a row that was not sent"
    ]


def test_a_symbol_that_rarely_trades_is_reported_once():
    thin = series("THIN", [10.0, None, 10.1, None, 10.0, None, None, 10.1], volume=1e6)

    assert offenders(judged(lined_up(thin)), NO_GAPS) == [(1, "THIN")]


def test_twenty_bars_make_a_series_unbroken_again():
    nineteen = series("NINETEEN", [10.0, None, *calm(19), None, 10.0], volume=1e6)
    twenty = series("TWENTY", [10.0, None, *calm(21), None, 10.0], volume=1e6)

    found = judged(lined_up(nineteen, twenty))

    assert offenders(found, NO_GAPS) == [(1, "NINETEEN"), (1, "TWENTY"), (23, "TWENTY")]


def test_what_the_series_before_did_is_nothing_to_this_one():
    ends_holed = series("A", [10.0, None, 10.1], start=0, volume=1e6)
    begins = series("B", [10.0, 10.1, None, 10.0], start=3, volume=1e6)

    assert offenders(judged(lined_up(ends_holed, begins)), NO_GAPS) == [(1, "A"), (5, "B")]


def test_sessions_that_are_not_loaded_are_no_gap():
    holed = series("HOLED", calm(5, None, 10.0))
    loaded = [day for day in DAYS if day != DAYS[5]]

    found = judged(lined_up(holed, loaded=loaded))

    assert offenders(found, NO_GAPS) == []


def test_a_gap_says_what_it_looks_like():
    rejected = pl.DataFrame({"date": [DAYS[5]], "symbol": ["LOST"]})
    lost = series("LOST", calm(5, None, 10.0), volume=30.0)
    relisted = series("RELISTED", calm(5, *[None] * 20, 10.0), volume=2e6)
    halted = series("HALTED", calm(5, *[None] * 19, 10.0), volume=1e6)

    found = judged(lined_up(lost, relisted, halted), rejected)

    assert [text.rpartition(": ")[2] for text in details(found, NO_GAPS)] == [
        "as between two listings",
        "no trade, a halt, or a row that was not sent",
        "a row was rejected",
    ]


def test_five_equal_closes_in_a_row_are_a_standstill_and_four_are_not():
    five = series("FIVE", [9.0, *[10.0] * 5, 9.5])
    four = series("FOUR", [9.0, *[10.0] * 4, 9.5])

    found = judged(lined_up(five, four))

    assert offenders(found, CLOSES_MOVE) == [(5, "FIVE")]
    assert details(found, CLOSES_MOVE) == ["close 10.0 for 5 bars, volume 1000.0"]


def test_a_standstill_is_reported_again_at_twenty_bars_and_then_no_more():
    stands = series("STANDS", [10.0] * 40)

    assert offenders(judged(lined_up(stands)), CLOSES_MOVE) == [(4, "STANDS"), (19, "STANDS")]


def test_a_close_that_may_well_be_the_same_does_not_stand_still():
    """Without trades, of symbols that move by ticks or at cents, or after a takeover."""
    idle = series("IDLE", calm(20, *[11.0] * 6), volume=[*[1000.0] * 20, *[0.0] * 6])
    ticks = series("TICKS", [*[10.0, 10.01] * 10, *[10.02] * 6])
    cents = series("CENTS", [*[0.12, 0.13] * 10, *[0.14] * 6])
    taken = series("TAKEN", [*[10.0, 10.01] * 10, *[15.0] * 6])

    found = judged(lined_up(idle, ticks, cents, taken))

    assert offenders(found, CLOSES_MOVE) == []
    assert offenders(found, CLOSES_CHANGE) == [
        (24, "CENTS"),
        (24, "IDLE"),
        (24, "TAKEN"),
        (24, "TICKS"),
    ]


def test_a_symbol_that_was_not_seen_to_move_yet_is_expected_to():
    found = judged(lined_up(series("NEW", [10.0] * 5), series("CHEAP", [1.0] * 5)))

    assert offenders(found, CLOSES_MOVE) == [(4, "NEW")]
    assert offenders(found, CLOSES_CHANGE) == [(4, "CHEAP")]


def test_a_bar_without_a_trade_ends_a_standstill():
    volume = [*[1000.0] * 24, 0.0, *[1000.0] * 3]
    stands = series("STANDS", calm(20, *[11.0] * 8), volume=volume)

    assert offenders(judged(lined_up(stands)), CLOSES_MOVE) == []


def test_that_a_symbol_misses_a_session_is_a_warning_only_where_it_trades_all_day():
    thin = series("THIN", calm(5, None, 10.0), volume=99_000.0)
    busy = series("BUSY", calm(5, None, 10.0), volume=101_000.0)

    found = judged(lined_up(thin, busy))

    assert offenders(found, NO_GAPS) == [(5, "BUSY")]
    assert offenders(found, TRADED_DAILY) == [(5, "THIN")]


def test_a_standstill_ends_with_its_symbol():
    first, second = series("A", [9.0, 10.0, 10.0, 10.0]), series("B", [10.0, 10.0, 10.0])

    assert offenders(judged(lined_up(first, second)), CLOSES_MOVE) == []
    assert offenders(judged(lined_up(first), stale=3), CLOSES_MOVE) == [(3, "A")]


def test_a_standstill_that_began_before_the_judged_bars_is_reported_once():
    stands = series("STANDS", [9.0, *[10.0] * 10])

    assert offenders(judged(lined_up(stands, since=5)), CLOSES_MOVE) == [(5, "STANDS")]
    assert offenders(judged(lined_up(stands, since=6)), CLOSES_MOVE) == []


def test_a_volume_far_from_the_twenty_before_is_reported():
    """Six deviations of at least a half each on a log scale: about twenty times."""
    wild = series("WILD", calm(21), volume=[*[1000.0] * 20, 21_000.0])
    busy = series("BUSY", calm(21), volume=[*[1000.0] * 20, 19_000.0])
    dead = series("DEAD", calm(21), volume=[*[1000.0] * 20, 40.0])
    young = series("YOUNG", calm(20), volume=[*[1000.0] * 19, 1e9])

    found = judged(lined_up(wild, busy, dead, young))

    assert offenders(found, VOLUME_USUAL) == [(20, "DEAD"), (20, "WILD")]
    assert details(found, VOLUME_USUAL) == [
        "volume 40.0, usually about 1001.0",
        "volume 21000.0, usually about 1001.0",
    ]


def test_a_split_makes_no_wild_volume():
    volume = [*[80_000.0] * 20, 1_000.0]
    reverse = series("REVERSE", calm(20, 802.0), volume=volume)

    assert offenders(judged(lined_up(reverse)), VOLUME_USUAL) == []


def test_that_nothing_trades_is_a_wild_volume_only_where_much_does():
    volume = [*[1000.0] * 20, 0.0]
    thin = series("THIN", calm(21), volume=volume)
    busy = series("BUSY", calm(21), volume=[1000 * each for each in volume])

    assert offenders(judged(lined_up(thin, busy)), VOLUME_USUAL) == [(20, "BUSY")]


def test_a_volume_that_always_varies_is_not_reported():
    restless = series("RESTLESS", calm(21), volume=[*[100.0, 10_000.0] * 10, 100_000.0])

    assert offenders(judged(lined_up(restless)), VOLUME_USUAL) == []


def test_a_bar_without_trades_carries_the_close_before():
    idle: dict[str, Any] = {"volume": [1000.0, 0.0], "transactions": None, "vwap": None}
    moved = series("MOVED", [10.0, 10.2], **idle)
    carried = series("CARRIED", [10.0, 10.0], **idle)
    ranged = series("RANGED", [10.0, 10.2], **idle, low=9.0)

    found = judged(lined_up(moved, carried, ranged))

    assert offenders(found, PLACEHOLDERS_CARRY) == [(1, "MOVED")]
    assert details(found, PLACEHOLDERS_CARRY) == ["10.2 without a trade, 10.0 the close before"]
