"""Fingerprints against the published vectors of docs/data.md, which are computed by hand here."""

import hashlib
import re
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from math import inf, nan
from pathlib import Path

import polars as pl
import pytest

from universe_pipeline.domain import fingerprint
from universe_pipeline.domain.fingerprint import BarValues, of_frame, of_list, of_session

ABC: BarValues = ("ABC", 10.0, 11.0, 9.0, 10.5, 1000.0, 10.25, 12)
BARE: BarValues = ("A.B", 10.0, 11.0, 9.0, 10.5, 0.0, None, None)
UMLAUT: BarValues = ("Ä", 10.0, 11.0, 9.0, 10.5, 213849.305802, 10.25, 0)

ABC_RECORD = bytes.fromhex(
    "000a 00000004 00000000 00000003 414243"
    " 00000008 4024000000000000 00000008 4026000000000000 00000008 4022000000000000"
    " 00000008 4025000000000000 00000008 408f400000000000 00000008 4024800000000000"
    " 00000008 000000000000000c 00000007 67726f75706564"
)
BARE_RECORD = bytes.fromhex(
    "000a 00000004 00000000 00000003 412e42"
    " 00000008 4024000000000000 00000008 4026000000000000 00000008 4022000000000000"
    " 00000008 4025000000000000 00000008 0000000000000000 ffffffff 0000000000000000"
    " ffffffff 0000000000000000 00000007 67726f75706564"
)
UMLAUT_RECORD = (
    bytes.fromhex("000a 00000004 00000000 00000002 c384 00")  # filled up to three bytes
    + b"".join(b"\0\0\0\x08" + struct.pack(">d", value) for value in (10, 11, 9, 10.5))
    + b"\0\0\0\x08" + struct.pack(">d", 213849.305802)
    + b"\0\0\0\x08" + struct.pack(">d", 10.25)
    + b"\0\0\0\x08" + bytes(8) + b"\0\0\0\x07grouped"
)  # fmt: skip

VECTORS: dict[str, tuple[list[BarValues], bytes]] = {
    "no bar": ([], b""),
    "`ABC`": ([ABC], ABC_RECORD),
    "`A.B`": ([BARE], BARE_RECORD),
    "all three": ([UMLAUT, ABC, BARE], BARE_RECORD + ABC_RECORD + UMLAUT_RECORD),
}


def by_hand(content: bytes) -> str:
    return "1:" + hashlib.sha256(content).hexdigest()[:32]


@pytest.mark.parametrize("name", VECTORS)
def test_a_session_has_the_fingerprint_that_its_bytes_have_by_hand(name: str):
    bars, content = VECTORS[name]

    assert of_session(bars) == by_hand(content)
    assert of_session(reversed(bars)) == by_hand(content)


def test_the_docs_publish_the_vectors():
    docs = (Path(__file__).parents[2] / "docs" / "data.md").read_text()

    published = dict(re.findall(r"^\| ([^|]+) \| `(1:[0-9a-f]{32})` \|$", docs, re.MULTILINE))

    assert published == {
        **{name: by_hand(content) for name, (_, content) in VECTORS.items()},
        "the list": by_hand(LISTED),
    }


def test_zero_has_no_sign():
    plus, minus = (of_session([("A", 1.0, 1.0, 1.0, 1.0, zero, zero, 0)]) for zero in (0.0, -0.0))

    assert plus == minus


def test_every_nan_is_the_same_and_no_null():
    other_nan = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]

    ordinary, other, null = (
        of_session([("A", 1.0, 1.0, 1.0, 1.0, 1.0, vwap, 0)]) for vwap in (nan, other_nan, None)
    )

    assert ordinary == other
    assert ordinary != null


