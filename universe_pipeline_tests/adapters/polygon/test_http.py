"""Faults of the transport, made by a real one: time-outs, resets, cut and hostile bodies."""

import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.domain.bars import Bars, Failed
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY, RecordingPace
from universe_pipeline_tests.support.scripted_vendor import (
    Reply,
    ScriptedVendor,
    answer,
    dripping,
    hang_up,
    reset,
    silence,
    zipped,
)
from universe_pipeline_tests.support.vendor_answers import grouped, row

SESSION = date(2024, 1, 16)
GOOD = grouped(row())
HALF = zipped(GOOD)[: len(zipped(GOOD)) // 2]


@pytest.fixture
def hasty(vendor: ScriptedVendor) -> Iterator[PolygonClient]:
    """Gives an answer 0.3 s, and asks twice."""
    patience = replace(BRISK, attempts=2, read=0.2, request=0.3)
    with PolygonClient(vendor.base_url, KEY, patience=patience) as client:
        yield client


@pytest.mark.parametrize(
    "reply",
    [
        silence,
        dripping(b"", b"H"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        dripping(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", b" "),
    ],
    ids=["silence", "status", "headers", "body", "explanation"],
)
def test_a_vendor_that_stalls_or_drips_is_left(
    vendor: ScriptedVendor, hasty: PolygonClient, reply: Reply
):
    vendor.script(reply)

    error = _error(hasty)

    assert (error.kind, error.attempts) == (FailureKind.TIMEOUT, 2)
    named = f"no whole answer in time from {vendor.base_url} (POLYGON_BASE_URL): "
    assert error.message.startswith(named)


def test_a_tls_handshake_that_stalls_is_left():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        patience = replace(BRISK, attempts=1, connect=0.2)
        with PolygonClient(address, KEY, patience=patience) as client:
            error = _error(client)

    assert (error.kind, error.attempts) == (FailureKind.TIMEOUT, 1)


@pytest.mark.parametrize("reply", [reset, hang_up, b"no HTTP at all\r\n\r\n"])
def test_a_connection_that_ends_without_an_answer_is_asked_again(
    vendor: ScriptedVendor, client: PolygonClient, reply: Reply
):
    vendor.script(reply)

    error = _error(client)

    assert isinstance(error, RetryableError)
    assert (error.kind, error.attempts) == (FailureKind.CONNECTION, 3)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1", "http://[::1]:1", "https://127.0.0.1:1", "https://vendor.invalid"],
)
def test_an_address_that_cannot_be_reached_is_named_with_its_setting(address: str):
    with PolygonClient(f"{address}/path", KEY, patience=BRISK) as client:
        error = _error(client)

    assert (error.kind, error.attempts) == (FailureKind.CONNECTION, 3)
    assert error.message.startswith(f"cannot reach {address} (POLYGON_BASE_URL): ")


def test_a_server_that_speaks_no_tls_is_named_with_its_setting(vendor: ScriptedVendor):
    vendor.script(answer(b"no TLS"))
    address = vendor.base_url.replace("http://", "https://")
    with PolygonClient(address, KEY, patience=BRISK) as client:
        error = _error(client)

    assert error.kind is FailureKind.CONNECTION
    assert error.message.startswith(f"cannot reach {address} (POLYGON_BASE_URL): [SSL")


def test_a_proxy_that_cannot_be_reached_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass-word@127.0.0.1:1")
    with PolygonClient("https://vendor.example", KEY, patience=BRISK) as client:
        error = _error(client)

    assert error.message.startswith(
        "cannot reach https://vendor.example (POLYGON_BASE_URL)"
        " by the proxy 127.0.0.1:1 (HTTPS_PROXY): "
    )
    assert "pass-word" not in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        answer(GOOD, length=100_000),
        answer(HALF, Content_Encoding="gzip"),
        answer(b"", Content_Encoding="gzip"),
        answer(b"no gzip at all", Content_Encoding="gzip"),
        answer(zipped(GOOD)[:-8] + b"\0" * 8, Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{",
    ],
    ids=["length", "half", "none", "damaged", "checksum", "chunk"],
)
def test_a_body_that_is_cut_off_or_damaged_is_asked_for_again(
    vendor: ScriptedVendor, client: PolygonClient, reply: Reply
):
    vendor.script(reply)

    error = _error(client)

    assert isinstance(error, RetryableError)
    assert (error.kind, error.attempts) == (FailureKind.CUT_BODY, 3)


def test_a_gzip_stream_in_several_members_is_one_body(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(zipped(GOOD) + zlib.compress(b"  ", wbits=31), Content_Encoding="gzip"))

    assert isinstance(client.grouped_daily(SESSION), Bars)


@pytest.mark.parametrize("packed", [True, False])
def test_a_huge_body_is_refused_in_bounded_memory(
    vendor: ScriptedVendor,
    client: PolygonClient,
    monkeypatch: pytest.MonkeyPatch,
    packed: bool,
):
    most = 4 * 1024**2
    monkeypatch.setattr("universe_pipeline.adapters.polygon.body.MOST_BYTES", most)
    huge = b" " * (16 * most)
    vendor.script(
        answer(zlib.compress(huge, wbits=31), Content_Encoding="gzip") if packed else answer(huge)
    )
    del huge
    tracemalloc.start()

    error = _error(client)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(error, PermanentError)
    assert (error.kind, error.attempts) == (FailureKind.TOO_LARGE, 1)
    assert peak < 3 * most


@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [(200, FailureKind.TOO_LARGE, 1), (401, FailureKind.NOT_THE_VENDOR, 3)],
)
def test_a_body_that_unpacks_to_nothing_has_an_end(
    vendor: ScriptedVendor,
    client: PolygonClient,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: FailureKind,
    attempts: int,
):
    monkeypatch.setattr("universe_pipeline.adapters.polygon.body.MOST_PACKED", 100_000)
    nothing = zlib.compress(b"", wbits=31)
    endless = nothing * (200_000 // len(nothing)) + zipped(GOOD)
    vendor.script(answer(endless, status, Content_Encoding="gzip"))

    error = _error(client)

    assert (error.kind, error.attempts) == (kind, attempts)


def test_a_huge_explanation_still_leaves_the_status(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(b"x" * 10_000_000, 503))

    assert _error(client).kind is FailureKind.SERVER_ERROR


def test_the_pace_is_asked_before_every_request(
    vendor: ScriptedVendor, client: PolygonClient, pace: RecordingPace
):
    vendor.script(reset, answer(b"", 500), answer(GOOD))

    client.grouped_daily(SESSION)

    assert pace.waits == len(vendor.requests) == 3


def _error(client: PolygonClient) -> PermanentError | RetryableError:
    outcome = client.grouped_daily(SESSION)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, (PermanentError, RetryableError))
    return outcome.error
