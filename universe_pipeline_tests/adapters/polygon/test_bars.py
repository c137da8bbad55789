"""Decoding of grouped and range answers. Rows and expected values are written by hand."""

import json
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from universe_pipeline.adapters.polygon.bars import RangePage, grouped_bars, range_bars
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA, Bars, Nothing, RejectedRow
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError, VendorError
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline_tests.support.vendor_answers import EMPTY, as_sent, grouped, ranged, row

SESSION = date(2024, 1, 16)


def stamp(day: date) -> int:
    """The midnight of `day` in New York, in milliseconds."""
    return (
        int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("America/New_York")).timestamp())
        * 1000
    )


def test_a_row_keeps_its_values():
    bars = _grouped(grouped(row("BRK.B")))

    assert bars.frame.schema == BAR_SCHEMA
    assert bars.frame.rows() == [
        ("BRK.B", 182.16, 184.26, 180.934, 183.63, 65000.0, 183.1, 767281),
    ]


@pytest.mark.parametrize(
    ("sent", "volume"),
    [
        ("65000", 65000.0),
        ("13825995.0", 13825995.0),
        ("1.6698648e+07", 16698648.0),
        ("213849.305802", 213849.305802),
        ("0", 0.0),
        ("2.8e9", 2_800_000_000.0),
    ],
)
def test_a_volume_may_be_written_in_any_form(sent: str, volume: float):
    body = as_sent(grouped(row(v="VOLUME"))).replace(b'"VOLUME"', sent.encode())

    bars = grouped_bars(_reply(body), SESSION)

    assert isinstance(bars, Bars)
    assert bars.frame["volume"].to_list() == [volume]


def test_transactions_may_be_written_as_a_float():
    bars = _grouped(grouped(row(n=203.0), row("B", n=2)))

    assert bars.frame["transactions"].to_list() == [203, 2]


@pytest.mark.parametrize("absent", [..., None])
def test_a_row_without_trades_has_neither_vwap_nor_transactions(absent: Any):
    bars = _grouped(grouped(row("ZTST", v=0, vw=absent, n=absent)))

    assert bars.frame.select("symbol", "volume", "vwap", "transactions").rows() == [
        ("ZTST", 0.0, None, None)
    ]


def test_symbols_are_kept_byte_for_byte():
    symbols = ["NA", "NAN", "TRUE", "NULL", "null", "BCpC", "BCPC", "AAC.WS", "Ä", "'; --", "1E5"]

    bars = _grouped(grouped(*(row(symbol) for symbol in symbols)))

    assert bars.frame["symbol"].to_list() == symbols


def test_repeated_symbols_are_left_to_validation():
    bars = _grouped(grouped(row("BAUG"), row("BAUG", c=183.5)))

    assert bars.frame["symbol"].to_list() == ["BAUG", "BAUG"]


@pytest.mark.parametrize("key", ["o", "h", "l", "c", "v"])
@pytest.mark.parametrize("absent", [..., None])
def test_a_missing_value_is_a_null_for_validation(key: str, absent: Any):
    column = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}[key]

    bars = _grouped(grouped(row(**{key: absent})))

    assert bars.rejected == ()
    assert bars.frame[column].to_list() == [None]


def test_keys_that_nobody_knows_do_not_matter():
    bars = _grouped(grouped(row(otc=True, surprise=[{}]), surprise={"a": [1]}))

    assert bars.frame.height == 1


@pytest.mark.parametrize(
    ("bad", "symbol", "payload"),
    [
        ('{"T":"B","o":"12.5"}', "B", {"T": "B", "o": "12.5"}),
        ('{"T":"B","o":true}', "B", {"T": "B", "o": True}),
        ('{"T":"B","n":2.5}', "B", {"T": "B", "n": 2.5}),
        ('{"T":"B","n":1e300}', "B", {"T": "B", "n": 1e300}),
        ('{"T":"B","o":1e400}', "B", {"T": "B", "o": "1e400"}),
        ('{"T":"B","v":' + "9" * 400 + "}", "B", {"T": "B", "v": "9" * 400}),
        ('{"T":"B","t":"2024-01-16"}', "B", {"T": "B", "t": "2024-01-16"}),
        ('{"T":null,"o":1}', None, {"T": None, "o": 1}),
        ('{"T":7}', None, {"T": 7}),
        ('{"o":1}', None, {"o": 1}),
        ('{"T":"' + "X" * 33 + '","o":""}', None, {"T": "X" * 33, "o": ""}),
        ("[1,2]", None, {"value": [1, 2]}),
        ("null", None, {"value": None}),
        ('"row"', None, {"value": "row"}),
    ],
)
def test_a_row_that_is_no_bar_is_set_aside_alone(
    bad: str, symbol: str | None, payload: dict[str, Any]
):
    body = as_sent(grouped(row("A"), "BAD", row("C"))).replace(b'"BAD"', bad.encode())

    bars = grouped_bars(_reply(body), SESSION)

    assert isinstance(bars, Bars)
    assert bars.frame["symbol"].to_list() == ["A", "C"]
    assert bars.rejected == (RejectedRow("undecodable", symbol, payload),)


