from collections.abc import Iterator
from typing import Any

import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import grouped

Session = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def full() -> Iterator[SimulatedVendor]:
    with SimulatedVendor() as vendor:
        yield vendor


@pytest.fixture(scope="module")
def session(full: SimulatedVendor) -> Session:
    return grouped(full, "2019-02-01").by_ticker


@pytest.fixture(scope="module")
def day_before(full: SimulatedVendor) -> Session:
    return grouped(full, "2019-01-31").by_ticker


def test_sessions_grow_from_2003_to_today(full: SimulatedVendor, session: Session):
    assert 5_500 < grouped(full, "2003-09-10").json["count"] < 6_300
    assert 8_200 < len(session) < 8_700
    assert 10_300 < grouped(full, "2026-11-20").json["count"] < 10_700


def test_no_ticker_comes_twice(full: SimulatedVendor):
    rows = grouped(full, "2026-11-20").rows

    assert len({row["T"] for row in rows}) == len(rows)


def test_high_and_low_enclose_open_and_close(session: Session):
    assert all(
        0 < row["l"] <= min(row["o"], row["c"]) <= max(row["o"], row["c"]) <= row["h"]
        for row in session.values()
    )


def test_prices_have_at_most_four_decimals(session: Session):
    assert all(
        row[key] == round(row[key], 4) for row in session.values() for key in ("o", "h", "l", "c")
    )
    cents = [row["c"] == round(row["c"], 2) for row in session.values() if row["c"] >= 1]
    assert 0.8 < sum(cents) / len(cents) < 0.95


def test_a_few_vwaps_lie_outside_low_and_high(session: Session):
    outside = [
        row for row in session.values() if "vw" in row and not row["l"] <= row["vw"] <= row["h"]
    ]

    assert 0.05 < len(outside) / len(session) < 0.08


def test_idle_rows_carry_the_last_close_flat(session: Session, day_before: Session):
    idle = {ticker: row for ticker, row in session.items() if row["v"] == 0}

    assert 0.004 < len(idle) / len(session) < 0.01
    assert all(row["o"] == row["h"] == row["l"] == row["c"] for row in idle.values())
    traded_before = [t for t in idle if t in day_before and day_before[t]["v"] > 0]
    assert len(traded_before) > 20
    assert all(idle[ticker]["c"] == day_before[ticker]["c"] for ticker in traded_before)


def test_exactly_the_idle_rows_lack_vwap_and_transactions(session: Session):
    for row in session.values():
        assert ("vw" in row) == ("n" in row) == (row["v"] > 0)


def test_opens_are_near_the_last_close(session: Session, day_before: Session):
    gaps = [session[t]["o"] / day_before[t]["c"] - 1 for t in session if t in day_before]

    assert max(abs(gap) for gap in gaps) < 0.25
    assert sum(abs(gap) < 0.03 for gap in gaps) / len(gaps) > 0.98


def test_no_session_repeats_the_one_before(session: Session, day_before: Session):
    repeated = [
        ticker
        for ticker, row in session.items()
        if row["v"] > 0 and ticker in day_before and row["v"] == day_before[ticker]["v"]
    ]

    assert len(repeated) / len(session) < 0.005
