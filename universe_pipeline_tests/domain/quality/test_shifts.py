"""Sessions that differ as a whole: one finding, and what a symbol does beyond it stays its own."""

from collections.abc import Callable, Sequence
from datetime import date
from math import exp, log
from typing import Any

import numpy as np
import polars as pl
import pytest

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.figures import Figures
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import (
    EARLY_VOLUME_WHOLE,
    JUMPS_EXPLAINED,
    MOVES_USUAL,
    NO_SPIKES,
    PLACEHOLDERS_CARRY,
    SCALE_KEPT,
    SHIFTED,
    SPLITS_KNOWN,
    VOLUME_USUAL,
    VWAP_NEAR,
    Level,
    Rule,
)
from universe_pipeline.domain.quality.scan import Reference, Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.quality.shifts import Shift, Usual, shift_of
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.domain.quality.test_scan import SYMBOLS
from universe_pipeline_tests.support.made_bars import NO_ROWS, NO_SPLITS

DAYS = sessions_between(date(2024, 4, 1), date(2024, 5, 31))
D = 30
"""The session that differs: 2024-05-13."""

SHARES = 200
"""Symbols."""


def market(days: Sequence[date] = DAYS, transactions: int | None = 10) -> pl.DataFrame:
    """Symbols that differ in price and volume, and each from day to day; the seed is fixed."""
    random = np.random.default_rng(23)
    close = random.uniform(5, 200, SHARES)
    usual = np.exp(random.uniform(log(2_000), log(5_000_000), SHARES))
    frames: list[pl.DataFrame] = []
    for n, day in enumerate(days):
        close = np.round(close * np.exp(random.normal(0, 0.012, SHARES)), 2)
        volume = np.rint(usual * np.exp(random.normal(0, 0.5, SHARES)))
        values: dict[str, Any] = {
            "date": [day] * SHARES,
            "symbol": [f"S{place:03}" for place in range(SHARES)],
            "open": close,
            "high": np.round(close * 1.01, 2),
            "low": np.round(close * 0.99, 2),
            "close": close,
            "volume": volume,
            "vwap": close,
            "transactions": None if transactions is None else np.maximum(1, volume // 100),
        }
        frames.append(pl.DataFrame(values, schema=DATED_BAR_SCHEMA, strict=False))
        assert n < len(days)
    return pl.concat(frames)


def on(day: int, *changed: pl.Expr, every: int = 1) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The market with other values of one session, of every such symbol."""
    place = pl.col("symbol").str.slice(1).cast(pl.Int64)
    chosen = (pl.col("date") == DAYS[day]) & (place % every == 0)

    def change(bars: pl.DataFrame) -> pl.DataFrame:
        return bars.with_columns(
            pl.when(chosen).then(each).otherwise(pl.col(each.meta.output_name()))
            for each in changed
        )

    return change


def times(factor: float, *names: str) -> list[pl.Expr]:
    return [pl.col(name) * factor for name in names]


PRICES = ("open", "high", "low", "close")
FLAT = [*(pl.lit(10.0).alias(name) for name in PRICES), pl.lit(1.0).alias("volume")]


def judged(bars: pl.DataFrame, since: int = 0, at_once: int = 6) -> list[Finding]:
    """What is found from a session on, where the twenty before it are only compared with."""
    stored = {day: Stored(day, True, SHARES, 0) for day in DAYS}
    scan = Scan(Reference(stored, SYMBOLS, NO_SPLITS, NO_ROWS), Thresholds())
    if since:
        scan.remember(bars.filter(pl.col("date").is_in(list(DAYS[since - 20 : since]))))
    for days in (DAYS[n : n + at_once] for n in range(since, len(DAYS), at_once)):
        scan.judge(bars.filter(pl.col("date").is_in(list(days))), days)
    return scan.findings()


def counts(findings: list[Finding]) -> dict[Rule, int]:
    levels = (Level.ROW, Level.SESSION, Level.SERIES)
    return {each.rule: each.count for each in findings if each.count and each.rule.level in levels}


def details(findings: list[Finding], rule: Rule = SHIFTED) -> list[str]:
    return [str(one) for each in findings if each.rule is rule for one in each.worst]


def test_a_market_that_does_what_markets_do_differs_in_no_session():
    assert counts(judged(market())) == {}


@pytest.mark.parametrize(
    ("factor", "said"), [(2.0, "2"), (0.5, "0.5"), (10.0, "10"), (0.01, "0.01")]
)
@pytest.mark.parametrize("transactions", [10, None])
def test_a_factor_on_all_volumes_is_one_finding_of_the_session(
    factor: float, said: str, transactions: int | None
):
    """Within a tenth of it, as the day's own median volume lies near the usual one."""
    bars = on(D, *times(factor, "volume"))(market(transactions=transactions))
    plain = judged(market(transactions=transactions))

    found = judged(bars)

    assert counts(found).keys() - {SHIFTED} <= counts(plain).keys() | {EARLY_VOLUME_WHOLE}
    (one,) = details(found)
    assert one.startswith(f"{DAYS[D]}: volumes are ")
    value = float(one.split("volumes are ")[1].split(" times")[0])
    assert value == pytest.approx(factor, rel=0.12)
    assert EARLY_VOLUME_WHOLE not in counts(found)


def test_findings_that_follow_from_a_shift_are_counted_in_it():
    """Of 200 volumes those are odd that halving leaves with a half."""
    bars = on(D, *times(0.5, "volume"))(market())
    odd = bars.filter((pl.col("date") == DAYS[D]) & (pl.col("volume") % 1 != 0)).height

    (one,) = details(judged(bars))

    assert odd > 50
    assert one.endswith(f"; {odd} findings of symbols follow from it")


def test_all_prices_a_hundredfold_are_one_finding_of_that_session_and_none_of_the_next():
    """Each of 200 symbols breaks the rule of scale on the day and after it, and spikes."""
    bars = on(D, *times(100.0, *PRICES))(market())

    found = judged(bars)

    assert counts(found) == {SHIFTED: 1}
    (one,) = details(found)
    assert one.startswith(f"{DAYS[D]}: prices are 100 times those of the session before; ")
    follow = int(one.split("; ")[1].split()[0].replace(",", ""))
    assert follow >= 3 * SHARES + SHARES  # and vwap, which was not changed, is far from the range


def test_prices_that_stay_shifted_are_one_finding_of_the_first_session():
    late = pl.col("date") >= DAYS[D]
    bars = market().with_columns(
        pl.when(late).then(pl.col(name) * 2).otherwise(pl.col(name)) for name in (*PRICES, "vwap")
    )

    found = judged(bars)

    assert counts(found) == {SHIFTED: 1}
    assert [one[:10] for one in details(found)] == [str(DAYS[D])]


def test_a_session_after_a_shift_is_judged_as_back_from_it_also_in_a_run_of_its_own():
    bars = on(D, *times(3.0, *PRICES))(market())

    found = judged(bars, since=D + 1)

    assert counts(found) == {SHIFTED: 1}
    assert [one[:10] for one in details(found)] == [str(DAYS[D])]


def test_half_the_bars_flat_and_tiny_are_one_finding_of_the_session():
    bars = on(D, *FLAT, every=2)(market())

    found = judged(bars)

    assert counts(found) == {SHIFTED: 1}
    (one,) = details(found)
    assert one.startswith(
        f"{DAYS[D]}: 50% of the bars have one price and hardly any volume, usually 0%; "
    )
    assert int(one.split("; ")[1].split()[0]) > SHARES / 2


def test_half_the_bars_carried_without_a_trade_are_one_finding_of_the_session():
    carried = [pl.col("close").alias(name) for name in PRICES]
    idle = [pl.lit(0.0).alias("volume"), pl.lit(None).alias("transactions")]
    bars = on(D, *carried, *idle, every=2)(market())

    assert counts(judged(bars)) == {SHIFTED: 1}


def test_some_placeholders_more_than_usual_remain_findings_of_their_symbols():
    """A seventh of them is not a fifth."""
    found = counts(judged(on(D, *FLAT, every=7)(market())))

    assert SHIFTED not in found
    assert found[VOLUME_USUAL] > SHARES / 7 - 2


def test_what_a_symbol_does_beyond_the_shift_stays_its_own_finding():
    doubled = on(D, *times(2.0, "volume"))(market())
    is_one = (pl.col("symbol") == "S007") & (pl.col("date") == DAYS[D])
    wild = doubled.with_columns(
        volume=pl.when(is_one).then(pl.col("volume") * 5_000).otherwise("volume")
    )
    scaled = on(D, *times(100.0, *PRICES, "vwap"))(market())
    jumped = scaled.with_columns(
        pl.when(is_one).then(pl.col(name) * 1.7).otherwise(pl.col(name))
        for name in (*PRICES, "vwap")
    )

    assert counts(judged(wild)) == {SHIFTED: 1, VOLUME_USUAL: 1}
    beyond = counts(judged(jumped))
    assert {rule: count for rule, count in beyond.items() if rule.level is Level.SERIES}
    assert max(beyond.values()) <= 2


@pytest.mark.parametrize(
    "change", [on(D, *FLAT, every=2), on(D, *times(100.0, *PRICES)), on(D, *times(0.5, "volume"))]
)
def test_however_the_bars_are_cut_a_shift_is_the_same(
    change: Callable[[pl.DataFrame], pl.DataFrame],
):
    bars = change(market())

    assert judged(bars, at_once=1) == judged(bars, at_once=5) == judged(bars, at_once=len(DAYS))


USUAL: dict[str, Any] = {
    "returns": 9_800,
    "median_return": 0.0,
    "mean_abs_return": 0.02,
    "measured": 9_500,
    "placeholders": 95,
    "volume_shift": 0.0,
    "volume_width": 0.4,
    "trade_size": 4.6,
}


def shift(day: date = DAYS[D], **changes: Any) -> Shift | None:
    before = [Figures(each, **USUAL) for each in DAYS[:20]]
    return shift_of(Usual(Figures(day, **(USUAL | changes)), before), {})


DOUBLED: dict[str, Any] = {"volume_shift": log(2), "trade_size": 4.6 + log(2)}
HALVED: dict[str, Any] = {"volume_shift": -log(2), "trade_size": 4.6 - log(2)}


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a usual day", {}),
        ("a busy day has more trades", {"volume_shift": log(2)}),
        ("nor are they all larger", {"volume_shift": log(2), "trade_size": 4.9}),
        ("a crash", DOUBLED | {"mean_abs_return": 0.031}),
        ("an expiry concerns some names", DOUBLED | {"volume_width": 0.51}),
        ("a busy day by volume alone", {"volume_shift": 0.5, "trade_size": None}),
        ("the same by volume alone", DOUBLED | {"volume_width": 0.51, "trade_size": None}),
        ("an early close", {"volume_shift": -0.9}),
        ("a crash of 12 %", {"median_return": -0.13, "mean_abs_return": 0.13, "volume_shift": 0.7}),
        ("too few", DOUBLED | {"measured": 99}),
        ("a quiet day of thin symbols", {"placeholders": 1_900}),
        ("a few symbols", {"median_return": 0.5, "returns": 99}),
    ],
)  # fmt: skip
def test_real_days_do_not_differ_as_a_whole(what: str, changes: dict[str, Any]):
    assert shift(**changes) is None, what


