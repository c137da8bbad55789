"""Every outcome of a request, over real sockets."""

import concurrent.futures
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.reference import TickerPage
from universe_pipeline.domain.bars import Bars, Failed, Nothing, NotYetPublished
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY, RecordingPace
from universe_pipeline_tests.support.scripted_vendor import (
    Reply,
    ScriptedVendor,
    answer,
    kept_alive,
    silence,
    zipped,
)
from universe_pipeline_tests.support.vendor_answers import (
    EMPTY,
    grouped,
    listed,
    ranged,
    refused,
    row,
)

SESSION = date(2024, 1, 16)


def test_a_grouped_day_is_asked_for_raw_with_the_key_in_a_header_only(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(grouped(row())))

    client.grouped_daily(SESSION)

    (request,) = vendor.requests
    assert request.target == ("/v2/aggs/grouped/locale/us/market/stocks/2024-01-16?adjusted=false")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "gzip"


def test_a_grouped_day_comes_as_bars(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(zipped(grouped(row("AAPL"), row("BCpC"))), Content_Encoding="gzip"))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Bars)
    assert outcome.frame["symbol"].to_list() == ["AAPL", "BCpC"]
    assert outcome.rejected == ()


def test_an_answer_without_rows_that_says_so_is_nothing(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(EMPTY))

    assert client.grouped_daily(SESSION) == Nothing()
    assert len(vendor.requests) == 1


def test_before_the_end_of_the_day_is_not_yet_published_and_not_asked_again(
    vendor: ScriptedVendor, client: PolygonClient
):
    said = "Attempted to request today's data BEFORE end of day. Please upgrade your plan"
    vendor.script(answer({"status": "NOT_AUTHORIZED", "message": said}, 403))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, NotYetPublished)
    assert said in outcome.message
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "kind"),
    [
        (400, refused("bad cursor"), PermanentError, FailureKind.BAD_REQUEST),
        (401, refused("Unknown API Key"), AccessError, FailureKind.UNAUTHORIZED),
        (401, refused("Unknown API Key", "NOT_AUTHORIZED"), AccessError, FailureKind.UNAUTHORIZED),
        (403, refused("Not entitled", "NOT_AUTHORIZED"), AccessError, FailureKind.NOT_ENTITLED),
        (403, refused("Not entitled"), AccessError, FailureKind.NOT_ENTITLED),
        (403, refused("this data Timeframe.", "NOT_AUTHORIZED"), PermanentError, "outside_plan"),
        (404, refused("Data not found.", "NOT_FOUND"), PermanentError, FailureKind.NOT_FOUND),
        (418, refused("no tea"), PermanentError, FailureKind.BAD_REQUEST),
    ],
)
def test_a_permanent_refusal_is_asked_once(
    vendor: ScriptedVendor,
    client: PolygonClient,
    status: int,
    body: object,
    error: type[VendorError],
    kind: str,
):
    vendor.script(answer(body, status))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is error
    assert (outcome.error.kind, outcome.error.http_status) == (kind, status)
    assert (outcome.error.attempts, len(vendor.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(b"<html>502 Bad Gateway</html>", 502), "server_error"),
        (answer(b"", 500), "server_error"),
        (answer({"error": "slow"}, 408), "timeout"),
        (answer(b"", 499), "timeout"),
        (answer(b"", 204), "unexpected_shape"),
        (answer(b"<html>maintenance</html>"), "not_json"),
        (answer(b""), "not_json"),
        (answer(b'{"status":"OK","results":[{"T":"A"'), "malformed_json"),
        (answer(b'{"status":"OK","x":' + b"[" * 200_000), "malformed_json"),
        (answer({"status": "ERROR", "error": "try later"}), "error_status"),
        (answer(["status", "OK"]), "unexpected_shape"),
        (answer({"resultsCount": 0}), "unexpected_shape"),
        (answer({"status": "OK"}), "unexpected_shape"),
        (answer(grouped(results=None)), "unexpected_shape"),
        (answer(grouped(results={"T": "A"})), "unexpected_shape"),
        (answer(grouped(row(), results=...)), "count_mismatch"),
        (answer(grouped(row(), resultsCount=2)), "count_mismatch"),
        (answer(grouped(row(), adjusted=True)), "wrong_adjustment"),
        (answer(grouped(row(), row("B", t=1705525200000))), "wrong_session"),
        (answer(zipped(grouped(row())), Content_Encoding="br"), "unexpected_shape"),
    ],
)
def test_an_unusable_answer_is_asked_again_until_patience_ends(
    vendor: ScriptedVendor, client: PolygonClient, pace: RecordingPace, reply: Reply, kind: str
):
    vendor.script(reply)

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, RetryableError)
    assert outcome.error.kind == kind
    assert (outcome.error.attempts, len(vendor.requests), pace.waits) == (3, 3, 3)