def test_bytes_that_are_no_text_spoil_their_row_only():
    body = as_sent(grouped(row("A"), row("JUNK"))).replace(b"JUNK", b"B\xfe\xff")

    bars = grouped_bars(_reply(body), SESSION)

    assert isinstance(bars, Bars)
    assert bars.frame["symbol"].to_list() == ["A"]
    assert [(each.symbol, each.payload["T"]) for each in bars.rejected] == [(None, "B\ufffd\ufffd")]


def test_what_is_set_aside_of_a_huge_or_deep_row_is_bounded():
    deep = {"T": "B", "x": json.loads("[" * 100 + "]" * 100), "o": ""}

    bars = _grouped(grouped(row(), {"T": "B", "o": "y" * 100_000}, deep))

    assert [len(each.payload["value"]) for each in bars.rejected] == [2_000, 221]


@pytest.mark.parametrize(
    "t",
    [
        1705381200000,  # 00:00 in New York
        1705438800000,  # 16:00
        1705467599999,  # the last millisecond of the day
        1705438800000.0,
    ],
)
def test_any_time_of_the_session_passes(t: float):
    assert _grouped(grouped(row(t=t))).frame.height == 1


def test_summer_time_passes_too():
    answer = grouped(row(t=1721160000000))  # 2024-07-16 20:00 UTC, 16:00 in New York

    bars = grouped_bars(_reply(answer), date(2024, 7, 16))

    assert isinstance(bars, Bars)


@pytest.mark.parametrize(
    ("t", "found"),
    [
        (1705381199999, "2024-01-15"),
        (1705467600000, "2024-01-17"),
        (1602705600000, "2020-10-14"),
        (1705438800, "1970-01-20"),
        (1e300, "no calendar day"),
        (None, "no time"),
        (..., "no time"),
    ],
)
def test_one_of_two_rows_of_another_day_spoils_the_answer(t: object, found: str):
    with pytest.raises(RetryableError) as caught:
        _grouped(grouped(row(), row("B", t=t)))

    assert caught.value.kind is FailureKind.WRONG_SESSION
    assert caught.value.message == f"asked for 2024-01-16, but 1 of 2 rows are of {found}"


NOON = 1705424400000
"""2024-01-16 12:00 in New York."""

STALE = 1602705600000
"""2020-10-14 16:00 in New York, in summer time."""


def _sound(count: int) -> list[dict[str, Any]]:
    return [row(f"S{number}", t=NOON) for number in range(count)]


@pytest.mark.parametrize(
    ("rows", "strays", "is_used"),
    [
        (100, 1, True),
        (100, 2, False),
        (99, 1, False),
        (199, 1, True),
        (200, 2, True),
        (10_500, 100, True),
        (10_500, 101, False),
        (20_000, 101, False),
        (3, 3, False),
    ],
)
@pytest.mark.parametrize("t", [STALE, ...], ids=["of another day", "without a time"])
def test_a_few_rows_of_another_day_are_rejected_and_more_spoil_the_answer(
    rows: int, strays: int, is_used: bool, t: object
):
    answer = grouped(*_sound(rows - strays), *(row(f"X{n}", t=t) for n in range(strays)))

    if is_used:
        bars = _grouped(answer)
        assert bars.frame.height == rows - strays
        assert [(each.rule, each.symbol, each.day) for each in bars.rejected] == [
            ("off_session", f"X{number}", None) for number in range(strays)
        ]
    else:
        with pytest.raises(RetryableError, match=f"{strays} of {rows:,} rows are of") as caught:
            _grouped(answer)
        assert caught.value.kind is FailureKind.WRONG_SESSION


@pytest.mark.parametrize(
    ("rows", "untraded", "traded", "is_used"),
    [
        (120, 4, 0, True),
        (120, 4, 1, True),
        (120, 4, 2, False),
        (120, 12, 0, True),
        (120, 13, 0, False),
        (10_500, 1_050, 100, True),
        (10_500, 1_050, 101, False),
        (2, 1, 0, False),
        (5, 5, 0, False),
    ],
)
def test_stale_rows_without_trades_do_not_count_up_to_a_tenth(
    rows: int, untraded: int, traded: int, is_used: bool
):
    placeholders = [row(f"P{n}", t=STALE, v=0, vw=..., n=...) for n in range(untraded)]
    strays = [*placeholders, *(row(f"X{n}", t=STALE) for n in range(traded))]
    answer = grouped(*_sound(rows - len(strays)), *strays)

    if is_used:
        bars = _grouped(answer)
        assert (bars.frame.height, len(bars.rejected)) == (rows - len(strays), len(strays))
    else:
        with pytest.raises(RetryableError, match=f"{len(strays):,} of {rows:,} rows"):
            _grouped(answer)


