from collections import Counter

import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import TICKERS, all_pages, ask


def rows_of(vendor: SimulatedVendor, query: str) -> list[dict[str, object]]:
    return [row for page in all_pages(vendor, query) for row in page.rows]


def tickers_of(vendor: SimulatedVendor, query: str) -> list[object]:
    return [row["ticker"] for row in rows_of(vendor, query)]


def test_a_page_has_the_vendors_envelope(healthy: SimulatedVendor):
    page = ask(healthy, f"{TICKERS}?limit=2").json

    assert list(page) == ["results", "status", "request_id", "count", "next_url"]
    assert (page["status"], page["count"], len(page["results"])) == ("OK", 2, 2)


def test_a_row_has_the_vendors_keys(healthy: SimulatedVendor):
    row = ask(healthy, f"{TICKERS}?ticker=AAPL").rows[0]

    assert list(row) == [
        "ticker",
        "name",
        "market",
        "locale",
        "primary_exchange",
        "type",
        "active",
        "currency_name",
        "cik",
        "last_updated_utc",
    ]
    assert (row["market"], row["locale"], row["currency_name"]) == ("stocks", "us", "usd")
    assert (row["primary_exchange"], row["type"], row["active"]) == ("XNAS", "CS", True)


def test_a_page_holds_100_rows_unless_asked_otherwise(healthy: SimulatedVendor):
    assert ask(healthy, TICKERS).json["count"] == 100


def test_the_last_page_has_no_next_url(healthy: SimulatedVendor):
    pages = all_pages(healthy, "active=true&limit=100")

    assert [("next_url" in page.json) for page in pages] == [True, True, False]


def test_paging_visits_every_row_exactly_once(healthy: SimulatedVendor):
    at_once = tickers_of(healthy, "active=true&limit=1000")

    assert tickers_of(healthy, "active=true&limit=7") == at_once


def test_both_lists_together_hold_as_many_rows_as_asked_for(healthy: SimulatedVendor):
    active = tickers_of(healthy, "active=true&limit=1000")
    delisted = tickers_of(healthy, "active=false&limit=1000")

    assert len(active) + len(delisted) == 300


def test_a_walk_stays_on_the_day_of_its_first_page(vendor: SimulatedVendor):
    first = ask(vendor, f"{TICKERS}?date=2022-06-08&active=true&limit=1000&type=CS").json
    walked = tickers_of(vendor, "date=2022-06-08&active=true&limit=5&type=CS")

    assert "FB" in walked
    assert walked == [row["ticker"] for row in first["results"]]


def test_tickers_are_in_bytewise_order(healthy: SimulatedVendor):
    found = [ticker for ticker in tickers_of(healthy, "limit=1000") if str(ticker)[0] in "BT"]

    assert found.index("BCPC") < found.index("BCpC") < found.index("BRK.A")
    assert found.index("TPC") < found.index("TRUE") < found.index("TpC")


def test_the_order_can_be_reversed(healthy: SimulatedVendor):
    ascending = tickers_of(healthy, "order=asc&limit=50")

    assert tickers_of(healthy, "order=desc&limit=50") == ascending[::-1]


def test_tickers_that_read_as_missing_values_are_common_stocks(healthy: SimulatedVendor):
    stocks = tickers_of(healthy, "type=CS&limit=1000")

    assert {"A", "NA", "NAN", "NULL", "TRUE"} <= set(stocks)


def test_test_tickers_are_in_neither_list(healthy: SimulatedVendor):
    both = {*tickers_of(healthy, "limit=1000"), *tickers_of(healthy, "active=false&limit=1000")}

    assert both.isdisjoint({"ZVZZT", "ZWZZT", "ZTST", "ZBZX", "NTEST.A"})


def test_one_ticker_is_listed_twice_with_two_ciks(healthy: SimulatedVendor):
    rows = ask(healthy, f"{TICKERS}?ticker=THC").rows

    assert len(rows) == 2
    assert len({row["cik"] for row in rows}) == 2
    assert len({row["last_updated_utc"] for row in rows}) == 2


