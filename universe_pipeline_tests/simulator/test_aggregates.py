import re
from datetime import UTC, datetime

import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import ask, daily_range, grouped

OHLCV = ("o", "h", "l", "c", "v", "vw", "n")


def test_a_grouped_answer_has_the_vendors_envelope(healthy: SimulatedVendor):
    answer = grouped(healthy, "2026-11-20").json

    assert list(answer) == [
        "queryCount",
        "resultsCount",
        "adjusted",
        "results",
        "status",
        "request_id",
        "count",
    ]
    assert answer["status"] == "OK"
    assert answer["resultsCount"] == answer["count"] == len(answer["results"])


def test_a_grouped_row_has_the_vendors_keys(healthy: SimulatedVendor):
    row = grouped(healthy, "2026-11-20").by_ticker["AAPL"]

    assert sorted(row) == ["T", "c", "h", "l", "n", "o", "t", "v", "vw"]


def test_a_row_without_a_trade_has_neither_vwap_nor_transactions(healthy: SimulatedVendor):
    row = grouped(healthy, "2026-09-25").by_ticker["ZTST"]

    assert row == {
        "T": "ZTST",
        "v": 0,
        "o": 12345,
        "c": 12345,
        "h": 12345,
        "l": 12345,
        "t": 1790366400000,
    }


@pytest.mark.parametrize(
    ("day", "stamp"),
    [
        ("2024-01-03", 1704315600000),  # 21:00Z in winter
        ("2024-07-03", 1720036800000),  # 20:00Z in summer, though this session closed at 13:00
        ("2024-03-08", 1709931600000),  # the last session before the clocks change
        ("2024-03-11", 1710187200000),  # the first one after
    ],
)
def test_grouped_stamps_are_16_00_in_new_york(healthy: SimulatedVendor, day: str, stamp: int):
    assert {row["t"] for row in grouped(healthy, day).rows} == {stamp}


def test_range_stamps_are_midnight_in_new_york(healthy: SimulatedVendor):
    rows = daily_range(healthy, "AAPL", "2005-04-01", "2005-04-04").rows

    assert [row["t"] for row in rows] == [1112331600000, 1112587200000]


def test_a_range_has_the_vendors_envelope(healthy: SimulatedVendor):
    answer = daily_range(healthy, "AAPL", "2024-07-01", "2024-07-05").json

    assert list(answer) == [
        "ticker",
        "queryCount",
        "resultsCount",
        "adjusted",
        "results",
        "status",
        "request_id",
        "count",
    ]
    assert (answer["ticker"], answer["count"], answer["adjusted"]) == ("AAPL", 4, False)
    assert sorted(answer["results"][0]) == ["c", "h", "l", "n", "o", "t", "v", "vw"]


@pytest.mark.parametrize("day", ["2004-02-27", "2019-02-01", "2026-11-20"])
def test_grouped_and_range_say_the_same(healthy: SimulatedVendor, day: str):
    session = grouped(healthy, day).by_ticker
    tickers = ["AAPL", "BRK.A", "BCpC", "TpC", "ZVZZT", "ZBZX", *list(session)[:30]]

    for ticker in tickers:
        alone = daily_range(healthy, ticker, day, day).rows[0]
        assert [alone.get(key) for key in OHLCV] == [session[ticker].get(key) for key in OHLCV]


@pytest.mark.parametrize(("query", "adjusted"), [("", True), ("adjusted=false", False)])
def test_bars_are_adjusted_unless_asked_otherwise(
    healthy: SimulatedVendor, query: str, adjusted: bool
):
    assert grouped(healthy, "2024-07-03", query).json["adjusted"] is adjusted
    assert daily_range(healthy, "AAPL", "2024-07-03", "2024-07-03", query).json["adjusted"] is (
        adjusted
    )