@pytest.mark.parametrize(
    ("t", "rule"),
    [
        (STALE, "off_session"),
        (1705438800, "off_session"),  # in seconds, so of 1970
        (-1, "off_session"),
        (1e300, "off_session"),
        (1705381199999.5, "off_session"),
        (None, "off_session"),
        (..., "off_session"),
        ("1705438800000", "undecodable"),
        ("2024-01-16", "undecodable"),
        (True, "undecodable"),
        ([], "undecodable"),
    ],
)
@pytest.mark.parametrize("others", [{}, {"surprise": 1}], ids=["by columns", "row by row"])
def test_both_ways_to_decode_reject_a_stray_row_as_it_was_sent(
    t: object, rule: str, others: dict[str, Any]
):
    stray = row("STRAY", t=t)

    bars = _grouped(grouped(*(sound | others for sound in _sound(100)), stray))

    sent = {key: value for key, value in stray.items() if value is not None}
    assert bars.frame["symbol"].to_list() == [f"S{number}" for number in range(100)]
    assert bars.rejected == (RejectedRow(rule, "STRAY", sent),)


def test_rows_of_many_wrong_days_name_three():
    rows = [row(f"S{n}", t=1705438800000 + n * 86_400_000) for n in range(1, 6)]

    with pytest.raises(RetryableError, match="2024-01-17, 2024-01-18, 2024-01-19…"):
        _grouped(grouped(*rows))


@pytest.mark.parametrize(
    "changes",
    [
        {"resultsCount": ..., "count": ...},
        {"resultsCount": ...},
        {"queryCount": 22},
        {"adjusted": ...},
        {"request_id": ...},
    ],
)
def test_an_envelope_may_lack_what_is_not_needed(changes: dict[str, Any]):
    assert _grouped(grouped(row(), **changes)).frame.height == 1


@pytest.mark.parametrize("changes", [{}, {"results": []}, {"adjusted": True}])
def test_no_rows_and_a_count_of_none_are_nothing(changes: dict[str, Any]):
    assert grouped_bars(_reply(EMPTY | changes), SESSION) == Nothing()


def test_a_range_row_is_dated_in_new_york():
    # Midnights around the change to summer time of 2024-03-10: 05:00 and 04:00 UTC.
    page = _range(ranged(row(t=1709874000000), row(t=1710129600000)))

    assert page.frame.schema == DATED_BAR_SCHEMA
    assert page.frame.row(0) == (
        *(date(2024, 3, 8), "AAPL", 182.16, 184.26, 180.934, 183.63, 65000.0, 183.1, 767281),
    )
    assert page.frame["date"].to_list() == [date(2024, 3, 8), date(2024, 3, 11)]


@pytest.mark.parametrize("t", [1709269199999, 1711944000000, None, ...])
def test_one_of_two_range_rows_outside_the_days_asked_for_spoils_the_page(t: object):
    with pytest.raises(RetryableError, match="asked for 2024-03-01 to 2024-03-31") as caught:
        _range(ranged(row(t=1709874000000), row(t=t)))

    assert caught.value.kind is FailureKind.WRONG_SESSION


YEARS = sessions_between(date(2022, 1, 3), date(2023, 12, 29))


def _years(*strays: dict[str, Any], sessions: Sequence[date] = YEARS) -> RangePage:
    sound = [row(t=stamp(day)) for day in sessions]
    answer = ranged(*sound, *strays, ticker="AAPL")
    return range_bars(_reply(answer), "AAPL", YEARS[0], YEARS[-1])


def test_a_few_range_rows_of_no_session_are_rejected_on_their_day():
    saturday, later = date(2023, 7, 8), date(2024, 1, 2)

    page = _years(row(t=stamp(saturday)), row(t=stamp(later)), row(t=...))

    assert page.frame["date"].to_list() == list(YEARS)
    assert [(each.rule, each.symbol, each.day) for each in page.rejected] == [
        ("off_session", "AAPL", saturday),
        ("off_session", "AAPL", None),
        ("off_session", "AAPL", None),
    ]
    assert [each.payload.get("t") for each in page.rejected] == [
        stamp(saturday),
        stamp(later),
        None,
    ]


