"""Both lists of splits, and what the planted splits do to prices and volumes."""

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from universe_pipeline.domain.sessions import is_session
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline.simulator.world import World
from universe_pipeline_tests.support.asking import ask, daily_range, grouped

NEWER, OLDER = "/stocks/v1/splits", "/v3/reference/splits"


def pages(vendor: SimulatedVendor, target: str) -> list[dict[str, Any]]:
    """Follow every `next_url`."""
    found = [ask(vendor, target).json]
    while next_url := found[-1].get("next_url"):
        found.append(ask(vendor, next_url.removeprefix(vendor.base_url)).json)
    return found


def rows(vendor: SimulatedVendor, target: str) -> list[dict[str, Any]]:
    return [row for page in pages(vendor, target) for row in page["results"]]


def dates(vendor: SimulatedVendor, target: str) -> list[tuple[str, str]]:
    return [(row["ticker"], row["execution_date"]) for row in rows(vendor, target)]


def test_the_newer_list_has_the_vendors_shape(healthy: SimulatedVendor):
    page = ask(healthy, f"{NEWER}?ticker=AAPL").json

    ids = [row.pop("id") for row in page["results"]]
    assert list(page) == ["status", "request_id", "results"]
    assert page["results"] == [
        {
            "execution_date": "2020-08-31",
            "split_from": 1.0,
            "split_to": 4.0,
            "ticker": "AAPL",
            "adjustment_type": "forward_split",
            "historical_adjustment_factor": 0.25,
        },
        {
            "execution_date": "2014-06-09",
            "split_from": 1.0,
            "split_to": 7.0,
            "ticker": "AAPL",
            "adjustment_type": "forward_split",
            "historical_adjustment_factor": 0.035714,
        },
    ]
    assert [(each[0], len(each)) for each in ids] == [("E", 65)] * 2
    assert ids[0] != ids[1]


def test_the_older_list_has_the_vendors_shape(healthy: SimulatedVendor):
    page = ask(healthy, f"{OLDER}?ticker=NA").json

    (row,) = page["results"]
    assert list(page) == ["status", "request_id", "results"]
    assert len(row.pop("id")) == 41
    assert row == {
        "execution_date": "2023-05-15",
        "split_from": 30,
        "split_to": 1,
        "ticker": "NA",
    }


@pytest.mark.parametrize(
    ("target", "default", "newest"),
    [(NEWER, 100, ("A", "2027-02-01")), (OLDER, 10, ("A", "2027-02-01"))],
)
def test_a_page_begins_with_the_newest_and_has_a_next_one(
    target: str, default: int, newest: tuple[str, str]
):
    now = datetime(2027, 1, 29, 22, tzinfo=UTC)
    with SimulatedVendor(symbols=2_000, now=lambda: now) as vendor:
        page = ask(vendor, f"{target}?execution_date.lte=2027-02-01").json

        assert page["next_url"].startswith(f"{vendor.base_url}{target}?cursor=")
    assert (page["results"][0]["ticker"], page["results"][0]["execution_date"]) == newest
    assert len(page["results"]) == default


def test_both_lists_walked_in_any_pages_have_every_split_once():
    with SimulatedVendor(symbols=2_000) as vendor:
        newer = dates(vendor, f"{NEWER}?limit=5000")

        assert len(newer) > 150
        assert len(set(newer)) == len(newer)
        assert [day for _, day in newer] == sorted((day for _, day in newer), reverse=True)
        assert dates(vendor, f"{NEWER}?limit=7") == newer
        assert dates(vendor, f"{OLDER}?limit=90") == newer
        assert dates(vendor, f"{OLDER}?limit=1000&order=asc") == newer[::-1]
        assert dates(vendor, f"{NEWER}?limit=5000&sort=ticker.asc") == sorted(newer)


def test_filters_select_by_ticker_date_and_kind(healthy: SimulatedVendor):
    assert dates(healthy, f"{NEWER}?ticker.any_of=AAPL,BCPC&execution_date.lt=2020-08-31") == [
        ("AAPL", "2014-06-09"),
        ("BCPC", "2006-01-23"),
    ]
    stock_dividends = rows(healthy, f"{NEWER}?adjustment_type=stock_dividend")
    assert ("NAN", 1.0056) in [(row["ticker"], row["split_to"]) for row in stock_dividends]
    assert {row["adjustment_type"] for row in stock_dividends} == {"stock_dividend"}
    reverse = rows(healthy, f"{OLDER}?reverse_split=true&limit=1000")
    assert {"NA", "TRUE"} <= {row["ticker"] for row in reverse}
    assert all(row["split_from"] > row["split_to"] for row in reverse)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (f"{NEWER}?limit=5001", "The parameter 'limit' must be from 1 to 5000"),
        (f"{OLDER}?limit=1001", "The parameter 'limit' must be from 1 to 1000"),
        (f"{NEWER}?order=asc", "The parameter 'order' is unknown to the simulated vendor"),
        (
            f"{OLDER}?execution_date.gte=2020",
            "Could not parse the time parameter: 'execution_date.gte'. Use YYYY-MM-DD",
        ),
        (
            f"{NEWER}?cursor=QkNBQg",
            "Failed to parse query parameters from URL: the cursor is not valid",
        ),
    ],
)
def test_nonsense_is_refused_with_400(healthy: SimulatedVendor, target: str, error: str):
    reply = ask(healthy, target)

    assert (reply.status, reply.json["error"]) == (400, error)