@pytest.mark.parametrize(
    "day",
    ["2024-07-04", "2024-07-06", "2026-11-22", "2001-09-12", "2003-09-09"],
)
def test_a_closed_day_has_no_results_key(healthy: SimulatedVendor, day: str):
    reply = grouped(healthy, day)

    assert reply.status == 200
    assert reply.json == {
        "queryCount": 0,
        "resultsCount": 0,
        "adjusted": False,
        "status": "OK",
        "request_id": reply.headers["X-Request-Id"],
        "count": 0,
    }


@pytest.mark.parametrize("ticker", ["NOBODY", "aapl", "BCPc"])
def test_an_unknown_ticker_is_an_empty_answer(healthy: SimulatedVendor, ticker: str):
    reply = daily_range(healthy, ticker, "2024-07-01", "2024-07-05")

    assert reply.status == 200
    assert reply.json == {
        "ticker": ticker,
        "queryCount": 0,
        "resultsCount": 0,
        "adjusted": False,
        "status": "OK",
        "request_id": reply.headers["X-Request-Id"],
        "count": 0,
    }


def test_a_range_can_be_asked_for_in_milliseconds(healthy: SimulatedVendor):
    by_date = daily_range(healthy, "MSFT", "2024-07-01", "2024-07-03").rows
    by_stamp = daily_range(healthy, "MSFT", "1719806400000", "1719979200000").rows

    assert len(by_date) == 3
    assert by_stamp == by_date


def test_a_range_in_pages_is_the_whole_range(healthy: SimulatedVendor):
    whole = daily_range(healthy, "AAPL", "2024-01-01", "2024-03-31").rows
    for sort, expected in (("asc", whole), ("desc", whole[::-1])):
        page = daily_range(
            healthy, "AAPL", "2024-01-01", "2024-03-31", f"adjusted=false&sort={sort}&limit=25"
        )
        walked = page.rows
        while next_url := page.json.get("next_url"):
            page = ask(healthy, next_url.removeprefix(healthy.base_url))
            walked += page.rows

        assert len(walked) == 61
        assert walked == expected


def test_a_renamed_company_keeps_its_prices_and_a_ticker_joins_two(healthy: SimulatedVendor):
    facebook = daily_range(healthy, "FB", "2022-01-01", "2022-12-31").rows
    meta = daily_range(healthy, "META", "2022-01-01", "2022-12-31").rows

    assert facebook[-1]["t"] == 1654660800000, "2022-06-08"
    assert [row["t"] for row in meta[18:20]] == [1643346000000, 1654747200000], "01-28, 06-09"
    assert meta[18]["c"] < 25
    assert abs(meta[19]["o"] / facebook[-1]["c"] - 1) < 0.1


def test_tickers_unknown_to_the_reference_lists_have_bars(healthy: SimulatedVendor):
    assert {"ZVZZT", "ZWZZT", "ZTST", "ZBZX", "NTEST.A"} <= set(
        grouped(healthy, "2019-02-01").by_ticker
    )


def test_otc_bars_come_only_on_request(healthy: SimulatedVendor):
    listed = grouped(healthy, "2026-11-20").rows
    everything = grouped(healthy, "2026-11-20", "adjusted=false&include_otc=true").rows
    otc = [row for row in everything if row.get("otc")]

    assert otc
    assert len(everything) == len(listed) + len(otc)
    assert not any("otc" in row for row in listed)


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2024, 7, 5, 20, 14, 59, tzinfo=UTC), 403),
        (datetime(2024, 7, 5, 20, 15, tzinfo=UTC), 200),
        (datetime(2024, 7, 4, 23, 0, tzinfo=UTC), 403),
    ],
)
def test_a_session_is_published_15_minutes_after_its_close(now: datetime, status: int):
    with SimulatedVendor(symbols=300, now=lambda: now) as vendor:
        assert grouped(vendor, "2024-07-05").status == status


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2024, 7, 3, 17, 14, 59, tzinfo=UTC), 1719892800000),
        (datetime(2024, 7, 3, 17, 15, tzinfo=UTC), 1719979200000),
    ],
)
def test_a_range_ends_with_the_last_published_session(now: datetime, last: int):
    with SimulatedVendor(symbols=300, now=lambda: now) as vendor:
        rows = daily_range(vendor, "AAPL", "2024-06-01", "2024-12-31").rows

    assert rows[-1]["t"] == last


