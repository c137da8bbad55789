"""Restless prices: what real ones do, and calm ones never."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import grouped

START, END = date(2024, 4, 15), date(2024, 7, 9)
NOW = datetime(2024, 7, 9, 22, tzinfo=UTC)
SESSIONS = sessions_between(START, END)

History = list[dict[str, dict[str, Any]]]


def history(vendor: SimulatedVendor) -> History:
    return [grouped(vendor, str(session)).by_ticker for session in SESSIONS]


@pytest.fixture(scope="module")
def calm() -> Iterator[History]:
    with SimulatedVendor(symbols=1_000, now=lambda: NOW) as vendor:
        yield history(vendor)


@pytest.fixture(scope="module")
def restless() -> Iterator[History]:
    with SimulatedVendor(symbols=1_000, now=lambda: NOW, restless=True) as vendor:
        yield history(vendor)


def jumps(found: History) -> int:
    """Closes that differ by half of the ones before."""
    return sum(
        not 1 / 1.5 < now[ticker]["c"] / before[ticker]["c"] < 1.5
        for before, now in pairwise(found)
        for ticker in now.keys() & before.keys()
    )


def test_prices_jump(calm: History, restless: History):
    assert jumps(calm) < 5
    assert jumps(restless) > 50


def test_most_jumps_bring_volume(restless: History):
    busier = Counter(
        now[ticker]["v"] > 3 * before[ticker]["v"]
        for before, now in pairwise(restless)
        for ticker in now.keys() & before.keys()
        if before[ticker]["v"] > 0 and abs(now[ticker]["o"] / before[ticker]["c"] - 1) > 0.3
    )

    assert 0.3 < busier[True] / busier.total() < 0.98


def test_thin_names_trade_seldom(calm: History, restless: History):
    def rare(found: History) -> int:
        seen = Counter(ticker for session in found for ticker in session)
        return sum(count < len(SESSIONS) / 2 for count in seen.values())

    assert rare(restless) > rare(calm) + 20


def test_warrants_trade_at_cents(calm: History, restless: History):
    def at_cents(found: History) -> list[float]:
        return [row["c"] for row in found[-1].values() if row["c"] < 0.3]

    assert len(at_cents(restless)) > len(at_cents(calm)) + 10
    assert min(at_cents(restless)) < 0.05


def test_they_are_the_same_bars_otherwise(restless: History):
    for session in restless:
        for row in session.values():
            assert 0 < row["l"] <= min(row["o"], row["c"])
            assert row["h"] >= max(row["o"], row["c"])
            assert ("n" in row) == (row["v"] > 0)
    assert {"SPY", "AAPL", "MSFT", "BRK.A"} <= set.intersection(*map(set, restless))


def test_their_number_stays_plausible(restless: History):
    counts = sorted(map(len, restless))

    assert counts[0] > 0.95 * counts[-1]