@pytest.mark.parametrize(
    "changed",
    [
        ("ABD", *ABC[1:]),
        *((*ABC[:place], 10.125, *ABC[place + 1 :]) for place in range(1, 7)),
        (*ABC[:6], None, 12),
        (*ABC[:6], 0.0, 12),
        (*ABC[:6], inf, 12),
        (*ABC[:7], None),
        (*ABC[:7], 0),
        (*ABC[:7], -12),
    ],
)
def test_another_value_gives_another_fingerprint(changed: BarValues):
    others = {of_session([ABC]), of_session([changed]), of_session([ABC, changed])}

    assert len(others) == 3


LISTED = (
    '["A","Ä \\"Ltd\\"",true,"2024-07-01","2024-07-01T13:30:00.000000","3ff0000000000000"]\n'
    '["B",null,false,null,null,"0000000000000000"]\n'
).encode()
LIST = [
    ("B", None, False, None, None, -0.0),
    (
        *("A", 'Ä "Ltd"', True, date(2024, 7, 1)),
        datetime(2024, 7, 1, 9, 30, tzinfo=timezone(timedelta(hours=-4))),
        1.0,
    ),
]


def test_a_list_has_the_fingerprint_that_its_lines_have_by_hand():
    assert of_list(LIST, keys=1) == by_hand(LISTED)
    assert of_list(reversed(LIST), keys=1) == by_hand(LISTED)


def test_a_list_goes_by_all_columns_of_its_key():
    rows = [("A", date(2024, 7, 2), 1.0), ("A", date(2024, 7, 1), 2.0)]

    assert of_list(rows, keys=2) == of_list(reversed(rows), keys=2)


def test_control_characters_and_other_alphabets_are_written_as_rfc_8785_writes_them():
    content = '["a\\n\\t\\"\\\\\\u001f\x7f日本🙂"]\n'

    assert of_list([('a\n\t"\\\x1f\x7f日本🙂',)], keys=1) == by_hand(content.encode())


COLUMNS = pl.Schema(
    {
        "symbol": pl.String(),
        "n": pl.Int16(),
        "name": pl.String(),
        "active": pl.Boolean(),
        "day": pl.Date(),
        "at": pl.Datetime("us", "UTC"),
        "number": pl.Float64(),
    }
)
OTHER_NAN = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
ROWS = [
    ("B", 10, None, False, None, None, -0.0),
    ("B", 2, "", None, date(1969, 12, 31), datetime(1969, 12, 31, 23, 59, 59, 7, UTC), OTHER_NAN),
    ("Ä", 1, "日本🙂\x7f", True, date(2024, 7, 1), datetime(2024, 7, 1, 13, 30, tzinfo=UTC), inf),
    ("A", 1, "no", True, date(2027, 1, 1), datetime(2024, 7, 1, 0, 0, 0, 123_456, UTC), None),
]


@pytest.mark.parametrize("more", ["plain", 'Ä "Ltd"', "a\\b", "a\n\t\x1f"])
def test_a_frame_has_the_fingerprint_of_its_rows(more: str):
    rows = [*ROWS, ("b", 1, more, True, None, None, 0.1)]

    frame = pl.DataFrame(rows, COLUMNS, orient="row")

    assert of_frame(frame, keys=2) == of_list(rows, keys=2)
    assert of_frame(frame.reverse(), keys=2) == of_list(rows, keys=2)


def test_an_empty_frame_has_the_fingerprint_of_no_rows():
    assert of_frame(COLUMNS.to_frame(), keys=1) == of_list([], keys=1)


def test_times_count_to_the_microsecond():
    first, second = (
        of_list([("A", datetime(2024, 7, 1, 12, 0, 0, micro, UTC))], keys=1) for micro in (0, 1)
    )

    assert first != second


@pytest.mark.parametrize("stored", [None, "", "0:ab", "2:ab", "10:ab", "ab" * 16])
def test_a_fingerprint_of_another_version_is_not_known(stored: str | None):
    assert not fingerprint.is_known(stored)


def test_a_fingerprint_of_this_version_is_known():
    assert fingerprint.is_known(of_session([ABC]))