def test_a_passing_fault_leaves_no_trace_in_the_outcome(
    vendor: ScriptedVendor, client: PolygonClient, pace: RecordingPace
):
    vendor.script(answer(b"", 503), answer(b"<html>"), answer(grouped(row())))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Bars)
    assert pace.waits == 3


def test_delayed_data_is_good(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(grouped(row(), status="DELAYED")))

    assert isinstance(client.grouped_daily(SESSION), Bars)


@pytest.mark.parametrize(
    ("symbol", "segment"),
    [
        ("BRK.B", "BRK.B"),
        ("BCpC", "BCpC"),
        ("A/B", "A%2FB"),
        ("A%2FB", "A%252FB"),
        ("A?B#C", "A%3FB%23C"),
        ("..", "%2E%2E"),
        ("Ä", "%C3%84"),
    ],
)
def test_a_symbol_is_one_segment_of_the_path(
    vendor: ScriptedVendor, client: PolygonClient, symbol: str, segment: str
):
    vendor.script(answer(EMPTY))

    client.symbol_daily(symbol, date(2024, 1, 2), date(2024, 1, 31))

    assert vendor.requests[0].target == (
        f"/v2/aggs/ticker/{segment}/range/1/day/2024-01-02/2024-01-31"
        "?adjusted=false&sort=asc&limit=50000"
    )


def test_all_pages_of_a_symbol_are_joined(vendor: ScriptedVendor, client: PolygonClient):
    first = ranged(row(t=1705381200000), next_url=f"{vendor.base_url}/v2/next?cursor=a%3D%3D&b")
    vendor.script(answer(first), answer(ranged(row(t=1705467600000, c=182.68))))

    outcome = client.symbol_daily("AAPL", SESSION, date(2024, 1, 17))

    assert isinstance(outcome, Bars)
    assert outcome.frame.select("date", "symbol", "close").rows() == [
        (date(2024, 1, 16), "AAPL", 183.63),
        (date(2024, 1, 17), "AAPL", 182.68),
    ]
    assert vendor.requests[1].target == "/v2/next?cursor=a%3D%3D&b"
    assert vendor.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_symbol_without_bars_is_nothing(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(EMPTY | {"ticker": "ZZZZ"}))

    assert client.symbol_daily("ZZZZ", SESSION, SESSION) == Nothing()


def test_tickers_come_page_by_page(vendor: ScriptedVendor, client: PolygonClient):
    following = f"{vendor.base_url}/v3/reference/tickers?cursor=YWN0aXZl"
    vendor.script(
        answer(listed({"ticker": "A", "name": "Agilent"}, next_url=following)),
        answer(listed({"ticker": "AA", "name": "Alcoa"})),
    )

    pages = list(client.tickers(active=True))

    assert [page.frame["symbol"].to_list() for page in pages] == [["A"], ["AA"]]
    assert [request.target for request in vendor.requests] == [
        "/v3/reference/tickers?market=stocks&active=true&limit=1000&order=asc&sort=ticker",
        "/v3/reference/tickers?cursor=YWN0aXZl",
    ]


