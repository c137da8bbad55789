import http.client
import json
import threading
import zlib
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from universe_pipeline.simulator.faults import Kind, fault_from_text
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import (
    GROUPED,
    TICKERS,
    all_pages,
    ask,
    daily_range,
    grouped,
)

DAY = "2024-07-03"


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("401_no_key", 401, {"status": "ERROR", "error": "API Key was not provided"}),
        ("401_unknown_key", 401, {"status": "ERROR", "error": "Unknown API Key"}),
        (
            "403_not_entitled",
            403,
            {
                "status": "NOT_AUTHORIZED",
                "message": "You are not entitled to this data. "
                "Please upgrade your plan at https://massive.com/pricing",
            },
        ),
        (
            "403_timeframe",
            403,
            {
                "status": "NOT_AUTHORIZED",
                "message": "Your plan doesn't include this data timeframe. "
                "Please upgrade your plan at https://polygon.io/pricing",
            },
        ),
        (
            "403_before_end_of_day",
            403,
            {
                "status": "NOT_AUTHORIZED",
                "message": "Attempted to request today's data before end of day. "
                "Please upgrade your plan at https://polygon.io/pricing",
            },
        ),
        ("404", 404, {"status": "NOT_FOUND", "message": "Data not found."}),
        (
            "400",
            400,
            {
                "status": "ERROR",
                "error": "Failed to parse query parameters from URL: the cursor is not valid",
            },
        ),
        (
            "429",
            429,
            {
                "status": "ERROR",
                "error": "You've exceeded the maximum requests per minute, please wait or upgrade "
                "your subscription to continue. https://polygon.io/pricing",
            },
        ),
        ("500", 500, {"status": "ERROR", "error": "An internal error occurred"}),
        ("error_status_200", 200, {"status": "ERROR", "error": "An internal error occurred"}),
    ],
)
def test_refusals_have_the_vendors_bodies(
    vendor: SimulatedVendor, kind: Kind, status: int, content: dict[str, str]
):
    vendor.faults.add(kind)
    reply = grouped(vendor, DAY)

    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json == content | {"request_id": reply.headers["X-Request-Id"]}


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "start"),
    [
        (
            "403_firewall",
            403,
            "text/html",
            b"<!doctype html><html><head><title>Request blocked<",
        ),
        ("502", 502, "text/html", b"<!doctype html><html><head><title>502 Bad Gateway<"),
        ("503", 503, "text/plain", b"Service Unavailable"),
        ("504", 504, "text/plain", b"upstream request timeout"),
        ("html_200", 200, "text/html", b"<!doctype html><html><head><title>Maintenance<"),
    ],
)
def test_proxies_speak_no_json(
    vendor: SimulatedVendor, kind: Kind, status: int, content_type: str, start: bytes
):
    vendor.faults.add(kind)
    reply = grouped(vendor, DAY)

    assert (reply.status, reply.headers["Content-Type"]) == (status, content_type)
    assert reply.text.startswith(start)


@pytest.mark.parametrize("kind", ["429", "503"])
def test_retry_after_can_be_seconds(vendor: SimulatedVendor, kind: Kind):
    vendor.faults.add(kind, retry_after=7)

    assert grouped(vendor, DAY).headers["Retry-After"] == "7"


def test_retry_after_can_be_a_date(vendor: SimulatedVendor):
    vendor.faults.add("429", retry_after=3_600, http_date=True)
    asked_at = datetime.now(UTC)
    moment = parsedate_to_datetime(grouped(vendor, DAY).headers["Retry-After"])

    assert 3_600 <= (moment - asked_at).total_seconds() < 3_700


