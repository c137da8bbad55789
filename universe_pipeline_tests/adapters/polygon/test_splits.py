"""The list of splits: decoded row by row, to its last page."""

from datetime import date
from typing import Any

import httpx
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.splits import SplitPage, split_page
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline_tests.adapters.polygon.conftest import KEY
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor, answer
from universe_pipeline_tests.support.vendor_answers import as_sent

DATE = date(2020, 8, 31)


def split(ticker: Any = "AAPL", **changes: Any) -> dict[str, Any]:
    """A row of the newer endpoint; a change to `...` leaves the key out."""
    whole = {
        # pragma: allowlist nextline secret
        "id": "E36416cce743c3964c5da63e1ef1626c0aece30fb47302eea5a49c0055c04e8d0",
        "execution_date": "2020-08-31",
        "split_from": 1.0,
        "split_to": 4.0,
        "ticker": ticker,
        "adjustment_type": "forward_split",
        "historical_adjustment_factor": 0.25,
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def listed(*rows: Any, **changes: Any) -> dict[str, Any]:
    """A page: neither endpoint states how many rows it has."""
    return {"status": "OK", "request_id": "36538f14", "results": list(rows), **changes}


def page(*rows: Any, **changes: Any) -> SplitPage:
    url = httpx.URL("https://api.massive.com/stocks/v1/splits")
    return split_page(Reply(url, 200, as_sent(listed(*rows, **changes))))


def test_rows_of_both_endpoints_keep_their_values():
    older = {"execution_date": "2022-05-20", "split_from": 2, "split_to": 1, "ticker": "BRW"}

    found = page(split(), older, split("AGT", split_to=1.0056, adjustment_type="stock_dividend"))

    assert found.frame.schema == SPLIT_SCHEMA
    assert found.rejected == ()
    assert found.frame.rows() == [
        ("AAPL", DATE, 1.0, 4.0, "forward_split"),
        ("BRW", date(2022, 5, 20), 2.0, 1.0, None),
        ("AGT", DATE, 1.0, 1.0056, "stock_dividend"),
    ]


def test_a_side_that_is_not_there_is_null_for_validation_to_judge():
    found = page(split(split_from=...), split(split_to=None))

    assert found.frame.select("split_from", "split_to").rows() == [(None, 4.0), (1.0, None)]


@pytest.mark.parametrize(
    "bad",
    [
        split(execution_date="2020-02-30"),
        split(execution_date="soon"),
        split(execution_date=...),
        split(split_from="one"),
        split(adjustment_type=7),
    ],
)
def test_a_row_that_is_not_as_documented_is_set_aside_as_it_came(bad: dict[str, Any]):
    found = page(split("MSFT"), bad)

    assert found.frame["symbol"].to_list() == ["MSFT"]
    assert [(row.rule, row.symbol, row.payload) for row in found.rejected] == [
        ("undecodable", "AAPL", bad)
    ]
    assert found.rows == 2


@pytest.mark.parametrize("bad", [split(...), split(None), split(7), "AAPL", None])
def test_a_row_that_names_no_symbol_is_set_aside_too(bad: object):
    (row,) = page(bad).rejected

    assert (row.rule, row.symbol) == ("undecodable", None)


def test_a_page_without_rows_that_does_not_say_so_is_refused():
    url = httpx.URL("https://api.massive.com/stocks/v1/splits")

    with pytest.raises(RetryableError) as caught:
        split_page(Reply(url, 200, b'{"status":"OK","request_id":"1"}'))

    assert caught.value.kind is FailureKind.UNEXPECTED_SHAPE


@pytest.mark.parametrize(
    ("older", "first"),
    [
        (False, "/stocks/v1/splits?sort=execution_date.desc&limit=5000"),
        (True, "/v3/reference/splits?sort=execution_date&order=desc&limit=1000"),
    ],
)
def test_every_page_is_asked_for_by_the_address_that_the_last_one_gave(
    vendor: ScriptedVendor, client: PolygonClient, older: bool, first: str
):
    cursor = "/stocks/v1/splits?cursor=AQcPBEFBUEwCAQAABAAAAQIAAgEJ-8x-AQ8EQUFQTA=="
    vendor.script(
        answer(listed(split(), next_url=vendor.base_url + cursor)),
        answer(listed(split("MSFT"))),
    )

    pages = list(client.splits(older=older))

    assert [each.frame["symbol"].to_list() for each in pages] == [["AAPL"], ["MSFT"]]
    assert [request.target for request in vendor.requests] == [first, cursor]
    assert vendor.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_page_that_leads_back_ends_the_list_with_an_error(
    vendor: ScriptedVendor, client: PolygonClient
):
    back = f"{vendor.base_url}/stocks/v1/splits?cursor=1"
    vendor.script(
        answer(listed(split(), next_url=back)), answer(listed(split("MSFT"), next_url=back))
    )

    with pytest.raises(RetryableError) as caught:
        list(client.splits())

    assert caught.value.kind is FailureKind.PAGING
