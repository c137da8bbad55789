"""When a symbol's answer is whole, by stored bars, the lists, and the symbol's own gaps."""

from collections.abc import Collection, Sequence
from datetime import date

import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.symbol_answers import (
    History,
    Listing,
    Shortfall,
    SymbolAnswer,
    ends_early,
    longest_gap,
    short_of_range,
    short_of_stored,
)

YEAR = sessions_between(date(2023, 1, 3), date(2023, 12, 29))
HALF = YEAR[:126]
ACTIVE = Listing(active=True, delisted=None)
VANISHED = Listing(active=False, delisted=None)


def answer(
    bars: Collection[date], spoken: Sequence[date] = HALF, rejected: int = 0
) -> SymbolAnswer:
    last = max(bars, default=date.min)
    return SymbolAnswer(spoken, frozenset(bars), len(bars) + rejected, last)


def history(
    listing: Listing | None = ACTIVE,
    bars: Collection[date] = (),
    bare: Collection[date] = (),
    first_bar: date | None = None,
    bare_before: int = 0,
) -> History:
    return History(listing, frozenset(bars), frozenset(bare), first_bar, bare_before)


def missing(given: SymbolAnswer, known: History) -> list[date]:
    """What the answer lacks of its range."""
    found = short_of_range(given, known) if ends_early(given) else None
    return sorted(found.missing) if found else []


def delisted(day: date) -> Listing:
    return Listing(active=False, delisted=day)


@pytest.mark.parametrize(
    ("stored", "held", "is_whole"),
    [
        (126, 0, False),
        (37, 3, False),
        (126, 113, False),
        (126, 114, True),
        (10, 9, True),
        (9, 8, False),
        (1, 0, False),
        (1, 1, True),
        (0, 0, True),
    ],
)
def test_an_answer_holds_nine_tenths_of_the_stored_bars(
    stored: int, held: int, is_whole: bool
) -> None:
    found = short_of_stored(answer(HALF[:held]), frozenset(HALF[:stored]))

    assert found == (
        None
        if is_whole
        else Shortfall(
            held,
            stored,
            frozenset(HALF[held:stored]),
            f"the answer holds {held} of the {stored} bars that are stored",
        )
    )


def test_other_bars_are_no_substitute_for_the_stored_ones() -> None:
    found = short_of_stored(answer(HALF[37:]), frozenset(HALF[:37]))

    assert found is not None
    assert (found.rows, found.expected) == (0, 37)


@pytest.mark.parametrize(
    ("listing", "lacking"),
    [
        (ACTIVE, HALF),
        (VANISHED, HALF),
        (delisted(date(2024, 1, 2)), HALF),
        (delisted(HALF[3]), HALF[:3]),
        (delisted(HALF[0]), ()),
        (delisted(date(2022, 1, 3)), ()),
        (None, ()),
    ],
)
def test_an_empty_answer_is_short_where_the_symbol_is_listed(
    listing: Listing | None, lacking: Sequence[date]
) -> None:
    assert missing(answer(()), history(listing)) == list(lacking)


@pytest.mark.parametrize(
    ("known", "is_whole"),
    [
        (history(bare=HALF), True),
        (history(bare=HALF[1:]), False),
        (history(first_bar=YEAR[140], bare_before=14), True),
        (history(first_bar=YEAR[126]), False),
        (history(first_bar=YEAR[130], bare_before=4), False),
        (history(first_bar=HALF[50], bare_before=50), False),
        (history(first_bar=YEAR[140], bare_before=14, bars=YEAR[140::8], bare=YEAR[126:]), False),
        (history(first_bar=YEAR[140], bare_before=15, bars=YEAR[140::8], bare=YEAR[126:]), True),
    ],
    ids=[
        *("known to hold none", "one is not known", "before the first bar"),
        *("first bar because nothing before was loaded", "too few before", "not all before"),
        *("rarely trades", "rarely trades, and enough before"),
    ],
)
def test_what_is_known_explains_an_empty_answer(known: History, is_whole: bool) -> None:
    assert (missing(answer(()), known) == []) is is_whole


@pytest.mark.parametrize(("asked", "is_whole"), [(1, True), (2, True), (3, False)])
def test_a_symbol_that_trades_every_third_day_may_lack_two_sessions(
    asked: int, is_whole: bool
) -> None:
    known = history(bars=YEAR[::3], bare=[day for n, day in enumerate(YEAR) if n % 3])
    unknown = sessions_between(date(2024, 1, 2), date(2024, 1, 31))[:asked]

    assert (missing(answer((), unknown), known) == []) is is_whole


@pytest.mark.parametrize(
    ("came", "lacking"),
    [
        (HALF, 0),
        (HALF[:114], 0),  # 12 of 126
        (HALF[:113], 13),
        (HALF[:85], 41),
        (HALF[:1], 125),
        (HALF[:100:3], 26),
        (HALF[:120:7], 0),  # it ends in a gap like its others
        ((*HALF[:50], *HALF[65:108]), 18),
        ((*HALF[:50], *HALF[68:108]), 0),  # a halt of 18 sessions in the middle
        (HALF[40:], 0),  # listed within the range
    ],
)
def test_an_answer_that_stops_is_believed_up_to_its_last_bar(
    came: Sequence[date], lacking: int
) -> None:
    given = answer(came)

    found = missing(given, history())

    assert found == list(HALF[126 - lacking :])
    if lacking:
        short = short_of_range(given, history())
        assert short is not None
        assert short.proven == [day for day in HALF if day <= came[-1]]
        assert short.text == (
            f"the bars stop on {came[-1]}, {lacking} sessions before the end of the range"
        )


@pytest.mark.parametrize(
    ("listing", "is_whole"),
    [
        (delisted(HALF[85]), True),
        (delisted(HALF[97]), True),  # halted for twelve sessions before
        (delisted(HALF[99]), False),
        (VANISHED, True),
        (None, True),
        (ACTIVE, False),
    ],
)
def test_an_answer_may_stop_where_the_listing_does(listing: Listing | None, is_whole: bool) -> None:
    assert (missing(answer(HALF[:85]), history(listing)) == []) is is_whole


def test_sessions_that_are_known_to_hold_no_bar_are_proven_after_the_last_one() -> None:
    short = short_of_range(answer(HALF[:80]), history(bare=HALF[100:]))

    assert short is not None
    assert sorted(short.missing) == list(HALF[80:100])
    assert short.proven == [*HALF[:80], *HALF[100:]]


@pytest.mark.parametrize(("came", "lacking"), [((0, 1, 2, 3), 1), ((0, 2), 2), ((0, 3), 0)])
def test_a_short_range_may_end_in_a_gap_like_its_own(came: Sequence[int], lacking: int) -> None:
    week = HALF[:5]

    assert missing(answer([week[n] for n in came], week), history()) == list(week[5 - lacking :])


def test_an_answer_without_a_usable_row_is_like_an_empty_one() -> None:
    found = short_of_range(answer((), rejected=8), history())

    assert found is not None
    assert (found.text, found.proven) == ("none of the 8 rows is usable", ())


def test_newest_sessions_alone_that_may_not_be_out_are_no_answer() -> None:
    assert not ends_early(answer((), spoken=()))


@pytest.mark.parametrize(
    ("bars", "gap"), [((), 0), ((3,), 0), ((0, 1, 2), 0), ((0, 4), 3), ((2, 4, 9), 4)]
)
def test_a_gap_lies_between_two_bars(bars: Sequence[int], gap: int) -> None:
    assert longest_gap([HALF[n] for n in bars], HALF[:20]) == gap
