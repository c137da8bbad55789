"""Answers about dividends: decoded row by row, asked for by windows to the last page."""

from datetime import date
from typing import Any

import httpx
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.dividends import DividendPage, dividend_page
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.domain.dividends import SENT_SCHEMA
from universe_pipeline.domain.windows import Window
from universe_pipeline_tests.adapters.polygon.conftest import KEY
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor, answer
from universe_pipeline_tests.support.vendor_answers import as_sent

EX = date(2012, 8, 9)
ENDPOINT = "/stocks/v1/dividends"
ORDER = "sort=ex_dividend_date.asc,ticker.asc&limit=5000"


def dividend(ticker: Any = "AAPL", **changes: Any) -> dict[str, Any]:
    """A row of the endpoint; a change to `...` leaves the key out."""
    whole = {
        # pragma: allowlist nextline secret
        "id": "E416a068758f85277196150c3eb73a3331d04698856c141e883ad95710dd0b189",
        "ticker": ticker,
        "ex_dividend_date": "2012-08-09",
        "record_date": "2012-08-13",
        "pay_date": "2012-08-16",
        "declaration_date": "2012-07-24",
        "cash_amount": 2.65,
        "currency": "USD",
        "frequency": 0,
        "distribution_type": "unknown",
        "historical_adjustment_factor": 0.838964,
        "split_adjusted_cash_amount": 0.094643,
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def listed(*rows: Any, **changes: Any) -> dict[str, Any]:
    """A page, which does not state how many rows it has."""
    return {"status": "OK", "request_id": "36538f14", "results": list(rows), **changes}


def page(*rows: Any, **changes: Any) -> DividendPage:
    url = httpx.URL(f"https://api.massive.com{ENDPOINT}")
    return dividend_page(Reply(url, 200, as_sent(listed(*rows, **changes))))


def test_rows_keep_what_was_declared_and_no_factor_of_the_vendor():
    bare = {"ticker": "EWY", "ex_dividend_date": "2021-12-13", "cash_amount": 2}

    found = page(dividend(), bare)

    assert found.frame.schema == SENT_SCHEMA
    assert found.rejected == ()
    dates = (date(2012, 7, 24), date(2012, 8, 13), date(2012, 8, 16))
    assert found.frame.rows() == [
        ("AAPL", EX, 2.65, "USD", "unknown", 0, *dates),
        ("EWY", date(2021, 12, 13), 2.0, None, None, None, None, None, None),
    ]


def test_a_window_without_dividends_is_an_empty_page():
    found = page()

    assert (found.rows, found.next_url) == (0, None)
    assert found.frame.schema == SENT_SCHEMA


@pytest.mark.parametrize(
    ("bad", "day"),
    [
        (dividend(ex_dividend_date="2012-02-30"), None),
        (dividend(ex_dividend_date=...), None),
        (dividend(cash_amount="2.65"), EX),
        (dividend(currency=1), EX),
        (dividend(frequency="quarterly"), EX),
        (dividend(frequency=100_000), EX),
        (dividend(pay_date="soon"), EX),
    ],
)
def test_a_row_that_is_not_as_documented_is_set_aside_as_it_came(
    bad: dict[str, Any], day: date | None
):
    found = page(dividend("MSFT"), bad)

    assert found.frame["symbol"].to_list() == ["MSFT"]
    assert [(row.rule, row.symbol, row.payload, row.day) for row in found.rejected] == [
        ("undecodable", "AAPL", bad, day)
    ]


@pytest.mark.parametrize(
    ("window", "days"),
    [
        (
            Window(date(2024, 1, 1), date(2024, 12, 31)),
            "ex_dividend_date.gte=2024-01-01&ex_dividend_date.lt=2025-01-01",
        ),
        (Window(date(2026, 10, 1), None), "ex_dividend_date.gte=2026-10-01"),
    ],
)
def test_every_page_of_a_window_is_asked_for(
    vendor: ScriptedVendor, client: PolygonClient, window: Window, days: str
):
    cursor = f"{ENDPOINT}?cursor=AQcPBEFBUEwCAQAABAAAAQIAAgEJ-8x-AQ8EQUFQTA=="
    vendor.script(
        answer(listed(dividend(), next_url=vendor.base_url + cursor)),
        answer(listed(dividend("MSFT"))),
    )

    pages = list(client.dividends(window))

    assert [each.frame["symbol"].to_list() for each in pages] == [["AAPL"], ["MSFT"]]
    targets = [request.target for request in vendor.requests]
    assert targets == [f"{ENDPOINT}?{days}&{ORDER}", cursor]
    assert vendor.requests[1].headers["authorization"] == f"Bearer {KEY}"