def test_a_redirect_names_another_place(vendor: SimulatedVendor):
    vendor.faults.add("redirect", url="http://127.0.0.1:9/elsewhere")
    reply = grouped(vendor, DAY)

    assert (reply.status, reply.headers["Location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_an_echo_repeats_the_key_as_it_is_and_as_urls_write_it(vendor: SimulatedVendor):
    vendor.faults.add("echo")
    reply = ask(vendor, f"{GROUPED}/{DAY}?adjusted=false", authorization="Bearer a/key+of=ours")

    assert reply.status == 500
    assert reply.json["error"] == (
        f"a/key+of=ours is no key of ours: GET {GROUPED}/{DAY}?adjusted=false"
        "&apiKey=a%2Fkey%2Bof%3Dours"
    )


def test_a_redirect_or_next_url_can_carry_the_key(vendor: SimulatedVendor):
    vendor.faults.add("foreign_next_url", endpoint="tickers", url="http://other.invalid/?k={key}")
    vendor.faults.add("redirect", endpoint="grouped", url="http://other.invalid/?k={key}")

    page = ask(vendor, f"{TICKERS}?limit=5", authorization="Bearer a/key")
    reply = ask(vendor, f"{GROUPED}/{DAY}", authorization="Bearer a/key")

    assert page.json["next_url"] == "http://other.invalid/?k=a%2Fkey"
    assert reply.headers["Location"] == "http://other.invalid/?k=a%2Fkey"


def test_hostile_rows_follow_the_good_ones_and_are_counted(
    vendor: SimulatedVendor, healthy: SimulatedVendor
):
    vendor.faults.add("hostile_rows")
    good = grouped(healthy, DAY).rows
    text = grouped(vendor, DAY).text
    answer = json.loads(text.decode("utf-8", "replace"), parse_int=float)  # huge ones among them

    assert answer["results"][: len(good)] == good
    assert answer["resultsCount"] == len(answer["results"]) == len(good) + 26
    assert answer["results"][len(good)]["T"] == "O'NEIL\"`$(id)"
    assert answer["results"][len(good)]["t"] == good[0]["t"]
    assert answer["results"][-2:] == [None, {"T": {"T": "T"}}]
    assert b"BYTES\xfe\xff" in text


def test_malformed_json_does_not_parse(vendor: SimulatedVendor):
    vendor.faults.add("malformed_json")
    reply = grouped(vendor, DAY)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json


def test_deep_json_is_100_000_deep(vendor: SimulatedVendor):
    vendor.faults.add("deep_json")

    assert b"[" * 100_000 + b"]" * 100_000 in grouped(vendor, DAY).text


def test_results_can_be_null(vendor: SimulatedVendor):
    vendor.faults.add("results_null")
    answer = grouped(vendor, DAY).json

    assert (answer["results"], answer["resultsCount"], answer["status"]) == (None, 0, "OK")


def test_an_empty_answer_looks_like_a_closed_day(vendor: SimulatedVendor):
    vendor.faults.add("empty")
    reply = grouped(vendor, DAY)

    assert reply.json == {
        "queryCount": 0,
        "resultsCount": 0,
        "adjusted": False,
        "status": "OK",
        "request_id": reply.headers["X-Request-Id"],
        "count": 0,
    }


def test_an_empty_page_of_tickers_has_no_rows(vendor: SimulatedVendor):
    vendor.faults.add("empty", endpoint="tickers")

    assert ask(vendor, TICKERS).rows == []


def test_stamps_can_be_of_another_day(vendor: SimulatedVendor):
    vendor.faults.add("wrong_session", days=-1)

    assert {row["t"] for row in grouped(vendor, DAY).rows} == {1719950400000}, "2024-07-02 20:00Z"


def test_faults_of_bars_leave_the_reference_lists_alone(vendor: SimulatedVendor):
    for kind in ("bad_rows", "changed", "wrong_session", "adjusted_true"):
        vendor.faults.add(kind, tickers=["AAPL"])
    page = ask(vendor, f"{TICKERS}?ticker=AAPL").json

    assert (page["count"], page["results"][0]["ticker"]) == (1, "AAPL")
    assert "adjusted" not in page


def test_an_answer_can_claim_to_be_adjusted(vendor: SimulatedVendor):
    vendor.faults.add("adjusted_true")

    assert grouped(vendor, DAY, "adjusted=false").json["adjusted"] is True


def test_delayed_status_leaves_the_rows_alone(vendor: SimulatedVendor, healthy: SimulatedVendor):
    vendor.faults.add("delayed_status")
    answer = grouped(vendor, DAY)

    assert answer.json["status"] == "DELAYED"
    assert answer.rows == grouped(healthy, DAY).rows


def test_counts_can_be_wrong(vendor: SimulatedVendor):
    vendor.faults.add("count_mismatch")
    answer = grouped(vendor, DAY).json

    assert answer["resultsCount"] == answer["count"] == len(answer["results"]) + 1


def test_half_of_the_rows_can_be_missing(vendor: SimulatedVendor, healthy: SimulatedVendor):
    vendor.faults.add("collapsed")
    answer = grouped(vendor, DAY).json
    whole = grouped(healthy, DAY).rows

    assert answer["results"] == whole[: len(whole) // 2]
    assert answer["resultsCount"] == len(answer["results"])


def test_some_tickers_can_be_missing(vendor: SimulatedVendor, healthy: SimulatedVendor):
    vendor.faults.add("missing", tickers=["AAPL", "MSFT"])

    gone = set(grouped(healthy, DAY).by_ticker) - set(grouped(vendor, DAY).by_ticker)
    assert gone == {"AAPL", "MSFT"}


def test_listings_can_be_missing_from_the_reference_lists(vendor: SimulatedVendor):
    vendor.faults.add("missing", endpoint="tickers", tickers=["AAPL"])

    assert ask(vendor, f"{TICKERS}?ticker=AAPL").rows == []
    assert "AAPL" in grouped(vendor, DAY).by_ticker


def test_volumes_of_some_tickers_can_change(vendor: SimulatedVendor, healthy: SimulatedVendor):
    vendor.faults.add("changed", tickers=["AAPL"], factor=1.5)
    before, after = grouped(healthy, DAY).by_ticker, grouped(vendor, DAY).by_ticker

    assert after["AAPL"] == before["AAPL"] | {"v": before["AAPL"]["v"] * 1.5}
    assert after["MSFT"] == before["MSFT"]
    assert (
        daily_range(vendor, "AAPL", DAY, DAY).rows[0]["v"]
        == daily_range(healthy, "AAPL", DAY, DAY).rows[0]["v"] * 1.5
    )


def test_bad_rows_are_appended_as_they_are_given(vendor: SimulatedVendor, healthy: SimulatedVendor):
    rows: list[dict[str, Any]] = [
        {"T": "LOW", "o": 1, "h": 0.5, "l": 1, "c": 1, "v": 10},
        {"T": "NUL\0", "o": None, "h": "2", "l": 1, "c": 1, "v": 10, "t": 5},
    ]
    vendor.faults.add("bad_rows", rows=rows)
    answer = grouped(vendor, DAY).json

    assert answer["results"][:-2] == grouped(healthy, DAY).rows
    assert answer["results"][-2:] == [rows[0] | {"t": 1720036800000}, rows[1]]
    assert answer["resultsCount"] == len(answer["results"])


def test_bad_rows_by_default_are_one_of_each_kind(vendor: SimulatedVendor):
    vendor.faults.add("bad_rows")
    rows = grouped(vendor, DAY).rows

    assert [row["T"] for row in rows[-7:-1]] == [
        "SIMHIGH",
        "SIMNULL",
        "SIMZERO",
        "SIMTEXT",
        "SIMVOL",
        "SIM\0NUL",
    ]
    assert rows[-1] == rows[0]


def test_bad_rows_can_join_the_reference_lists(vendor: SimulatedVendor):
    vendor.faults.add("bad_rows", endpoint="tickers", rows=[{"name": "no ticker"}])
    page = ask(vendor, f"{TICKERS}?ticker=AAPL").json

    assert (page["count"], page["results"][1]) == (2, {"name": "no ticker"})


def test_next_url_can_name_a_foreign_host(vendor: SimulatedVendor):
    vendor.faults.add("foreign_next_url", endpoint="tickers", url="https://example.invalid/x")

    assert ask(vendor, f"{TICKERS}?limit=5").json["next_url"] == "https://example.invalid/x"


def test_next_url_can_lead_back_to_the_same_page(vendor: SimulatedVendor):
    vendor.faults.add("looping_next_url")
    page = ask(vendor, f"{TICKERS}?limit=5").json

    assert page["next_url"] == f"{vendor.base_url}/v3/reference/tickers?limit=5"


def test_a_reset_ends_the_connection_without_an_answer(vendor: SimulatedVendor):
    vendor.faults.add("reset")

    with pytest.raises(ConnectionResetError):
        grouped(vendor, DAY)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_cut_body_ends_before_its_announced_end(vendor: SimulatedVendor, encoding: str):
    vendor.faults.add("cut_body")

    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(vendor, f"{GROUPED}/{DAY}", accept_encoding=encoding)
    assert abs(len(cut.value.partial) - (cut.value.expected or 0)) <= 1


def test_gzip_garbage_is_announced_as_gzip(vendor: SimulatedVendor):
    vendor.faults.add("gzip_garbage")
    reply = grouped(vendor, DAY)

    assert reply.headers["Content-Encoding"] == "gzip"
    with pytest.raises(zlib.error):
        _ = reply.text


def test_a_gzip_bomb_unpacks_to_its_size(vendor: SimulatedVendor):
    vendor.faults.add("gzip_bomb", megabytes=64)
    reply = grouped(vendor, DAY)

    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.raw) < 100_000
    assert len(reply.text) == 64 * 1024 * 1024


def test_a_huge_body_announces_no_length(vendor: SimulatedVendor):
    vendor.faults.add("huge_body", megabytes=8)
    reply = grouped(vendor, DAY)

    assert "Content-Length" not in reply.headers
    assert len(reply.raw) > 8 * 1024 * 1024
    assert reply.json == {"status": "OK", "results": []}


def test_a_client_that_leaves_a_huge_body_harms_nobody(
    vendor: SimulatedVendor, capfd: pytest.CaptureFixture[str]
):
    vendor.faults.add("huge_body", times=1)
    connection = http.client.HTTPConnection(vendor.base_url.removeprefix("http://"))
    connection.request("GET", TICKERS, headers={"Authorization": "Bearer any"})
    connection.getresponse().read(10)
    connection.close()

    assert ask(vendor, TICKERS).status == 200
    vendor.stop()
    assert capfd.readouterr().err == ""


def test_a_delay_ends_when_the_vendor_stops():
    vendor = SimulatedVendor(symbols=300)
    vendor.start()
    vendor.faults.add("delay", seconds=3_600)
    ended = threading.Event()

    def wait_for_the_answer() -> None:
        try:
            grouped(vendor, DAY)
        except (ConnectionError, http.client.HTTPException):
            pass
        finally:
            ended.set()

    threading.Thread(target=wait_for_the_answer).start()
    while not vendor.requests:
        assert not ended.is_set()
    vendor.stop()

    assert ended.wait(30)


def test_a_delayed_answer_is_a_good_one(vendor: SimulatedVendor, healthy: SimulatedVendor):
    vendor.faults.add("delay", seconds=0.01)

    assert grouped(vendor, DAY).text == grouped(healthy, DAY).text


def test_rules_are_used_up_in_their_order(vendor: SimulatedVendor):
    vendor.faults.add("429", times=2)
    vendor.faults.add("500", times=1)

    assert [grouped(vendor, DAY).status for _ in range(4)] == [429, 429, 500, 200]


def test_changes_add_up_until_an_answer_is_replaced(vendor: SimulatedVendor):
    vendor.faults.add("missing", tickers=["AAPL"])
    vendor.faults.add("adjusted_true")
    vendor.faults.add("500", session=date(2024, 7, 2))
    answer = grouped(vendor, DAY)

    assert "AAPL" not in answer.by_ticker
    assert answer.json["adjusted"] is True
    assert grouped(vendor, "2024-07-02").status == 500


def test_a_rule_can_begin_after_some_requests(vendor: SimulatedVendor):
    vendor.faults.add("503", endpoint="tickers", active=False, after=1, times=1)
    delisted = [ask(vendor, f"{TICKERS}?active=false").status for _ in range(3)]

    assert delisted == [200, 503, 200]


def test_a_rule_about_delisted_tickers_knows_further_pages(vendor: SimulatedVendor):
    second = all_pages(vendor, "active=false&limit=20")[0].json["next_url"]
    vendor.faults.add("500", endpoint="tickers", active=False)

    assert ask(vendor, second.removeprefix(vendor.base_url)).status == 500
    assert ask(vendor, f"{TICKERS}?active=true").status == 200


def test_a_rule_about_a_session_strikes_ranges_over_it(vendor: SimulatedVendor):
    vendor.faults.add("404", session=date(2024, 7, 3))

    assert daily_range(vendor, "AAPL", "2024-07-01", "2024-07-05").status == 404
    assert daily_range(vendor, "AAPL", "2024-07-01", "2024-07-02").status == 200


def test_a_rule_about_a_ticker_strikes_only_requests_for_it(vendor: SimulatedVendor):
    vendor.faults.add("404", ticker="AAPL")

    assert daily_range(vendor, "AAPL", DAY, DAY).status == 404
    assert daily_range(vendor, "MSFT", DAY, DAY).status == 200
    assert grouped(vendor, DAY).status == 200


def test_cleared_rules_strike_no_more(vendor: SimulatedVendor):
    vendor.faults.add("500")
    vendor.faults.clear()

    assert grouped(vendor, DAY).status == 200


@pytest.mark.parametrize("options", [{"time": 1}, {"times": "many"}, {"session": "2024-13-01"}])
def test_unusable_options_are_refused_at_once(vendor: SimulatedVendor, options: dict[str, Any]):
    with pytest.raises(ValueError, match=r"time|session|date"):
        vendor.faults.add("500", **options)


def test_a_fault_can_be_written_as_text():
    fault = fault_from_text("429:endpoint=grouped,session=2024-07-03,times=3,retry_after=1")

    assert (fault.kind, fault.endpoint, fault.session) == ("429", "grouped", date(2024, 7, 3))
    assert (fault.times, fault.retry_after) == (3, 1)
    assert fault_from_text("missing:tickers=AAPL+BRK.B").tickers == ["AAPL", "BRK.B"]
