"""Whose refusal it is: only the vendor's own JSON says something about key, plan and data."""

import json
import zlib
from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.domain.bars import Bars, Failed
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline_tests.adapters.polygon.conftest import KEY
from universe_pipeline_tests.support.scripted_vendor import (
    ScriptedVendor,
    answer,
    zipped,
)
from universe_pipeline_tests.support.vendor_answers import as_sent, grouped, refused, row

SESSION = date(2024, 1, 16)
GOOD = grouped(row())

FIREWALL = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><style>body { color: #333 }</style>
<script>var blocked = "<p>1</p>";</script><!-- ray 81 --><title>Blocked</title></head>
<body><h1>Sorry, you have been blocked</h1><p>R&amp;D gateway</p></body></html>"""

OTHERS = [
    (FIREWALL, "Blocked Sorry, you have been blocked R&D gateway"),
    (b"<html><head><title>403 Forbidden</title></head></html>", "403 Forbidden"),
    (b"<html><head></head></html>", "<html><head></head></html>"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
    (b"<script>" * 2_000, "<script><script>"),
    (b"", "may have answered"),
    (b"Forbidden\r\n", "Forbidden"),
    (b"\x1b[31mdenied\x00", "\\x1b[31mdenied\\x00"),
    (b"\xff\xfe\x00", "\ufffd"),
    (b"x" * 5_000, "x" * 120 + "…"),
    ({"message": "Forbidden"}, "Forbidden"),
    ({"error": "Unknown API Key"}, "Unknown API Key"),
    ({"status": 403, "error": "Forbidden"}, "Forbidden"),
    ({"status": "error", "message": "blocked"}, "blocked"),
    ({"status": "ERROR", "message": "blocked by policy"}, "blocked by policy"),
    ({"status": "NOT_AUTHORIZED"}, '{"status":"NOT_AUTHORIZED"}'),
    ({"status": "NOT_AUTHORIZED", "message": None}, '"message":null'),
    ({"status": "NOT_AUTHORIZED", "message": ""}, '"message":""'),
    ({"status": "DENIED", "message": "not entitled to this data timeframe"}, "not entitled"),
    ([refused("You are not entitled", "NOT_AUTHORIZED")], "You are not entitled"),
    (json.dumps(refused("x" * 10, "NOT_AUTHORIZED")).encode()[:-5], "NOT_AUTHORIZED"),
    (b"null", "null"),
]
"""Bodies that are not the vendor's, with words that their failure must quote."""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407])
@pytest.mark.parametrize(("body", "words"), OTHERS, ids=range(len(OTHERS)))
def test_a_refusal_that_is_not_the_vendors_is_asked_again_and_quoted(
    vendor: ScriptedVendor, client: PolygonClient, status: int, body: object, words: str
):
    vendor.script(answer(body, status))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is RetryableError
    assert (outcome.error.kind, outcome.error.http_status) == ("not_the_vendor", status)
    assert outcome.error.attempts == len(vendor.requests) == 3
    assert words in outcome.error.message
    assert f"HTTP {status}" in outcome.error.message
    assert outcome.error.message.isprintable()
    assert len(outcome.error.message) < 400


def test_after_a_firewalls_page_the_vendors_answer_is_taken(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(FIREWALL, 403), answer(b"", 401), answer(GOOD))

    assert isinstance(client.grouped_daily(SESSION), Bars)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_servers_page_is_quoted_too(
    vendor: ScriptedVendor, client: PolygonClient, status: int
):
    vendor.script(answer(b"<html><h1>Bad gateway</h1>", status))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert outcome.error.kind is FailureKind.SERVER_ERROR
    assert outcome.error.message == "the vendor's server failed: Bad gateway"


@pytest.mark.parametrize(
    "page",
    [
        f"<p>key {KEY}</p>",
        f"<p>{'x' * 100}{KEY}</p>",
        f"<p>&#{ord(KEY[0])};{KEY[1:]}</p>",
        f"apiKey={KEY}",
    ],
)
def test_a_page_that_repeats_the_key_is_quoted_without_it(
    vendor: ScriptedVendor, client: PolygonClient, page: str
):
    vendor.script(answer(page.encode(), 403))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert KEY[:8] not in str(outcome.error)
    assert "[key]" in outcome.error.message


@pytest.mark.parametrize(
    "coding",
    ["gzip", "x-gzip", "Gzip", "X-GZIP", " gzip ", "identity, gzip", "gzip,identity", ",gzip"],
)
def test_gzip_under_any_of_its_names_is_unpacked(
    vendor: ScriptedVendor, client: PolygonClient, coding: str
):
    vendor.script(answer(zipped(GOOD), Content_Encoding=coding))

    assert isinstance(client.grouped_daily(SESSION), Bars)


@pytest.mark.parametrize("coding", ["", "identity", "Identity", " identity , identity"])
def test_what_is_not_packed_is_read_as_it_is(
    vendor: ScriptedVendor, client: PolygonClient, coding: str
):
    vendor.script(answer(GOOD, Content_Encoding=coding))

    assert isinstance(client.grouped_daily(SESSION), Bars)


def test_a_packed_refusal_is_read(vendor: ScriptedVendor, client: PolygonClient):
    said = as_sent(refused("Unknown API Key"))
    vendor.script(answer(zlib.compress(said, wbits=31), 401, Content_Encoding="X-Gzip"))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert outcome.error.kind is FailureKind.UNAUTHORIZED


@pytest.mark.parametrize("coding", ["br", "gzip, br", "gzip, gzip"])
def test_a_packing_that_was_not_asked_for_is_refused(
    vendor: ScriptedVendor, client: PolygonClient, coding: str
):
    vendor.script(answer(zipped(GOOD), Content_Encoding=coding))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert outcome.error.kind is FailureKind.UNEXPECTED_SHAPE
    assert f"packed as {coding}, not as gzip" in outcome.error.message
