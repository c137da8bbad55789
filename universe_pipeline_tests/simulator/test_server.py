import http.client
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import GROUPED, TICKERS, ask, grouped, send


@pytest.fixture
def guarded() -> Iterator[SimulatedVendor]:
    with SimulatedVendor(symbols=300, api_key="right") as vendor:
        yield vendor


def test_no_key_is_401(healthy: SimulatedVendor):
    reply = send(healthy.base_url, "GET", TICKERS, {})

    assert reply.status == 401
    assert reply.json == {
        "status": "ERROR",
        "request_id": reply.headers["X-Request-Id"],
        "error": "API Key was not provided",
    }


@pytest.mark.parametrize("wrong", ["wrong", "RIGHT", "rightly"])
def test_an_unknown_key_is_401(guarded: SimulatedVendor, wrong: str):
    reply = ask(guarded, TICKERS, authorization=f"Bearer {wrong}")

    assert reply.status == 401
    assert reply.json["error"] == "Unknown API Key"


def test_the_key_is_accepted_as_header_and_as_parameter(guarded: SimulatedVendor):
    as_header = ask(guarded, TICKERS, authorization="Bearer right")
    as_parameter = ask(guarded, f"{TICKERS}?apiKey=right", authorization="")

    assert (as_header.status, as_parameter.status) == (200, 200)


def test_other_kinds_of_authorization_are_no_key(guarded: SimulatedVendor):
    reply = ask(guarded, TICKERS, authorization="Basic right")

    assert (reply.status, reply.json["error"]) == (401, "API Key was not provided")


def test_an_unknown_path_is_404(healthy: SimulatedVendor):
    reply = ask(healthy, "/v1/open-close/AAPL/2024-07-03")

    assert reply.status == 404
    assert reply.json == {
        "status": "NOT_FOUND",
        "request_id": reply.headers["X-Request-Id"],
        "message": "Data not found.",
    }


def test_requests_beyond_the_limit_are_429_for_that_key_only():
    with SimulatedVendor(symbols=300, rate_limit=2) as vendor:
        replies = [ask(vendor, TICKERS) for _ in range(3)]
        other = ask(vendor, TICKERS, authorization="Bearer other")

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert other.status == 200
    assert "Retry-After" not in replies[2].headers
    assert replies[2].json == {
        "status": "ERROR",
        "request_id": replies[2].headers["X-Request-Id"],
        "error": "You've exceeded the maximum requests per minute, please wait or upgrade your "
        "subscription to continue. https://polygon.io/pricing",
    }


def test_bodies_are_gzipped_when_asked(healthy: SimulatedVendor):
    plain = ask(healthy, f"{GROUPED}/2024-07-03")
    packed = ask(healthy, f"{GROUPED}/2024-07-03", accept_encoding="gzip, deflate")

    assert "Content-Encoding" not in plain.headers
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == (
        "gzip",
        "Accept-Encoding",
    )
    assert len(packed.raw) < len(plain.raw) / 2
    assert packed.text == plain.raw


def test_the_request_id_is_32_hex_digits_in_header_and_body(healthy: SimulatedVendor):
    reply = ask(healthy, TICKERS)

    assert reply.headers["X-Request-Id"] == reply.json["request_id"]
    assert len(bytes.fromhex(reply.json["request_id"])) == 16


def test_next_url_names_the_host_that_was_asked(healthy: SimulatedVendor):
    reply = ask(healthy, f"{TICKERS}?limit=1&apiKey=secret", host="localhost:1234")

    assert reply.json["next_url"].startswith("http://localhost:1234/v3/reference/tickers?cursor=")
    assert "secret" not in reply.json["next_url"]
    assert "&" not in reply.json["next_url"]