def test_days_before_publication_are_refused_as_before_end_of_day(healthy: SimulatedVendor):
    reply = grouped(healthy, "2026-11-24")

    assert reply.status == 403
    assert reply.json == {
        "status": "NOT_AUTHORIZED",
        "request_id": reply.headers["X-Request-Id"],
        "message": "Attempted to request today's data before end of day. "
        "Please upgrade your plan at https://polygon.io/pricing",
    }


def test_days_before_the_plan_are_refused():
    with SimulatedVendor(symbols=300, plan_start=datetime(2024, 1, 2, tzinfo=UTC).date()) as vendor:
        outside = grouped(vendor, "2023-12-29")
        outside_range = daily_range(vendor, "AAPL", "2023-12-29", "2024-01-31")
        inside = grouped(vendor, "2024-01-02")

    assert (outside.status, outside_range.status, inside.status) == (403, 403, 200)
    assert outside.json["status"] == "NOT_AUTHORIZED"
    assert outside.json["message"] == (
        "Your plan doesn't include this data timeframe. "
        "Please upgrade your plan at https://polygon.io/pricing"
    )


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (
            "/v2/aggs/grouped/locale/us/market/stocks/2024-7-3",
            "Could not parse the time parameter: 'date'. Use YYYY-MM-DD",
        ),
        (
            "/v2/aggs/grouped/locale/us/market/stocks/2024-02-30",
            "Could not parse the time parameter: 'date'. Use YYYY-MM-DD",
        ),
        (
            "/v2/aggs/grouped/locale/us/market/stocks/2024-07-03?unadjusted=true",
            "The parameter 'unadjusted' is unknown to the simulated vendor",
        ),
        (
            "/v2/aggs/ticker/AAPL/range/1/day/2024-07-05/2024-07-01",
            "The parameter 'to' cannot be a time that occurs before 'from'",
        ),
        (
            "/v2/aggs/ticker/AAPL/range/1/day/soon/2024-07-01",
            "Could not parse the time parameter: 'from'. Use YYYY-MM-DD",
        ),
        (
            "/v2/aggs/ticker/AAPL/range/1/day/2024-07-01/99999999999999999999",
            "Could not parse the time parameter: 'to'",
        ),
        (
            "/v2/aggs/ticker/AAPL/range/1/day/2024-07-01/2024-07-05?limit=50001",
            "The parameter 'limit' must be from 1 to 50000",
        ),
        (
            "/v2/aggs/ticker/AAPL/range/5/minute/2024-07-01/2024-07-05",
            "The simulated vendor only knows ranges of 1 day",
        ),
    ],
)
def test_nonsense_is_refused_with_400(healthy: SimulatedVendor, target: str, error: str):
    reply = ask(healthy, target)

    assert reply.status == 400
    assert reply.json == {
        "status": "ERROR",
        "request_id": reply.headers["X-Request-Id"],
        "error": error,
    }


def test_volumes_come_in_all_the_vendors_number_forms():
    with SimulatedVendor(symbols=2_000) as vendor:
        body = grouped(vendor, "2019-02-01").text.decode()

    assert re.search(r'"v":[1-9]\d*,', body), "65000"
    assert re.search(r'"v":[1-9]\d*\.0,', body), "13825995.0"
    assert re.search(r'"v":[1-9]\.\d*[1-9]e\+0\d,', body), "1.6698648e+07"


def test_volumes_are_fractional_since_2026_02_23(healthy: SimulatedVendor):
    before = [row["v"] for row in grouped(healthy, "2026-02-20").rows]
    since = grouped(healthy, "2026-02-23").text.decode()

    assert all(volume == int(volume) for volume in before)
    decimals = re.findall(r'"v":\d+\.(\d+),', since)
    assert max(len(digits) for digits in decimals) == 6
    assert len([digits for digits in decimals if len(digits) > 1]) > 150
