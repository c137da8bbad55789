"""Both lists of dividends, and what the dividends do to prices."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from universe_pipeline.domain.sessions import is_session
from universe_pipeline.simulator.faults import Fault, fault_from_text
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import ask, daily_range

NEWER, OLDER = "/stocks/v1/dividends", "/v3/reference/dividends"
TODAY = "2026-11-23"


def rows(vendor: SimulatedVendor, target: str) -> list[dict[str, Any]]:
    """Follow every `next_url`."""
    pages = [ask(vendor, target).json]
    while next_url := pages[-1].get("next_url"):
        pages.append(ask(vendor, next_url.removeprefix(vendor.base_url)).json)
    return [row for page in pages for row in page["results"]]


def keys(vendor: SimulatedVendor, target: str) -> list[tuple[str, str, float]]:
    return [
        (row["ticker"], row["ex_dividend_date"], row["cash_amount"]) for row in rows(vendor, target)
    ]


def test_the_newer_list_has_the_vendors_shape(healthy: SimulatedVendor):
    page = ask(healthy, f"{NEWER}?ticker=AAPL&ex_dividend_date=2025-11-05").json

    (row,) = page["results"]
    assert list(page) == ["status", "request_id", "results"]
    assert (row["id"][0], len(row.pop("id"))) == ("E", 65)
    assert row == {
        "ticker": "AAPL",
        "record_date": "2025-11-05",
        "pay_date": "2025-11-26",
        "declaration_date": "2025-10-15",
        "ex_dividend_date": "2025-11-05",
        "frequency": 4,
        "cash_amount": 0.3132,
        "currency": "USD",
        "distribution_type": "recurring",
        "historical_adjustment_factor": 0.989044,
        "split_adjusted_cash_amount": 0.3132,
    }


def test_the_older_list_gives_amounts_in_shares_of_today(healthy: SimulatedVendor):
    day = "2014-05-06"
    page = ask(healthy, f"{OLDER}?ticker=AAPL&ex_dividend_date={day}").json
    (newer,) = ask(healthy, f"{NEWER}?ticker=AAPL&ex_dividend_date={day}").rows

    (row,) = page["results"]
    assert list(page) == ["status", "request_id", "results"]
    assert row.pop("id").startswith("P")
    assert list(row) == [
        *("cash_amount", "currency", "declaration_date", "dividend_type", "ex_dividend_date"),
        *("frequency", "pay_date", "record_date", "ticker"),
    ]
    assert row["cash_amount"] == newer["split_adjusted_cash_amount"]
    assert newer["cash_amount"] == pytest.approx(28 * row["cash_amount"], abs=28e-6)


def test_a_day_can_have_two(healthy: SimulatedVendor):
    found = ask(healthy, f"{NEWER}?ticker=MSFT&ex_dividend_date=2004-11-15&sort=cash_amount.asc")

    assert [
        (row["cash_amount"], row["distribution_type"], row["frequency"]) for row in found.rows
    ] == [(0.08, "recurring", 4), (3.0, "special", 0)]


def test_both_lists_walked_in_any_pages_have_every_dividend_once(healthy: SimulatedVendor):
    by_date = keys(healthy, f"{NEWER}?limit=5000&sort=ex_dividend_date.asc,ticker.asc")

    assert len(by_date) > 5_000
    assert [key[1::-1] for key in by_date] == sorted(key[1::-1] for key in by_date)
    window = "ticker.gte=A&ticker.lt=C"
    few = keys(healthy, f"{NEWER}?{window}&limit=5000")
    assert few == sorted(key for key in by_date if "A" <= key[0] < "C")
    assert keys(healthy, f"{NEWER}?{window}&limit=101") == few
    older = keys(healthy, f"{OLDER}?{window}&limit=1000&sort=ticker&order=asc")
    assert [key[:2] for key in older] == [key[:2] for key in few]


def test_windows_of_ex_dates_join_without_gap_or_overlap(healthy: SimulatedVendor):
    year = keys(healthy, f"{NEWER}?ex_dividend_date.gte=2025-01-01&ex_dividend_date.lt=2026-01-01")
    halves = keys(
        healthy, f"{NEWER}?ex_dividend_date.gte=2025-01-01&ex_dividend_date.lte=2025-06-30"
    ) + keys(healthy, f"{NEWER}?ex_dividend_date.gt=2025-06-30&ex_dividend_date.lt=2026-01-01")

    assert len(year) > 300
    assert sorted(halves) == sorted(year)


def test_ids_are_new_in_each_pull_and_one_within_it(healthy: SimulatedVendor):
    target = f"{NEWER}?ticker=AAPL&limit=7"
    first, second = rows(healthy, target), rows(healthy, target)

    for pull in (first, second):
        assert len({row["id"] for row in pull}) == len(pull) > 50
    assert {row["id"] for row in first}.isdisjoint(row["id"] for row in second)
    assert [row | {"id": ""} for row in first] == [row | {"id": ""} for row in second]


def test_announced_ones_are_listed_from_their_declaration_on():
    announced: list[dict[str, Any]] = []
    for day in (date(2024, 4, 5), date(2024, 4, 6)):
        now = datetime(day.year, day.month, day.day, 22, tzinfo=UTC)
        with SimulatedVendor(symbols=300, now=lambda at=now: at) as vendor:
            announced = rows(vendor, f"{NEWER}?ticker=AAPL&ex_dividend_date.gt={day}")
            assert len(announced) == (day.day == 6)

    assert announced[0]["declaration_date"] == "2024-04-06"
    assert announced[0]["ex_dividend_date"] == "2024-05-06"
    assert announced[0]["historical_adjustment_factor"] == 1.0


def test_some_ex_dates_lie_after_today_and_all_are_sessions(healthy: SimulatedVendor):
    listed = rows(healthy, f"{NEWER}?limit=5000")

    assert 10 < sum(row["ex_dividend_date"] > TODAY for row in listed) < 100
    assert all(is_session(date.fromisoformat(row["ex_dividend_date"])) for row in listed)
    kinds = Counter((row["distribution_type"], row["frequency"]) for row in listed)
    assert {("recurring", n) for n in (1, 2, 4, 12)} <= kinds.keys()
    assert {("special", 0), ("irregular", 0), ("unknown", 0)} <= kinds.keys()
    assert 0.02 < sum("declaration_date" not in row for row in listed) / len(listed) < 0.08


def test_the_open_of_an_ex_date_is_lower_by_the_cash(healthy: SimulatedVendor):
    """The other part of a gap is the noise of all days, which has no direction."""
    tickers = ("AAPL", "MSFT", "SPY", "BCpC", "TpC", "PSApS")
    ratios: list[float] = []
    for ticker in tickers:
        paid = {
            row["ex_dividend_date"]: row["cash_amount"]
            for row in rows(healthy, f"{NEWER}?ticker={ticker}&limit=5000")
        }
        paid.pop("2004-11-15", None)
        bars = daily_range(healthy, ticker, "2003-09-10", TODAY).rows
        for before, bar in pairwise(bars):
            day = datetime.fromtimestamp(bar["t"] / 1000, UTC).date().isoformat()
            if day in paid and bar["v"] > 0:
                ratios.append((before["c"] - bar["o"]) / paid[day])

    assert len(ratios) > 300
    assert sorted(ratios)[len(ratios) // 2] == pytest.approx(1.0, abs=0.12)


def test_a_special_shows_in_the_price(healthy: SimulatedVendor):
    before, after = daily_range(healthy, "MSFT", "2004-11-12", "2004-11-15").rows

    assert before["c"] - after["o"] == pytest.approx(3.08, abs=0.8)


def test_the_vendors_factor_is_the_product_of_the_multipliers_since(healthy: SimulatedVendor):
    product = 1.0
    for row in rows(healthy, f"{NEWER}?ticker=PSApS&sort=ex_dividend_date.desc&limit=9"):
        ex_date = date.fromisoformat(row["ex_dividend_date"])
        if row["ex_dividend_date"] > TODAY or ex_date.year < 2022:
            continue
        week = daily_range(
            healthy,
            "PSApS",
            (ex_date - timedelta(days=7)).isoformat(),
            (ex_date - timedelta(days=1)).isoformat(),
        ).rows
        product *= 1 - row["cash_amount"] / week[-1]["c"]
        assert row["historical_adjustment_factor"] == pytest.approx(product, rel=1e-3)

    assert product < 0.95


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (f"{NEWER}?limit=5001", "The parameter 'limit' must be from 1 to 5000"),
        (f"{OLDER}?limit=1001", "The parameter 'limit' must be from 1 to 1000"),
        (
            f"{NEWER}?sort=ticker",
            "The parameter 'sort' must be columns like ticker.asc, not ticker",
        ),
        (
            f"{NEWER}?declaration_date=2024-01-02",
            "The parameter 'declaration_date' is unknown to the simulated vendor",
        ),
        (f"{OLDER}?cash_amount.gt=much", "The parameter 'cash_amount.gt' must be a number"),
        (
            f"{NEWER}?ex_dividend_date.gte=2020",
            "Could not parse the time parameter: 'ex_dividend_date.gte'. Use YYYY-MM-DD",
        ),
    ],
)
def test_nonsense_is_refused_with_400(healthy: SimulatedVendor, target: str, error: str):
    reply = ask(healthy, target)

    assert (reply.status, reply.json["error"]) == (400, error)


def plain(vendor: SimulatedVendor, ticker: str) -> list[tuple[str, float]]:
    found = rows(vendor, f"{NEWER}?ticker={ticker}&ex_dividend_date.gte=2025-10-01")
    return sorted((row["ex_dividend_date"], row["cash_amount"]) for row in found)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("missing:endpoint=dividends,tickers=AAPL,dates=2026-02-04", {"2026-02-04": []}),
        (
            "moved_dividend:tickers=AAPL,dates=2026-02-04,days=5",
            {"2026-02-04": [], "2026-02-09": [0.3132]},
        ),
        (
            "repeated_dividend:tickers=AAPL,dates=2026-02-04,days=0",
            {"2026-02-04": [0.3132, 0.3132]},
        ),
        (
            "changed_dividend:tickers=AAPL,dates=2026-02-04,factor=100",
            {"2026-02-04": [pytest.approx(31.32)]},
        ),
    ],
)
def test_a_dividend_can_be_listed_wrongly_on_request(
    vendor: SimulatedVendor, fault: str, expected: dict[str, list[float]]
):
    healthy = plain(vendor, "AAPL")

    vendor.faults.extend([fault_from_text(fault)])

    found = plain(vendor, "AAPL")
    for day, amounts in expected.items():
        assert [cash for ex_date, cash in found if ex_date == day] == amounts
    assert [key for key in found if key[0] not in expected] == [
        key for key in healthy if key[0] not in expected
    ]


def test_a_repeated_dividend_has_an_id_of_its_own(vendor: SimulatedVendor):
    vendor.faults.add("repeated_dividend", tickers=["AAPL"], days=0)

    found = rows(vendor, f"{NEWER}?ticker=AAPL&ex_dividend_date=2026-02-04")

    assert len({row["id"] for row in found}) == len(found) == 2


@pytest.mark.parametrize(
    ("window", "is_struck"),
    [
        ("ex_dividend_date.gte=2025-01-01&ex_dividend_date.lt=2026-01-01", True),
        ("ex_dividend_date.gte=2026-01-01", False),
        ("ex_dividend_date.lt=2025-03-05", False),
        ("ex_dividend_date.lte=2025-03-05", True),
    ],
)
def test_a_fault_strikes_the_windows_that_hold_its_day(
    vendor: SimulatedVendor, window: str, is_struck: bool
):
    vendor.faults.extend([fault_from_text("collapsed:endpoint=dividends,session=2025-03-05")])

    struck = ask(vendor, f"{NEWER}?{window}&limit=40").rows

    assert len(struck) == (20 if is_struck else 40)


def test_a_plan_without_dividends_is_refused_with_403(vendor: SimulatedVendor):
    vendor.faults.extend([fault_from_text("403_not_entitled:endpoint=dividends")])

    assert ask(vendor, NEWER).status == 403
    assert ask(vendor, OLDER).status == 200


def test_faults_of_dividends_leave_splits_alone():
    for kind in ("moved_dividend", "repeated_dividend", "changed_dividend"):
        fault = fault_from_text(f"{kind}:tickers=AAPL")
        assert isinstance(fault, Fault)
    with SimulatedVendor(symbols=300) as vendor:
        vendor.faults.add("moved_dividend", tickers=["AAPL"])
        found = ask(vendor, "/stocks/v1/splits?ticker=AAPL").rows
    assert [row["execution_date"] for row in found] == ["2020-08-31", "2014-06-09"]