@pytest.mark.parametrize(
    ("now", "listed"),
    [
        (datetime(2024, 5, 16, 12, tzinfo=UTC), False),
        (datetime(2024, 5, 17, 12, tzinfo=UTC), True),
    ],
)
def test_a_split_is_announced_90_days_ahead(now: datetime, listed: bool):
    with SimulatedVendor(symbols=300, now=lambda: now) as vendor:
        assert (("BCPC", "2024-08-15") in dates(vendor, f"{NEWER}?ticker=BCPC")) is listed


def test_splits_are_on_sessions_of_their_listing_and_of_all_kinds():
    listings = [listing for listing in World(14_000).listings if listing.splits]

    assert 1_000 < len(listings) < 2_000
    for listing in listings:
        for split in listing.splits:
            assert listing.first < split.day < listing.end
            assert is_session(date.fromordinal(split.day))
    kinds = Counter(split.type for listing in listings for split in listing.splits)
    assert set(kinds) == {"forward_split", "reverse_split", "stock_dividend"}
    assert min(kinds.values()) > 100


@pytest.mark.parametrize(
    ("ticker", "before", "day", "ratio"),
    [
        ("AAPL", "2020-08-28", "2020-08-31", 4.0),
        ("AAPL", "2014-06-06", "2014-06-09", 7.0),
        ("BCPC", "2006-01-20", "2006-01-23", 1.5),
        ("NA", "2023-05-12", "2023-05-15", 1 / 30),
        ("NAN", "2018-03-14", "2018-03-15", 1.0056),
    ],
)
def test_prices_step_at_the_open_of_the_execution_date_and_volumes_the_other_way(
    healthy: SimulatedVendor, ticker: str, before: str, day: str, ratio: float
):
    old, new = daily_range(healthy, ticker, before, day).rows

    assert old["c"] / new["o"] == pytest.approx(ratio, rel=0.04)
    assert 0.1 < new["v"] / old["v"] / ratio < 10


def test_bars_adjusted_are_in_the_shares_of_the_day_they_are_asked_for_on():
    week = ("2020-08-27", "2020-09-01")
    for now, shares in (
        (datetime(2020, 9, 2, 12, tzinfo=UTC), [4, 4, 1, 1]),
        (datetime(2020, 8, 30, 12, tzinfo=UTC), [1, 1]),
    ):
        with SimulatedVendor(symbols=300, now=lambda at=now: at) as vendor:
            raw = daily_range(vendor, "AAPL", *week).rows
            adjusted = daily_range(vendor, "AAPL", *week, "adjusted=true").rows

        assert [row["t"] for row in adjusted] == [row["t"] for row in raw]
        assert [row["n"] for row in adjusted] == [row["n"] for row in raw]
        for one, other, factor in zip(adjusted, raw, shares, strict=True):
            assert one["v"] == other["v"] * factor
            for price in ("o", "h", "l", "c", "vw"):
                assert one[price] == pytest.approx(other[price] / factor, abs=0.000051)


def test_a_session_adjusted_and_as_traded_differ_by_the_splits_after_it(healthy: SimulatedVendor):
    raw = grouped(healthy, "2020-08-28").by_ticker
    adjusted = grouped(healthy, "2020-08-28", "adjusted=true").by_ticker

    later = {
        ticker
        for ticker, day in dates(healthy, f"{NEWER}?limit=5000")
        if "2020-08-28" < day <= "2026-11-23"
    }
    assert {ticker for ticker in raw if raw[ticker] != adjusted[ticker]} == later & raw.keys()
    assert {"AAPL", "BCPC", "NA", "TPC"} <= later
    assert adjusted["TPC"]["v"] == raw["TPC"]["v"] * 10
    assert adjusted["A"] == raw["A"], "announced only"
    assert adjusted["NA"]["v"] == pytest.approx(raw["NA"]["v"] / 30, abs=1e-6)


@pytest.mark.parametrize("target", [NEWER, OLDER])
def test_splits_can_be_listed_wrongly_on_request(vendor: SimulatedVendor, target: str):
    vendor.faults.add("moved_split", tickers=["NA"], days=15)
    vendor.faults.add("repeated_split", tickers=["TRUE"], days=7)
    vendor.faults.add("missing", tickers=["TPC"])

    found = dates(vendor, f"{target}?limit=1000")

    assert [day for ticker, day in found if ticker == "NA"] == ["2023-05-30"]
    assert [day for ticker, day in found if ticker == "TRUE"] == ["2012-08-06", "2012-08-13"]
    assert "TPC" not in {ticker for ticker, _ in found}
    prices = daily_range(vendor, "NA", "2023-05-12", "2023-05-15").rows
    assert prices[1]["o"] / prices[0]["c"] == pytest.approx(30, rel=0.04)
