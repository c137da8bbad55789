"""Decoding of the reference lists."""

import logging
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.reference import TickerPage, ticker_page, ticker_types
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline_tests.support.vendor_answers import as_sent, listed


def test_a_whole_row_keeps_its_values():
    page = _page(
        {
            "ticker": "A",
            "name": "Agilent Technologies Inc.",
            "market": "stocks",
            "locale": "us",
            "primary_exchange": "XNYS",
            "type": "CS",
            "active": True,
            "currency_name": "usd",
            "cik": "0001090872",
            "composite_figi": "BBG000C2V3D6",
            "share_class_figi": "BBG001SCTQY4",
            "last_updated_utc": "2022-04-27T00:00:00Z",
        }
    )

    assert page.frame.schema == SYMBOL_SCHEMA
    assert page.frame.rows() == [
        (
            "A",
            "Agilent Technologies Inc.",
            "CS",
            "XNYS",
            "usd",
            "0001090872",
            "BBG000C2V3D6",
            "BBG001SCTQY4",
            True,
            None,
            datetime(2022, 4, 27, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("active", [True, False])
def test_a_row_may_lack_all_but_its_ticker(active: bool):
    page = _page({"ticker": "NULL"}, active=active)

    assert page.frame.rows() == [
        ("NULL", "", None, None, None, None, None, None, active, None, None)
    ]


@pytest.mark.parametrize(
    ("sent", "updated"),
    [
        ("2026-08-14T21:05:59.504046976Z", datetime(2026, 8, 14, 21, 5, 59, 504046, UTC)),
        ("2026-08-14T21:05:59.999999999Z", datetime(2026, 8, 14, 21, 5, 59, 999999, UTC)),
        ("2026-08-14T21:05:59.5Z", datetime(2026, 8, 14, 21, 5, 59, 500000, UTC)),
        ("2026-08-14T21:05:59Z", datetime(2026, 8, 14, 21, 5, 59, 0, UTC)),
        ("2026-08-14T21:05:59+00:00", datetime(2026, 8, 14, 21, 5, 59, 0, UTC)),
        (None, None),
    ],
)
def test_times_are_cut_off_to_microseconds(sent: str | None, updated: datetime | None):
    page = _page({"ticker": "A", "last_updated_utc": sent})

    assert page.frame["last_updated_utc"].to_list() == [updated]


@pytest.mark.parametrize(
    "sent", ["2019-11-08T00:00:00Z", "2019-11-08T05:00:00.000000001Z", "2019-11-08"]
)
def test_a_delisting_is_a_date(sent: str):
    page = _page({"ticker": "RHT", "delisted_utc": sent}, active=False)

    assert page.frame["delisted_date"].to_list() == [date(2019, 11, 8)]


def test_a_time_that_is_none_is_null_and_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        page = _page({"ticker": "A", "last_updated_utc": "yesterday"}, {"ticker": "B"})

    assert page.frame["last_updated_utc"].to_list() == [None, None]
    assert caplog.messages == ["1 tickers (A …) have an unreadable last_updated_utc"]


@pytest.mark.parametrize(
    "sent",
    [
        "+99999-1-1",
        "-9999-1-1",
        "0000-01-01",
        "+99999-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
    ],
)
def test_a_time_that_no_calendar_of_ours_holds_is_null(sent: str):
    page = _page({"ticker": "A", "delisted_utc": sent, "last_updated_utc": sent})

    assert page.frame.select("delisted_date", "last_updated_utc").rows() == [(None, None)]


def test_a_ticker_may_be_listed_twice():
    page = _page({"ticker": "THC", "cik": "0000034956"}, {"ticker": "THC", "cik": "0000070318"})

    assert page.frame["cik"].to_list() == ["0000034956", "0000070318"]


def test_a_type_that_nobody_knows_is_kept():
    assert _page({"ticker": "A", "type": "TOKEN"}).frame["type"].to_list() == ["TOKEN"]


@pytest.mark.parametrize(
    ("bad", "rule", "symbol"),
    [
        ({"name": "x"}, "no_ticker", None),
        ({"ticker": None}, "no_ticker", None),
        ({"ticker": ""}, "no_ticker", None),
        ({"ticker": " "}, "no_ticker", None),
        ({"ticker": 7}, "undecodable", None),
        ("A", "no_ticker", None),
        ({"ticker": "A\0"}, "undecodable", "A\0"),
        ({"ticker": "\x1b[31mA"}, "undecodable", "\x1b[31mA"),
        ({"ticker": "A" * 201}, "undecodable", None),
        ({"ticker": "B", "type": "C\0S"}, "undecodable", "B"),
        ({"ticker": "B", "type": "C" * 201}, "undecodable", "B"),
        ({"ticker": "B", "name": "n" * 1_001}, "undecodable", "B"),
        ({"ticker": "B", "cik": 1067983}, "undecodable", "B"),
        ({"ticker": "B", "type": ["CS"]}, "undecodable", "B"),
        ({"ticker": "B", "active": "true"}, "undecodable", "B"),
        ({"ticker": "B", "last_updated_utc": 1700000000}, "undecodable", "B"),
        ({"ticker": "B", "active": False}, "other_list", "B"),
    ],
)
def test_a_row_that_cannot_be_used_costs_that_row_alone(bad: Any, rule: str, symbol: str | None):
    page = _page({"ticker": "A"}, bad, {"ticker": "C"})

    assert page.frame["symbol"].to_list() == ["A", "C"]
    assert page.rows == 3
    (rejected,) = page.rejected
    assert (rejected.active, rejected.rule, rejected.symbol) == (True, rule, symbol)
    assert rejected.payload == (bad if isinstance(bad, dict) else {"value": bad})


def test_an_active_row_does_not_belong_into_the_list_of_delisted_ones():
    page = _page({"ticker": "A", "active": True}, {"ticker": "B"}, active=False)

    assert page.frame.select("symbol", "active").rows() == [("B", False)]
    assert [(row.active, row.rule, row.symbol) for row in page.rejected] == [
        (False, "other_list", "A")
    ]


def test_quotes_and_letters_of_any_alphabet_are_data():
    symbols = ["O'NEIL\"", "'; DROP TABLE symbols; --", "Ä€漢😀", "\\N", "[/b]"]

    page = _page(*({"ticker": symbol, "name": symbol} for symbol in symbols))

    assert page.frame.select("symbol", "name").rows() == [(text, text) for text in symbols]


def test_a_page_with_more_rows_than_any_list_is_refused():
    body = b'{"status":"OK","results":[' + b",".join([b'{"ticker":"A"}'] * 10_001) + b"]}"
    url = httpx.URL("https://api.massive.com/v3/reference/tickers")

    with pytest.raises(PermanentError) as caught:
        ticker_page(Reply(url, 200, body), active=True)

    assert caught.value.kind is FailureKind.TOO_LARGE


def test_a_page_with_fewer_rows_than_it_states_is_refused():
    with pytest.raises(RetryableError, match="1 rows where the answer states 2") as caught:
        ticker_page(_reply(listed({"ticker": "A"}, count=2)), active=True)

    assert caught.value.kind is FailureKind.COUNT_MISMATCH


def test_a_last_page_may_be_empty():
    page = ticker_page(_reply({"status": "OK", "count": 0}), active=True)

    assert (page.frame.schema, page.frame.height, page.next_url) == (SYMBOL_SCHEMA, 0, None)


def test_a_type_without_a_code_is_refused():
    with pytest.raises(RetryableError) as caught:
        ticker_types(_reply(listed({"description": "Common Stock"})))

    assert caught.value.kind is FailureKind.UNEXPECTED_SHAPE


def _page(*rows: Any, active: bool = True) -> TickerPage:
    return ticker_page(_reply(listed(*rows)), active=active)


def _reply(answer: dict[str, Any]) -> Reply:
    url = httpx.URL("https://api.massive.com/v3/reference/tickers")
    return Reply(url, 200, as_sent(answer))
