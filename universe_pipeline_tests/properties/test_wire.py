"""Any bytes over a real socket end in an answer; no link leads the key astray."""

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.origins import destination
from universe_pipeline.domain.bars import Bars, Failed, Nothing, NotYetPublished
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline_tests.adapters.polygon.conftest import BRISK, KEY
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.mutations import broken_bytes
from universe_pipeline_tests.support.scripted_vendor import (
    Act,
    ScriptedVendor,
    answer,
    scripted_vendor,
    zipped,
)
from universe_pipeline_tests.support.vendor_answers import grouped, row

SESSION = date(2024, 1, 16)

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'f\r\n{"status":"OK",\r\n18\r\n"resultsCount":0,"x":1} \r\n0\r\n\r\n'
)

REPLIES = st.sampled_from(
    [
        answer(grouped(row())),
        answer(zipped(grouped(row())), Content_Encoding="gzip"),
        answer({"status": "ERROR"}, 429, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT"),
        answer(b"", 302, Location="https://api.massive.com/v2?x=1", Set_Cookie="a=b; Max-Age=9"),
        CHUNKED,
    ]
).flatmap(broken_bytes)


@pytest.fixture
def vendor() -> Iterator[ScriptedVendor]:
    with scripted_vendor() as serving:
        yield serving


def sent_and_gone(reply: bytes) -> Act:
    """Send it and end the connection: what was announced beyond it never comes."""

    def send(connection: socket.socket) -> None:
        connection.sendall(reply)

    return send


def test_any_bytes_are_an_answer_or_a_named_failure(vendor: ScriptedVendor):
    outcomes = Counter[type]()
    hurried = replace(BRISK, attempts=1, rate_limited=0.0)

    with PolygonClient(vendor.base_url, KEY, patience=hurried) as client:

        @given(REPLIES)
        @examples(300)
        def ends_well(reply: bytes) -> None:
            vendor.script(sent_and_gone(reply))
            outcome = client.grouped_daily(SESSION)
            outcomes[type(outcome)] += 1
            if isinstance(outcome, Failed):
                assert isinstance(outcome.error.kind, FailureKind)
                assert outcome.error.attempts == 1
            assert KEY not in repr(outcome)

        ends_well()

    assert set(outcomes) <= {Bars, Nothing, NotYetPublished, Failed}
    assert {Bars, Nothing, Failed} <= set(outcomes), "one kind of outcome was never tried"


_ADDRESS = st.sampled_from(
    [
        "https://api.massive.com/v3?cursor=a", "https://api.polygon.io/v3", "//evil.example/v3",
        "https://evil.example/v3", "https://api.massive.com@evil.example/v3", "/v3?cursor=a",
        "https://user:word@api.massive.com:443/v3", "https://[::1]:443/v3", "https://xn--a.example",
    ]
)  # fmt: skip
_PIECE = st.sampled_from(
    [*"/\\:@?#[]%.\t\r\n \x00", "//", "..", "https:", "http:", "ftp:", ":443", ":0", "%2f", "%40",
     "api.massive.com", "evil.example", "xn--", "\uff41", "。", "℀", "\u202e", "ß", "\u0131"]
) | st.characters(codec="utf-8")  # fmt: skip


@st.composite
def links(draw: st.DrawFn) -> str:
    """An address after up to three pieces of text were put in somewhere, or taken out."""
    link = draw(_ADDRESS)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(link)))
        end = start + draw(st.integers(0, 3))
        link = link[:start] + draw(_PIECE | st.just("")) + link[end:]
    return link


@given(links())
@examples(1_000)
def test_no_link_leads_to_another_host_by_any_spelling(link: str):
    found = destination(httpx.URL("https://api.massive.com"), link)

    if found is not None:
        sent_to = urlsplit(str(found))
        assert sent_to.scheme == "https"
        assert sent_to.netloc in ("api.massive.com", "api.polygon.io")
        assert found.raw_host in (b"api.massive.com", b"api.polygon.io")