@pytest.mark.parametrize(
    ("changes", "volumes", "prices"),
    [
        (DOUBLED, 2.0, 1.0),
        (HALVED, 0.5, 1.0),
        (DOUBLED | {"trade_size": None}, 2.0, 1.0),
        (DOUBLED | {"mean_abs_return": 0.03, "volume_width": 0.5}, 2.0, 1.0),
        ({"volume_shift": log(6), "mean_abs_return": 0.2, "volume_width": 2.0}, 6.0, 1.0),
        ({"median_return": log(1.3)}, 1.0, 1.3),
        ({"median_return": -log(100)} | DOUBLED, 2.0, 0.01),
    ],
)
def test_a_factor_on_all_values_is_known_by_the_median(
    changes: dict[str, Any], volumes: float, prices: float
):
    found = shift(**changes)

    assert found is not None
    assert (exp(found.volumes), exp(found.prices)) == pytest.approx((volumes, prices))


@pytest.mark.parametrize(
    "day",
    [
        date(2023, 11, 24),
        date(2024, 7, 3),
        date(2023, 12, 26),
        date(2023, 12, 29),
        date(2024, 1, 2),
    ],
)
def test_around_holidays_volumes_may_halve_and_not_double(day: date):
    assert shift(day, **HALVED) is None
    assert shift(day, **DOUBLED) is not None


