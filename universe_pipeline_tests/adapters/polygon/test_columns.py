"""Answers read by columns: those as they mostly come, and nothing that Polars could mistake."""

from typing import Any

import httpx
import polars as pl
import pytest

from universe_pipeline.adapters.polygon.columns import read_columns
from universe_pipeline.adapters.polygon.envelope import Header
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline_tests.support.vendor_answers import as_sent, grouped

TYPES: dict[str, pl.DataType] = {"T": pl.String(), "c": pl.Float64(), "n": pl.Int64()}


def sent(symbol: Any = "BRK.B", **more: Any) -> dict[str, Any]:
    """A row with nothing but what is read."""
    return {"T": symbol, "c": 183.63, "n": 7, **more}


def test_rows_are_read_with_their_header():
    answer = grouped(sent(), {"T": "ZTST", "c": 2}, sent("Ä", n=203.0), request_id="[")

    read = _read(as_sent(answer))

    assert read is not None
    header, frame = read
    assert (header.status, header.adjusted, header.results_count) == ("OK", False, 3)
    assert frame.schema == TYPES
    assert frame.rows() == [("BRK.B", 183.63, 7), ("ZTST", 2.0, None), ("Ä", 183.63, 203)]


def test_an_answer_without_rows_is_read():
    read = _read(as_sent(grouped()))

    assert read is not None
    assert read[1].is_empty()


def test_an_answer_is_read_whole_however_long_it_is():
    rows = [sent(f"S{number}", n=number) for number in range(20_000)]

    read = _read(as_sent(grouped(*rows)))

    assert read is not None
    assert read[1].rows() == [(row["T"], row["c"], row["n"]) for row in rows]


def test_texts_that_look_like_the_end_of_a_row_are_left_to_be_read_row_by_row():
    rows = [sent("A" * 900 + "},{" * 30) for _ in range(300)]

    assert _read(as_sent(grouped(*rows))) is None


@pytest.mark.parametrize(
    "odd",
    [
        sent(123),
        sent(-1),
        sent("3M"),  # might be a number
        sent(True),
        sent("A\\B"),
        sent("x" * 1_001),
        sent(None),
        {"c": 1, "n": 7},
        sent(c="183.63"),
        sent(c=True),
        sent(c=None),
        sent(c=[1]),
        sent(n=2.5),
        sent(n=2**53 + 2),
        sent(otc=True),
        sent(x=1),
        "row",
        None,
        [sent()],
    ],
)
def test_an_answer_with_an_odd_row_is_left_to_be_read_row_by_row(odd: Any):
    assert _read(as_sent(grouped(sent(), odd))) is None


@pytest.mark.parametrize(
    "number", ['1,"c":2', "1e400", "NaN", "01", "0x1", "1_000", "9" * 5_000 + "e5000"]
)
def test_a_number_that_is_none_or_not_the_only_one_is_left_as_well(number: str):
    body = as_sent(grouped(sent(c="NUMBER"))).replace(b'"NUMBER"', number.encode())

    assert _read(body) is None


@pytest.mark.parametrize(
    "answer",
    [
        grouped(sent(), status="ERROR"),
        grouped(sent(), status=...),
        grouped(sent(), results=...),
        grouped(sent(), results=None),
        grouped(sent(), results=...) | {"inner": {"results": [sent()]}},
        grouped(sent()) | {"after": [1]},
        grouped(*[sent()] * 100_001),
    ],
)
def test_an_odd_answer_is_left_as_well(answer: dict[str, Any]):
    assert _read(as_sent(answer)) is None


def test_half_a_surrogate_is_left_as_well():
    body = as_sent(grouped(sent("HALF"))).replace(b"HALF", rb"\ud800")

    assert _read(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"OK","results": [],"x":{"results":[{"T":"A"}]}}',
        b'{"status":"OK","results": [],"x\\"results":[{"T":"A"}]}',
        b'{"status":"OK","result\\u0073":[],"x":{"results":[{"T":"A","c":1}]}}',
    ],
)
def test_rows_of_another_object_are_left_as_well(body: bytes):
    assert _read(body) is None


@pytest.mark.parametrize(
    "body", [b"", b'"results":[', b'{"results":[]', as_sent(grouped(sent()))[:-1], b"\xff" * 100]
)
def test_what_is_no_json_is_left_as_well(body: bytes):
    assert _read(body) is None


def test_a_body_that_would_need_much_memory_is_left_as_well():
    long = grouped(sent(), request_id="x" * 8 * 1024**2)

    assert _read(as_sent(long)) is None


def test_another_status_is_left_as_well():
    assert _read(as_sent(grouped(sent())), status=429) is None


def test_rows_that_are_not_as_many_as_stated_are_an_error():
    with pytest.raises(RetryableError, match="1 rows where the answer states 2") as caught:
        _read(as_sent(grouped(sent(), resultsCount=2)))

    assert caught.value.kind is FailureKind.COUNT_MISMATCH


def _read(body: bytes, status: int = 200) -> tuple[Header, pl.DataFrame] | None:
    return read_columns(Reply(httpx.URL("https://api.massive.com/"), status, body), TYPES)