@pytest.mark.parametrize(("sessions", "is_used"), [(495, True), (494, False)])
def test_the_limit_of_strays_counts_all_their_kinds(sessions: int, is_used: bool):
    strays = (row(t=stamp(day)) for day in (date(2023, 7, 4), date(2021, 12, 31)))
    all_strays = [*strays, row(t=...), row(t=stamp(date(2023, 7, 8))), row(t=None)]

    if is_used:
        assert len(_years(*all_strays, sessions=YEARS[:sessions]).rejected) == 5
    else:
        with pytest.raises(RetryableError, match="2 of 499 bars fall on closed days"):
            _years(*all_strays, sessions=YEARS[:sessions])


def test_bars_stamped_a_day_early_are_refused_with_their_first_closed_day():
    sessions = sessions_between(date(2024, 1, 3), date(2024, 5, 24))[:100]
    early = [row(t=stamp(day - timedelta(days=1))) for day in sessions]

    with pytest.raises(RetryableError) as caught:
        range_bars(_reply(ranged(*early, ticker="AAPL")), "AAPL", date(2024, 1, 2), sessions[-1])

    assert caught.value.kind is FailureKind.WRONG_SESSION
    # Mondays fall on Sundays, and the days after Monday holidays and Good Friday on those.
    assert caught.value.message == (
        "20 of 100 bars fall on closed days, the first on Sunday 2024-01-07; the stamps are wrong"
    )


def test_a_range_of_another_symbol_is_refused():
    with pytest.raises(RetryableError, match="bars of AAPl where AAPL") as caught:
        _range(ranged(row(t=1709874000000), ticker="AAPl"))

    assert caught.value.kind is FailureKind.UNEXPECTED_SHAPE


def test_an_undecodable_range_row_is_of_the_symbol_that_was_asked_for():
    page = _range(ranged(row(t=1709874000000), {"t": 1709874000000, "o": "1"}))

    assert page.frame.height == 1
    assert page.rejected == (RejectedRow("undecodable", "AAPL", {"t": 1709874000000, "o": "1"}),)


def test_an_empty_range_page_has_an_empty_frame():
    page = _range(EMPTY | {"ticker": "AAPL", "next_url": "https://api.massive.com/v2/x"})

    assert page.frame.schema == DATED_BAR_SCHEMA
    assert (page.frame.height, page.next_url) == (0, "https://api.massive.com/v2/x")


def test_a_symbol_without_end_is_no_symbol():
    bars = _grouped(grouped(row("A"), row("B" * 1_000), row("C" * 1_001)))

    assert bars.frame["symbol"].to_list() == ["A", "B" * 1_000]
    assert [(each.rule, each.symbol) for each in bars.rejected] == [("undecodable", None)]


@pytest.mark.parametrize(
    "rows", ["1," * 1_000_001 + "1", "1," * 100_000 + "1", '{"T":"A"},' * 100_000 + '{"T":"A"}']
)
def test_swarms_of_tiny_values_are_refused(rows: str):
    body = f'{{"status":"OK","results":[{rows}]}}'

    with pytest.raises(PermanentError) as caught:
        grouped_bars(_reply(body.encode()), SESSION)

    assert caught.value.kind is FailureKind.TOO_LARGE


def test_no_mutation_of_an_answer_ends_in_anything_but_bars_or_a_vendor_error():
    chance = random.Random(20240116)  # noqa: S311 - repeatable on purpose
    splices = [b"1e400", b"\\ud800", b"\xff", b"\x00", b"null", b"[", b"}", b'"', b"9" * 5000]
    sound = as_sent(grouped(row("A"), row("B", n=...), row("NA")))
    outcomes = {"usable": 0, "refused": 0}
    for _ in range(3_000):
        body = bytearray(sound)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(body))
            body[place : place + chance.randint(0, 3)] = chance.choice(splices)
        try:
            grouped_bars(_reply(bytes(body)), SESSION)
            outcomes["usable"] += 1
        except VendorError:
            outcomes["refused"] += 1

    assert min(outcomes.values()) > 50


def _reply(answer: dict[str, Any] | bytes) -> Reply:
    body = answer if isinstance(answer, bytes) else as_sent(answer)
    return Reply(httpx.URL("https://api.massive.com/v2/aggs?adjusted=false"), 200, body)


def _grouped(answer: dict[str, Any]) -> Bars:
    bars = grouped_bars(_reply(answer), SESSION)
    assert isinstance(bars, Bars)
    return bars


def _range(answer: dict[str, Any]) -> RangePage:
    return range_bars(_reply(answer), "AAPL", date(2024, 3, 1), date(2024, 3, 31))
