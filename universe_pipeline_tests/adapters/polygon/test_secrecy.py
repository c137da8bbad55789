"""The key goes to the vendor, in a header, and nowhere else."""

import json
import logging
import traceback
from datetime import date

import httpx
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.key import ApiKey
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.domain.bars import Failed, NotYetPublished
from universe_pipeline.domain.errors import FailureKind, PermanentError, SettingsError
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY
from universe_pipeline_tests.support.scripted_vendor import (
    Reply,
    ScriptedVendor,
    answer,
    reset,
)
from universe_pipeline_tests.support.vendor_answers import listed

SESSION = date(2024, 1, 16)

BROKEN_OFF = 12
"""Characters of the key that a text which was cut off still holds, in some cases below."""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(
    vendor: ScriptedVendor, other_vendor: ScriptedVendor, client: PolygonClient, status: int
):
    vendor.script(answer(b"", status, Location=f"{other_vendor.base_url}/v3"))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, PermanentError)
    assert outcome.error.kind is FailureKind.FOREIGN_URL
    assert (len(vendor.requests), other_vendor.requests) == (1, [])


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https:foo", FailureKind.FOREIGN_URL),
        ("mailto:me", FailureKind.FOREIGN_URL),
        ("https://xn--/", FailureKind.FOREIGN_URL),
        ("https://[::1", FailureKind.FOREIGN_URL),
        ("x" * 70_000, FailureKind.FOREIGN_URL),
        ("http:foo", FailureKind.UNEXPECTED_SHAPE),
        ("", FailureKind.UNEXPECTED_SHAPE),
        ("?", FailureKind.UNEXPECTED_SHAPE),
    ],
)
def test_a_redirect_to_an_address_that_is_none_is_not_followed(
    vendor: ScriptedVendor, client: PolygonClient, location: str, kind: FailureKind
):
    vendor.script(answer(b"", 302, Location=location))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, PermanentError)
    assert (outcome.error.kind, outcome.error.http_status) == (kind, 302)
    assert len(vendor.requests) == 1


def test_the_vendors_cookies_are_not_kept(vendor: ScriptedVendor, client: PolygonClient):
    vendor.script(answer(listed({"code": "CS"}), Set_Cookie="id=1; Path=/"))

    client.ticker_types()
    client.ticker_types()

    assert len(vendor.requests) == 2
    assert "cookie" not in vendor.requests[1].headers


def test_a_redirect_to_the_same_host_is_not_followed_either(
    vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(b"", 302, Location="/login"))

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, PermanentError)
    assert outcome.error.kind is FailureKind.UNEXPECTED_SHAPE
    assert len(vendor.requests) == 1


def test_a_next_url_to_another_host_is_refused_without_contact(
    vendor: ScriptedVendor, other_vendor: ScriptedVendor, client: PolygonClient
):
    vendor.script(answer(listed({"ticker": "A"}, next_url=f"{other_vendor.base_url}/v3?cursor=1")))
    pages = client.tickers(active=True)
    next(pages)

    with pytest.raises(PermanentError) as caught:
        next(pages)

    assert caught.value.kind is FailureKind.FOREIGN_URL
    assert (len(vendor.requests), other_vendor.requests) == (1, [])


@pytest.mark.parametrize(
    "reply",
    [
        answer({"status": "ERROR", "error": f"Unknown API Key {KEY}"}, 401),
        answer({"status": "ERROR", "message": f"{KEY} is wrong"}),
        answer({"status": "NOT_AUTHORIZED", "message": f"before end of day, {KEY}"}, 403),
        answer(b"", 302, Location=f"http://other.example/?apiKey={KEY}"),
        answer(b"", 302, Location=f"http://other.example/{'x' * 260}{KEY}"),
        answer({"status": "ERROR", "error": f"{'x' * 285}{KEY}"}, 400),
        answer({"status": f"{'x' * 20}{KEY}", "error": "none"}),
        answer(f"{'x' * 20}{KEY}".encode()),
        answer(b"", 500),
        f"HTTP/1.1 nonsense {KEY}\r\n\r\n".encode(),
        reset,
    ],
)
def test_no_failure_shows_the_key(
    vendor: ScriptedVendor,
    client: PolygonClient,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
):
    caplog.set_level(logging.DEBUG)
    vendor.script(reply)

    outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, (Failed, NotYetPublished))
    shown = [repr(outcome), repr(client), caplog.text]
    if isinstance(outcome, Failed):
        shown += [str(outcome.error), *traceback.format_exception(outcome.error)]
    assert caplog.text
    assert KEY[:BROKEN_OFF] not in "\n".join(shown)
    assert all(KEY not in request.target for request in vendor.requests)