def test_a_connection_is_kept_alive(healthy: SimulatedVendor):
    connection = http.client.HTTPConnection(urlsplit(healthy.base_url).netloc)
    statuses: list[int] = []
    ports: set[int] = set()
    for _ in range(3):
        connection.request("GET", TICKERS, headers={"Authorization": "Bearer any"})
        ports.add(connection.sock.getsockname()[1])
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200, 200, 200]
    assert len(ports) == 1


def test_many_clients_are_answered_at_the_same_time(vendor: SimulatedVendor):
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(grouped(vendor, "2024-07-03").status))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [200] * 50
    assert vendor.count("grouped") == 50


def test_requests_are_logged_and_counted(vendor: SimulatedVendor):
    grouped(vendor, "2024-07-03")
    ask(vendor, f"{TICKERS}?limit=5")
    ask(vendor, "/nowhere")

    assert [(each.method, each.path, each.query, each.key) for each in vendor.requests] == [
        ("GET", "/v2/aggs/grouped/locale/us/market/stocks/2024-07-03", "adjusted=false", "any"),
        ("GET", "/v3/reference/tickers", "limit=5", "any"),
        ("GET", "/nowhere", "", "any"),
    ]
    assert (vendor.count(), vendor.count("grouped"), vendor.count("range")) == (3, 1, 0)


def test_control_requests_need_no_key_and_are_not_counted(vendor: SimulatedVendor):
    grouped(vendor, "2024-07-03")
    counts = send(vendor.base_url, "GET", "/_simulator/requests", {})

    assert (counts.status, counts.json) == (200, {"grouped": 1})
    assert vendor.count() == 1


def test_faults_are_set_and_cleared_over_http(vendor: SimulatedVendor):
    rules = b'[{"kind": "503", "endpoint": "grouped", "session": "2024-07-03"}]'

    added = send(vendor.base_url, "POST", "/_simulator/faults", {}, rules)
    struck = grouped(vendor, "2024-07-03").status, grouped(vendor, "2024-07-02").status
    cleared = send(vendor.base_url, "DELETE", "/_simulator/faults", {})

    assert (added.status, struck, cleared.status) == (200, (503, 200), 200)
    assert grouped(vendor, "2024-07-03").status == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"nonsense", "JSON is malformed: invalid character (byte 4)"),
        (b'[{"kind": "nope"}]', "Invalid enum value 'nope' - at `$[0].kind`"),
        (b'[{"kind": "500", "time": 2}]', "Object contains unknown field `time` - at `$[0]`"),
    ],
)
def test_unusable_faults_are_refused_with_the_reason(
    vendor: SimulatedVendor, body: bytes, error: str
):
    reply = send(vendor.base_url, "POST", "/_simulator/faults", {}, body)

    assert (reply.status, reply.json) == (400, {"error": error})


def test_an_unknown_control_path_is_404(vendor: SimulatedVendor):
    reply = send(vendor.base_url, "GET", "/_simulator/nothing", {})

    assert reply.status == 404
    assert reply.json == {"error": "there is no GET /_simulator/nothing"}


def test_stopping_closes_connections_and_the_port():
    vendor = SimulatedVendor(symbols=300)
    vendor.start()
    connection = http.client.HTTPConnection(urlsplit(vendor.base_url).netloc, timeout=30)
    connection.request("GET", TICKERS, headers={"Authorization": "Bearer any"})
    connection.getresponse().read()

    vendor.stop()

    assert connection.sock.recv(1) == b""
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        ask(vendor, TICKERS)


def test_a_vendor_that_never_started_can_be_stopped():
    vendor = SimulatedVendor(symbols=300)

    vendor.stop()

    with pytest.raises(ConnectionRefusedError):
        ask(vendor, TICKERS)


def test_the_day_of_the_lists_follows_the_clock():
    with SimulatedVendor(
        symbols=300, now=lambda: datetime(2022, 6, 9, 3, 59, tzinfo=UTC)
    ) as vendor:
        assert ask(vendor, f"{TICKERS}?ticker=FB").json["count"] == 1, "still 2022-06-08 there"