def test_a_page_that_fails_ends_the_list_with_its_error(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(
        answer(listed({"ticker": "A"}, next_url=f"{vendor.base_url}/v3/x?cursor=1")),
        answer({"status": "ERROR", "error": "strconv.ParseFloat"}, 400),
    )
    pages = client.tickers(active=False)
    next(pages)

    with pytest.raises(PermanentError, match="strconv"):
        next(pages)


def test_the_ticker_types_come_with_their_meaning(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(listed({"code": "CS", "description": "Common Stock"}, {"code": "OS"})))

    assert client.ticker_types() == {"CS": "Common Stock", "OS": ""}
    assert vendor.requests[0].target == "/v3/reference/tickers/types?asset_class=stocks&locale=us"


def test_a_page_that_leads_back_is_refused(vendor: ScriptedVendor, client: PolygonClient):
    back = f"{vendor.base_url}/v3/reference/tickers?cursor=1"
    vendor.script(
        answer(listed({"ticker": "A"}, next_url=back)),
        answer(listed({"ticker": "AA"}, next_url=back)),
    )

    assert _failure(client.tickers(active=True)).kind is FailureKind.PAGING
    assert len(vendor.requests) == 2


def test_a_page_that_repeats_its_rows_is_refused(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(
        answer(listed({"ticker": "A"}, next_url=f"{vendor.base_url}/v3/x?cursor=1")),
        answer(listed({"ticker": "A"}, next_url=f"{vendor.base_url}/v3/x?cursor=2")),
    )

    assert _failure(client.tickers(active=True)).kind is FailureKind.PAGING


def test_a_page_that_repeats_the_rows_of_an_earlier_one_is_refused(
    vendor: ScriptedVendor, client: PolygonClient
):
    pages = [
        answer(listed({"ticker": ticker}, next_url=f"{vendor.base_url}/v3/x?cursor={number}"))
        for number, ticker in enumerate(["A", "B", "A", "C"])
    ]
    vendor.script(*pages)

    assert _failure(client.tickers(active=True)).kind is FailureKind.PAGING
    assert len(vendor.requests) == 3


def test_pages_that_never_end_are_refused(
    vendor: ScriptedVendor, client: PolygonClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("universe_pipeline.adapters.polygon.client.MOST_PAGES", 2)
    vendor.script(
        answer(listed({"ticker": "A"}, next_url=f"{vendor.base_url}/v3/x?cursor=1")),
        answer(listed({"ticker": "B"}, next_url=f"{vendor.base_url}/v3/x?cursor=2")),
    )

    assert _failure(client.tickers(active=True)).kind is FailureKind.PAGING
    assert len(vendor.requests) == 2


@pytest.mark.parametrize(
    "bad", [{}, {"o": "undecodable"}], ids=["rows that are bars", "rows that are none"]
)
def test_more_rows_on_all_pages_than_any_answer_has_are_refused(
    vendor: ScriptedVendor,
    client: PolygonClient,
    monkeypatch: pytest.MonkeyPatch,
    bad: dict[str, str],
):
    monkeypatch.setattr("universe_pipeline.adapters.polygon.client.MOST_ROWS", 3)
    pages = (
        ranged(
            *(row(t=1705381200000, v=volume, **bad) for volume in (page, page + 0.5)),
            next_url=f"{vendor.base_url}/v2/next?cursor={page}",
        )
        for page in (1, 2, 3)
    )
    vendor.script(*map(answer, pages))

    outcome = client.symbol_daily("AAPL", SESSION, SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, PermanentError)
    assert outcome.error.kind is FailureKind.TOO_LARGE
    assert len(vendor.requests) == 2


def test_a_client_that_was_closed_asks_nobody(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(grouped(row())))
    client.close()

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert (outcome.error.kind, outcome.error.attempts) == (FailureKind.CONNECTION, 1)
    assert vendor.requests == []


@pytest.mark.parametrize("reply", [silence, answer({"error": "overloaded"}, 503)])
def test_closing_a_client_ends_the_waits_for_answers_and_for_another_try(
    vendor: ScriptedVendor, reply: Reply
):
    vendor.script(reply)
    patience = replace(BRISK, first_wait=600, longest_wait=600, read=600, request=600)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        client = PolygonClient(vendor.base_url, KEY, patience=patience)
        asking = thread.submit(client.grouped_daily, SESSION)
        while not vendor.requests:
            time.sleep(0.01)

        client.close()
        outcome = asking.result(timeout=60)

    assert isinstance(outcome, Failed)
    assert len(vendor.requests) == 1


def test_closing_a_client_closes_the_connections_that_are_just_opened(
    vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch
):
    opened: list[socket.socket] = []
    closing = threading.Event()
    connect = socket.create_connection

    def connect_slowly(*args: Any, **kwargs: Any) -> socket.socket:
        opened.append(connect(*args, **kwargs))
        assert closing.wait(60)
        return opened[-1]

    monkeypatch.setattr("socket.create_connection", connect_slowly)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        client = PolygonClient(
            vendor.base_url, KEY, patience=replace(BRISK, first_wait=600, longest_wait=600)
        )
        asking = thread.submit(client.grouped_daily, SESSION)
        while not opened:
            time.sleep(0.01)

        client.close()
        closing.set()
        outcome = asking.result(timeout=60)

    assert isinstance(outcome, Failed)
    assert "the client has been closed" in outcome.error.message
    assert [connection.fileno() for connection in opened] == [-1]
    assert vendor.requests == []


def test_threads_share_a_client(vendor: ScriptedVendor):
    vendor.script(kept_alive(answer(grouped(row()))))
    with (
        PolygonClient(vendor.base_url, KEY, patience=BRISK, connections=4) as client,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        outcomes = list(threads.map(client.grouped_daily, [SESSION] * 40))

    assert [type(outcome) for outcome in outcomes] == [Bars] * 40
    assert len(vendor.requests) == 40


def test_a_base_url_may_have_a_path(vendor: ScriptedVendor):
    vendor.script(answer(listed({"code": "CS"})))
    with PolygonClient(f"{vendor.base_url}/mirror/", KEY, patience=BRISK) as client:
        client.ticker_types()

    assert vendor.requests[0].target.startswith("/mirror/v3/reference/tickers/types?")


def _failure(pages: Iterator[TickerPage]) -> VendorError:
    with pytest.raises(RetryableError) as caught:
        list(pages)
    return caught.value
