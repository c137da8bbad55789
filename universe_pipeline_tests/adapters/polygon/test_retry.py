"""Patience with 429s and with failures."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.domain.bars import Bars, Failed
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY, RecordingPace
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor, answer
from universe_pipeline_tests.support.vendor_answers import grouped, refused, row

SESSION = date(2024, 1, 16)
GOOD = answer(grouped(row()))
SAID = {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}


@pytest.fixture
def single(vendor: ScriptedVendor, pace: RecordingPace) -> Iterator[PolygonClient]:
    """Asks once, and goes on against 429s for 30 minutes."""
    with PolygonClient(
        vendor.base_url, KEY, pace=pace, patience=replace(BRISK, attempts=1)
    ) as client:
        yield client


def test_a_429_is_no_failure_and_slows_everybody(
    vendor: ScriptedVendor, single: PolygonClient, pace: RecordingPace
):
    vendor.script(answer(SAID, 429), answer(SAID, 429, Retry_After="7"), GOOD)

    outcome = single.grouped_daily(SESSION)

    assert isinstance(outcome, Bars)
    assert (pace.waits, pace.back_offs) == (3, [60.0, 7.0])


@pytest.mark.parametrize(
    ("asked", "quiet"),
    [
        ("0", 1.0),
        ("12", 12.0),
        ("86400", 1800.0),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1800.0),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 1.0),
        ("soon", 60.0),
        ("9" * 400, 1800.0),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", 60.0),
        ("Fri, 31 Dec 2100 23:59:59 +99999999999999", 60.0),
        ("-5", 60.0),
        ("٣", 60.0),
    ],
)
def test_retry_after_is_kept_within_reason(
    vendor: ScriptedVendor, single: PolygonClient, pace: RecordingPace, asked: str, quiet: float
):
    vendor.script(answer(SAID, 429, Retry_After=asked), GOOD)

    single.grouped_daily(SESSION)

    assert pace.back_offs == [quiet]


def test_retry_after_may_be_a_date(
    vendor: ScriptedVendor, single: PolygonClient, pace: RecordingPace
):
    then = datetime.now(UTC) + timedelta(minutes=10)
    vendor.script(answer(SAID, 429, Retry_After=format_datetime(then, usegmt=True)), GOOD)

    single.grouped_daily(SESSION)

    (quiet,) = pace.back_offs
    assert 500 < quiet <= 600


def test_429s_to_the_end_of_patience_are_a_failure(vendor: ScriptedVendor, pace: RecordingPace):
    vendor.script(answer(SAID, 429))
    patience = replace(BRISK, attempts=1, rate_limited=0.05)
    with PolygonClient(vendor.base_url, KEY, pace=pace, patience=patience) as client:
        outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, RetryableError)
    assert (outcome.error.kind, outcome.error.http_status) == (FailureKind.RATE_LIMITED, 429)
    assert outcome.error.attempts == len(vendor.requests) == len(pace.back_offs) + 1
    assert "exceeded the maximum requests" in str(outcome.error)


def test_each_retry_is_reported_with_its_reason_and_wait(
    vendor: ScriptedVendor, client: PolygonClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    vendor.script(answer({"error": "overloaded"}, 503), answer(SAID, 429, Retry_After="3"), GOOD)

    client.grouped_daily(SESSION)

    failed, limited = caplog.records
    assert failed.levelname == "INFO"
    assert re.fullmatch(
        r"/v2/aggs/grouped/locale/us/market/stocks/2024-01-16: the vendor's server failed: "
        r"overloaded \(server_error, HTTP 503\); try 2 of 3 in \d\.\d s",
        failed.message,
    )
    assert limited.levelname == "WARNING"
    assert limited.message.endswith("(rate_limited, HTTP 429); all requests wait 3 s")


def test_requests_that_fail_alike_are_one_line_a_round(
    vendor: ScriptedVendor, client: PolygonClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    vendor.script(answer({"error": "overloaded"}, 503))
    days = [date(2024, 1, day) for day in (16, 17, 18, 19)]

    with ThreadPoolExecutor(len(days)) as pool:
        outcomes = list(pool.map(client.grouped_daily, days))
    with pytest.raises(RetryableError):
        client.ticker_types()

    assert [isinstance(outcome, Failed) for outcome in outcomes] == [True] * 4
    assert len(vendor.requests) == 5 * 3
    said = [re.sub(r".*; (try \d of \d) .*", r"\1", one.message) for one in caplog.records]
    assert said == ["try 2 of 3", "try 3 of 3"]


def test_another_reason_is_a_round_of_its_own(
    vendor: ScriptedVendor, client: PolygonClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    vendor.script(answer({"error": "busy"}, 503), answer({"error": "down"}, 503), GOOD)

    client.grouped_daily(SESSION)
    vendor.script(answer({"error": "down"}, 503), GOOD)
    client.grouped_daily(SESSION)

    reasons = [record.message.partition("failed: ")[2][:4] for record in caplog.records]
    assert reasons == ["busy", "down", "down"]


def test_a_failures_text_is_short_and_printable(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(refused("\x1b[31mred\x00\n" + "x" * 5000), 400))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert "\\x1b[31mred\\x00\\nxxx" in outcome.error.message
    assert len(outcome.error.message) < 400


def test_a_kept_failure_keeps_no_reply(vendor: ScriptedVendor, single: PolygonClient):
    vendor.script(answer(b"<html>"))

    outcome = single.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert (outcome.error.__traceback__, outcome.error.__context__) == (None, None)