def test_placeholders_are_compared_with_their_usual_share():
    """A hundredth is usual here: a fifth more is 21 %."""
    assert shift(placeholders=1_995) is None
    found = shift(placeholders=1_996)
    assert found is not None
    assert found.details == ("21% of the bars have one price and hardly any volume, usually 1%",)


def test_without_twenty_sessions_before_only_prices_are_judged():
    def alone(**changes: Any) -> Shift | None:
        return shift_of(Usual(Figures(DAYS[D], **(USUAL | changes)), ()), {})

    assert alone(**DOUBLED) is None
    assert alone(placeholders=9_000) is None
    assert alone(median_return=log(2)) is not None


@pytest.mark.parametrize(
    ("last", "moved", "prices"),
    [
        (Shift(DAYS[D - 1], prices=log(3)), -log(3.1), 0.0),
        (Shift(DAYS[D - 1], prices=log(3)), log(2), log(2)),
        (Shift(DAYS[D - 1], placeholders=True), log(2), 0.0),
        (Shift(DAYS[D - 2], prices=log(3)), -log(3), -log(3)),
    ],
)
def test_prices_are_back_only_from_the_session_before(last: Shift, moved: float, prices: float):
    before = [Figures(each, **USUAL) for each in DAYS[:20]]
    given: dict[str, Any] = USUAL | {"median_return": moved}
    figures = Figures(DAYS[D], **given)

    found = shift_of(Usual(figures, before), {last.session: last})

    assert found is not None
    assert found.prices == prices
    assert bool(found.details) == bool(prices)


def test_after_shifted_volumes_a_session_is_judged_as_any_other():
    last = Shift(DAYS[D - 1], volumes=log(2))

    assert shift_of(Usual(Figures(DAYS[D], **USUAL), ()), {last.session: last}) is None


def test_a_shifted_session_does_not_also_move_oddly():
    found = counts(judged(on(D, *times(100.0, *PRICES))(market())))

    assert MOVES_USUAL not in found
    assert not found.keys() & {
        JUMPS_EXPLAINED,
        NO_SPIKES,
        PLACEHOLDERS_CARRY,
        SCALE_KEPT,
        SPLITS_KNOWN,
        VWAP_NEAR,
    }
