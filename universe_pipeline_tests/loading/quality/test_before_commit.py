"""What speaks against an answer before it is stored."""

from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.trailing import trailing_median
from universe_pipeline.domain.bars import BAR_SCHEMA
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.quality.before_commit import (
    AnswerFeatures,
    QuarantineReason,
    features,
    quarantine_reasons,
)
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    Row,
    answered,
    bar,
    write_session,
)

MANY = 1_000
BEFORE = sessions_before(JULY_2, 20)


def many(changed: int = 0, **changes: float) -> list[Row]:
    """A thousand bars, of which the first `changed` differ from those without any changed."""
    return [bar(f"S{n:04}", **(changes if n < changed else {})) for n in range(MANY)]


def look_at(session: date, rows: Sequence[Row], benchmarks: tuple[str, ...] = ()) -> AnswerFeatures:
    frame = pl.DataFrame(list(rows), schema=BAR_SCHEMA, orient="row")
    return features(frame, session, Thresholds(benchmarks=benchmarks))


def doubted(
    connection: Connection, given: AnswerFeatures, before: AnswerFeatures | None = None
) -> list[QuarantineReason]:
    return quarantine_reasons(
        connection, given, before, trailing_median(connection, given.session)()
    )


def details(found: Sequence[QuarantineReason]) -> list[tuple[str, str]]:
    return [(doubt.rule.name, doubt.offender.detail) for doubt in found]


def load(connection: Connection, days: Sequence[date], *symbols: str, volume: float = 9.0) -> None:
    for day in days:
        rows = [bar(symbol, volume=volume) for symbol in symbols]
        write_session(connection, answered(day, *rows), None)


@pytest.mark.parametrize(
    ("changed", "changes", "repeated"),
    [
        (0, {}, 1_000),
        (989, {"close": 10.6}, 11),
        (990, {"close": 10.6}, None),  # 1 % are the same
        (1_000, {"volume": 0.0}, None),  # nothing but carried prices
        (500, {"volume": 0.0}, None),  # under a thousand rows with trades
    ],
)
def test_a_repeat_is_known_by_its_bars_with_trades(
    store: Connection, changed: int, changes: dict[str, float], repeated: int | None
):
    before = look_at(JULY_1, many())

    found = doubted(store, look_at(JULY_2, many(changed, **changes)), before)

    assert details(found) == (
        [
            (
                "session_differs_from_the_one_before",
                f"{repeated:,} of 1,000 bars are those of the session before",
            )
        ]
        if repeated
        else []
    )


def test_the_session_before_is_read_where_it_is_not_at_hand(store: Connection):
    write_session(store, answered(JULY_1, *many()), None)
    further = look_at(JULY_3, many(MANY, close=10.7))

    alone = doubted(store, look_at(JULY_2, many()))
    after_another = doubted(store, look_at(JULY_2, many()), further)
    other = doubted(store, look_at(JULY_2, many(MANY, close=10.7)))

    assert [len(each) for each in (alone, after_another, other)] == [1, 1, 0]


def test_no_session_repeats_one_across_a_hole(store: Connection):
    """Of July 1 there are no bars: those of June 28 are not the session before July 2."""
    june_28 = look_at(BEFORE[-2], many())
    write_session(store, answered(june_28.session, *many()), None)

    assert doubted(store, look_at(JULY_2, many()), june_28) == []


@pytest.mark.parametrize(("days_off", "expected"), [(0, 1), (60, 0)])
def test_what_lies_sixty_days_back_says_nothing_of_row_counts_and_benchmarks(
    store: Connection, days_off: int, expected: int
):
    june = BEFORE[:20]
    earlier = sessions_before(june[0], 60)[:20] if days_off else june
    make_quarters(store, earlier)
    load(store, earlier, "SPY", *"ABCDEFGHI")
    few = look_at(JULY_2, [bar("A")], ("SPY",))

    found = [rule for rule, _ in details(doubted(store, few))]

    assert len(found) == 2 * expected


def test_the_first_session_of_all_repeats_none(store: Connection):
    first = date(2003, 9, 10)

    assert doubted(store, look_at(first, many())) == []


def test_a_benchmark_symbol_that_was_always_there_must_be_there(store: Connection):
    load(store, BEFORE, "SPY", "AAPL", "OLD")
    store.execute("DELETE FROM daily_bars WHERE symbol = 'OLD' AND date = %s", (BEFORE[3],))
    rows = [bar("AAPL"), bar("ABC"), bar("SPY", volume=0.0)]

    found = doubted(store, look_at(JULY_2, rows, ("SPY", "AAPL", "OLD")))

    assert details(found) == [("session_has_the_benchmark_symbols", "no bar with trades of SPY")]


def test_with_nineteen_sessions_before_no_benchmark_must_be_there(store: Connection):
    load(store, BEFORE[1:], "SPY")

    assert doubted(store, look_at(JULY_2, [bar("ABC")], ("SPY",))) == []


@pytest.mark.parametrize(("rows", "collapsed"), [(8, True), (9, None), (11, None), (12, False)])
def test_a_row_count_may_be_far_off_both_ways_and_only_too_few_may_come_again(
    store: Connection, rows: int, collapsed: bool | None
):
    load(store, BEFORE, *"ABCDEFGHIJ")

    found = doubted(store, look_at(JULY_2, [bar(f"S{n}") for n in range(rows)]))

    assert [doubt.collapsed for doubt in found] == ([] if collapsed is None else [collapsed])
    assert details(found) == (
        []
        if collapsed is None
        else [("session_has_a_plausible_row_count", f"{rows} bars, usually 10")]
    )
