"""A session's figures, counted by hand."""

from math import log
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.quality.figures import Figures, figures
from universe_pipeline.domain.quality.history import Lagged
from universe_pipeline_tests.support.made_bars import DAYS, NO_ROWS, lined_up, series

EXCHANGES = pl.DataFrame({"symbol": ["A", "B", "C"], "exchange": ["XNYS", "XNAS", "XNYS"]})


def second(given: Lagged, exchanges: pl.DataFrame = EXCHANGES) -> Figures:
    """The figures of the second session."""
    return figures(given.bars, exchanges, ("A", "SPY"))[DAYS[1]]


def test_a_session_in_figures():
    found = second(
        lined_up(
            series("A", [10.0, 11.0], volume=[5.0, 100.0]),
            series("B", [20.0, 20.0], volume=[5.0, 10.5]),
            series("C", [40.0, 36.0], volume=[5.0, 0.0]),
            series("D", [30.0], start=1, volume=1.0),
        )
    )

    assert (found.rows, found.traded, found.fractional, found.returns) == (4, 3, 1, 3)
    assert found.unchanged == 1
    assert found.dollar_volume == 11.0 * 100 + 20.0 * 10.5 + 30.0
    assert found.median_return == 0.0
    assert found.mean_abs_return == pytest.approx((0.0953102 + 0.0 + 0.1053605) / 3)
    assert found.benchmarks == {"A"}
    assert found.by_exchange == {"XNYS": 2, "XNAS": 1}


def test_a_benchmark_without_trades_is_not_there():
    found = second(lined_up(series("A", [10.0, 10.0], volume=[5.0, 0.0])))

    assert found.benchmarks == set()


@pytest.mark.parametrize(
    "difference",
    [{"open": 9.9}, {"high": 10.1}, {"low": 9.9}, {"volume": 6.0}, {"volume": 0.0}],
)
def test_a_bar_is_repeated_if_prices_and_volume_are_those_of_the_session_before(
    difference: dict[str, Any],
):
    other = {name: [{"volume": 5.0}.get(name, 10.0), value] for name, value in difference.items()}
    repeated = series("A", [10.0, 10.0], volume=5.0)
    given: dict[str, Any] = {"volume": 5.0} | other
    differs = series("B", [10.0, 10.0], **given)

    assert second(lined_up(repeated, differs)).repeated == 1


def test_a_bar_of_two_sessions_before_is_neither_repeated_nor_a_return():
    given = lined_up(series("A", [10.0, None, 10.0]), series("B", [10.0, 10.1, 10.2]))

    found = figures(given.bars, NO_ROWS.select("symbol", exchange="symbol"), ())

    assert (found[DAYS[2]].repeated, found[DAYS[2]].returns) == (0, 1)


def test_volumes_are_measured_against_their_usual():
    """Twenty bars of 1,000 shares, then 2,000, 500 and 1,000; two a trade, or four in the second.

    A logarithm of volume is of one share more: log(2,001 / 1,001) and log(501 / 1,001).
    """
    end = {"A": 2_000.0, "B": 500.0, "C": 1_000.0}
    bars = [
        series(name, [10.0] * 21, volume=[*[1_000.0] * 20, last], transactions=500)
        for name, last in end.items()
    ]
    idle = series("D", [10.0] * 21, volume=[*[1_000.0] * 20, 0.0], transactions=None)
    ranged = series("E", [10.0] * 21, volume=[*[1_000.0] * 20, 1.0], transactions=1, low=9.0)
    young = series("F", [10.0, 10.0], start=19, transactions=500)

    given = lined_up(*bars, idle, ranged, young)
    found = figures(given.bars, EXCHANGES, ())[DAYS[20]]

    assert (found.measured, found.placeholders) == (5, 1)
    assert found.volume_shift == pytest.approx((0.0 - 0.692148) / 2)
    assert found.volume_width == pytest.approx(
        (1.038722 + 0.346074 + 0.346074 + 5.869533) / 4, rel=1e-4
    )
    assert found.trade_size == pytest.approx(log(4 * 1 * 2 * 1 * 2) / 5)
