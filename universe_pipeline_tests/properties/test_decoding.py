"""Any answer, however broken: rows, all accounted for, or one of the named errors."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.adapters.polygon.bars import grouped_bars, range_bars
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.reference import ticker_page, ticker_types
from universe_pipeline.domain.bars import Nothing, RejectedRow
from universe_pipeline.domain.errors import FailureKind, VendorError
from universe_pipeline.domain.symbols import TICKER_RULES, RejectedTicker
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.mutations import broken_bytes, wrong_values
from universe_pipeline_tests.support.vendor_answers import as_sent, grouped, listed, ranged, row

SESSION = date(2024, 1, 16)
URL = httpx.URL("https://api.massive.com/v2/aggs?adjusted=false")

Row = tuple[Any, ...]
Sent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was made of an answer that was usable."""

    accepted: list[Row]
    rejected: tuple[RejectedRow | RejectedTicker, ...] = ()


def _grouped(reply: Reply) -> Decoded:
    bars = grouped_bars(reply, SESSION)
    if isinstance(bars, Nothing):
        return Decoded([])
    return Decoded(bars.frame.rows(), bars.rejected)


def _range(reply: Reply) -> Decoded:
    page = range_bars(reply, "AAPL", SESSION, date(2024, 1, 17))
    return Decoded(page.frame.drop("date", "symbol").rows(), page.rejected)


def _tickers(reply: Reply) -> Decoded:
    page = ticker_page(reply, active=True)
    return Decoded([whole[:3] for whole in page.frame.rows()], page.rejected)


def _types(reply: Reply) -> Decoded:
    return Decoded(list(ticker_types(reply).items()))


def _bar(sent: Sent) -> Row:
    return tuple(sent.get(key) for key in ("o", "h", "l", "c", "v", "vw", "n"))


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of answer: a good one, its decoder, and what a row of it is in plain words."""

    document: Sent
    decode: Callable[[Reply], Decoded]
    plain: Callable[[Sent], Row]
    keyed: bool = False
    """Whether the first value alone identifies a row, so that the last row with it counts."""

    @property
    def body(self) -> bytes:
        """The good one."""
        return as_sent(self.document)


SHAPES = {
    "grouped": Shape(
        grouped(row("A"), row("BRK.B", v=1.6698648e07), row("ZTST", v=0, vw=..., n=...)),
        _grouped,
        lambda sent: (sent.get("T"), *_bar(sent)),
    ),
    "range": Shape(
        ranged(row(t=1705381200000), row(t=1705467600000, n=203.0), next_url="https://x.y/z"),
        _range,
        _bar,
    ),
    "tickers": Shape(
        listed(
            {"ticker": "A", "name": "Agilent", "type": "CS", "active": True, "cik": "0001090872"},
            {"ticker": "RHT", "name": "Red Hat", "delisted_utc": "2019-07-09T00:00:00Z"},
            {"ticker": "BCpC", "name": "", "last_updated_utc": "2026-08-14T21:05:59.504046976Z"},
            next_url="https://api.massive.com/v3/reference/tickers?cursor=YWN0",
        ),
        _tickers,
        lambda sent: (sent.get("ticker"), sent.get("name") or "", sent.get("type")),
    ),
    "types": Shape(
        listed({"code": "CS", "description": "Common Stock"}, {"code": "ETF", "locale": "us"}),
        _types,
        lambda sent: (sent.get("code"), sent.get("description", "")),
        keyed=True,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_good_answer_comes_through_whole(name: str):
    shape = SHAPES[name]

    found = shape.decode(Reply(URL, 200, shape.body))

    assert found.accepted == [shape.plain(sent) for sent in shape.document["results"]]
    assert found.rejected == ()


@pytest.mark.parametrize("name", SHAPES)
def test_bytes_that_were_changed_are_rows_or_a_named_error(name: str):
    _try(SHAPES[name], broken_bytes(SHAPES[name].body), 200)


@pytest.mark.parametrize("name", SHAPES)
def test_values_that_were_changed_are_rows_or_a_named_error(name: str):
    _try(SHAPES[name], wrong_values(SHAPES[name].document), 300)


@given(
    st.sampled_from([204, 301, 400, 401, 403, 404, 408, 418, 429, 499, 500, 503, 999]),
    broken_bytes(b'{"status":"ERROR","request_id":"1","error":"too much","message":"before"}'),
    st.text(st.characters(max_codepoint=255), max_size=40)
    | st.sampled_from(["7", "9" * 5_000, "Fri, 31 Dec 2100 23:59:59 GMT", "1 Jan 1 0:0 +99999999"]),
)
@examples(300)
def test_any_refusal_is_a_named_error(status: int, body: bytes, header: str):
    headers = httpx.Headers({"Retry-After": header, "Location": header}, encoding="latin-1")
    with pytest.raises(VendorError) as caught:
        grouped_bars(Reply(URL, status, body, headers), SESSION)

    _require_named(caught.value)
    assert caught.value.http_status == status


def _try(shape: Shape, bodies: st.SearchStrategy[bytes], number: int) -> None:
    usable = Counter[bool]()

    @given(bodies)
    @examples(number)
    def ends_well(body: bytes) -> None:
        try:
            found = shape.decode(Reply(URL, 200, bytearray(body)))
        except VendorError as error:
            usable[False] += 1
            _require_named(error)
            return
        usable[True] += 1
        read = _read(body)
        rows: list[Any] = read.get("results") or []
        _require_all_accounted_for(shape, rows, found)
        assert _stated(read) in {None, len(rows)}

    ends_well()

    assert min(usable[True], usable[False]) > number // 20, "one kind of outcome was never tried"


def _require_named(error: VendorError) -> None:
    assert isinstance(error.kind, FailureKind)
    assert error.retryable in (True, False)
    assert len(str(error)) < 1_000
    assert all(character.isprintable() for character in str(error))


def _read(body: bytes) -> dict[str, Any]:
    """The answer as another decoder reads it, which accepts bytes that are not UTF-8."""
    return json.loads(body.decode("utf-8", "replace"), parse_int=float)


def _stated(read: dict[str, Any]) -> float | None:
    """How many rows it says that there are."""
    stated = read.get("resultsCount")
    return read.get("count") if stated is None else stated


def _require_all_accounted_for(shape: Shape, sent: list[Any], found: Decoded) -> None:
    left = [shape.plain(cast("Sent", each)) for each in sent if isinstance(each, dict)]
    if shape.keyed:
        left = list({each[0]: each for each in left}.values())
        sent = left
    assert len(found.accepted) + len(found.rejected) == len(sent)
    for accepted in found.accepted:
        assert accepted in left
        left.remove(accepted)
    assert {each.rule for each in found.rejected} <= {"off_session", *TICKER_RULES}