def test_a_renamed_ticker_vanishes_from_both_lists(healthy: SimulatedVendor):
    assert ask(healthy, f"{TICKERS}?ticker=FB&date=2022-06-08").json["count"] == 1
    assert ask(healthy, f"{TICKERS}?ticker=FB&date=2022-06-09").json["count"] == 0
    assert ask(healthy, f"{TICKERS}?ticker=FB&active=false").json["count"] == 0
    assert ask(healthy, f"{TICKERS}?ticker=META").rows[0]["type"] == "CS"


def test_a_reused_ticker_is_in_both_lists(healthy: SimulatedVendor):
    active = ask(healthy, f"{TICKERS}?ticker=SNDK").rows[0]
    delisted = ask(healthy, f"{TICKERS}?ticker=SNDK&active=false").rows[0]

    assert (active["active"], active.get("delisted_utc")) == (True, None)
    assert (delisted["active"], delisted["delisted_utc"]) == (False, "2016-05-12T00:00:00Z")


def test_a_list_of_an_earlier_day_holds_what_was_delisted_later(healthy: SimulatedVendor):
    assert ask(healthy, f"{TICKERS}?ticker=TWTR&date=2022-10-27").rows[0]["active"] is True
    assert ask(healthy, f"{TICKERS}?ticker=TWTR").json["count"] == 0
    assert ask(healthy, f"{TICKERS}?ticker=TWTR&active=false").json["count"] == 1


def test_filters_select_by_type_and_exchange(healthy: SimulatedVendor):
    rows = rows_of(healthy, "type=ETF&exchange=ARCX&limit=1000")

    assert "SPY" in [row["ticker"] for row in rows]
    assert {(row["type"], row["primary_exchange"]) for row in rows} == {("ETF", "ARCX")}


def test_other_markets_have_no_rows(healthy: SimulatedVendor):
    page = ask(healthy, f"{TICKERS}?market=crypto").json

    assert (page["results"], page["count"]) == ([], 0)


def test_optional_keys_are_left_out_of_some_rows():
    with SimulatedVendor(symbols=14_000) as vendor:
        rows = rows_of(vendor, "limit=1000")

    absent = Counter(
        key
        for row in rows
        for key in ("type", "cik", "composite_figi", "last_updated_utc", "active")
        if key not in row
    )
    assert 4_000 < absent["composite_figi"] < 5_500
    assert 50 < absent["type"] < 250
    assert all(absent[key] > 0 for key in ("cik", "last_updated_utc", "active"))
    assert any(len(str(row.get("last_updated_utc"))) == 30 for row in rows), "nanoseconds"


def test_the_list_of_types_names_common_stock(healthy: SimulatedVendor):
    page = ask(healthy, f"{TICKERS}/types?asset_class=stocks&locale=us").json

    assert page["count"] == len(page["results"]) == 20
    assert page["results"][0] == {
        "code": "CS",
        "description": "Common Stock",
        "asset_class": "stocks",
        "locale": "us",
    }


def test_other_asset_classes_have_no_types(healthy: SimulatedVendor):
    assert ask(healthy, f"{TICKERS}/types?asset_class=crypto").json["count"] == 0


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=1001", "The parameter 'limit' must be from 1 to 1000"),
        ("limit=0", "The parameter 'limit' must be from 1 to 1000"),
        ("limit=ten", "The parameter 'limit' must be a whole number"),
        ("sort=name", "The parameter 'sort' must be one of: ticker"),
        ("active=yes", "The parameter 'active' must be one of: true, false"),
        ("date=20240102", "Could not parse the time parameter: 'date'. Use YYYY-MM-DD"),
        ("tpye=CS", "The parameter 'tpye' is unknown to the simulated vendor"),
        (
            "cursor=QkNBQg",
            "Failed to parse query parameters from URL: the cursor is not valid",
        ),
        (
            "cursor=%FF%00",
            "Failed to parse query parameters from URL: the cursor is not valid",
        ),
    ],
)
def test_nonsense_is_refused_with_400(healthy: SimulatedVendor, query: str, error: str):
    reply = ask(healthy, f"{TICKERS}?{query}")

    assert reply.status == 400
    assert reply.json == {
        "status": "ERROR",
        "request_id": reply.headers["X-Request-Id"],
        "error": error,
    }