def test_a_next_url_with_the_key_is_not_shown_with_it(
    vendor: ScriptedVendor, client: PolygonClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    following = f"{vendor.base_url}/v3/reference/tickers?cursor=1&apiKey={KEY}"
    vendor.script(answer(listed({"ticker": "A"}, next_url=following)), answer(listed()))

    list(client.tickers(active=True))

    assert "apiKey=[key]" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("path", ["v3/other", "v3/reference/tickers"])
def test_an_error_about_pages_does_not_show_the_key_in_their_path(
    vendor: ScriptedVendor, other_vendor: ScriptedVendor, client: PolygonClient, path: str
):
    own = f"{vendor.base_url}/{KEY}/{path}"
    vendor.script(
        answer(listed({"ticker": "A"}, next_url=own)),
        answer(listed({"ticker": "B"}, next_url=f"{other_vendor.base_url}/{KEY}")),
    )

    with pytest.raises(PermanentError) as caught:
        list(client.tickers(active=True))

    assert caught.value.endpoint == f"/[key]/{path}"
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a/key+of=ours",
        "?apiKey=a/key+of=ours",
        "?apiKey=a%2Fkey%2Bof%3Dours",
        "?apiKey=a%2fkey%2bof%3dours",
        "broken off: a/key+of",
        "broken off in the middle: a/key+of…",
        "twice a/key+of=oursa/key+of=ours",
    ],
)
def test_a_key_is_hidden_as_it_is_as_urls_write_it_and_broken_off(text: str):
    shown = ApiKey("a/key+of=ours").hidden_in(text)

    assert "[key]" in shown
    assert "key+of" not in shown.replace("%2B", "+").replace("%2b", "+")
    assert "ours" not in shown


def test_what_only_begins_like_a_key_is_shown():
    assert ApiKey("a/key+of=ours").hidden_in("a/key+o and of=ours") == "a/key+o and of=ours"


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "nul\x00"])
def test_a_key_that_no_header_can_hold_is_refused_unshown(key: str):
    with pytest.raises(SettingsError) as caught:
        PolygonClient("http://127.0.0.1:9", key)

    assert "POLYGON_API_KEY" in str(caught.value)
    assert key == "" or key not in "".join(traceback.format_exception(caught.value))


def test_a_short_stand_in_for_a_key_is_not_taken_out_of_words():
    assert ApiKey("test").hidden_in("the latest") == "the latest"


def test_the_libraries_do_not_log_each_request_too(
    vendor: ScriptedVendor, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    vendor.script(answer(listed({"code": "CS"})))
    with PolygonClient(vendor.base_url, KEY, patience=BRISK) as client:
        client.ticker_types()

    assert {record.name for record in caplog.records} == {"universe_pipeline.polygon"}
    (line,) = caplog.messages
    assert line.startswith("GET /v3/reference/tickers/types?asset_class=stocks&locale=us: 200, ")


def test_loopback_is_never_asked_through_a_proxy(
    vendor: ScriptedVendor, other_vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch
):
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, other_vendor.base_url)
    vendor.script(answer(listed({"code": "CS"})))
    with PolygonClient(vendor.base_url, KEY, patience=BRISK) as client:
        client.ticker_types()

    assert (len(vendor.requests), other_vendor.requests) == (1, [])


def test_another_host_is_asked_through_the_proxy_that_the_environment_names(
    vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", vendor.base_url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    vendor.script(answer(listed({"code": "CS"})))
    with PolygonClient("http://vendor.example", KEY, patience=BRISK) as client:
        client.ticker_types()

    assert httpx.URL(vendor.requests[0].target).host == "vendor.example"


def test_a_proxy_that_is_not_http_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", "socks5://user:word@proxy.example")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(SettingsError) as caught:
        PolygonClient("https://vendor.example", KEY)

    assert "https_proxy" in str(caught.value)
    assert "word" not in str(caught.value)


LEAKED = "key/of=tests+that-leaks"


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        (f'{{"T": "{LEAKED}"}}', True),
        (f'{{"name": "curl -H Authorization: Bearer {LEAKED}"}}', True),
        ('{"name": "key\\/of=tests+that-leaks"}', True),
        ('{"name": "\\u006bey/of=tests+that-leaks"}', True),
        ('{"url": "https://x/?apiKey=key%2Fof%3Dtests%2Bthat-leaks"}', True),
        ('{"T": "key/of=tests"}', False),
        ('{"T": "AAPL", "note": "a \\\\"quoted\\\\" word"}', False),
    ],
)
def test_a_key_is_found_however_json_and_urls_write_it(body: str, *, holds: bool):
    assert ApiKey(LEAKED).is_in(body.encode()) is holds


def test_a_stand_in_for_a_key_is_not_looked_for():
    assert not ApiKey("k").is_in(b'{"status": "OK"}')


@pytest.mark.parametrize(
    "row",
    [
        {"T": LEAKED, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1},
        {"T": "AAPL", "o": LEAKED, "h": 1, "l": 1, "c": 1, "v": 1},
        {"T": "AAPL", "note": LEAKED},
    ],
)
def test_an_answer_that_repeats_the_key_is_refused_whole(
    vendor: ScriptedVendor, row: dict[str, object]
):
    document = {"status": "OK", "adjusted": False, "resultsCount": 1, "results": [row]}
    vendor.script(answer(json.dumps(document).encode()))
    with PolygonClient(vendor.base_url, LEAKED, patience=Patience(attempts=1)) as client:
        outcome = client.grouped_daily(SESSION)

    assert isinstance(outcome, Failed)
    assert outcome.error.kind is FailureKind.LEAKED_KEY
    assert LEAKED not in str(outcome.error)
