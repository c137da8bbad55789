"""A symbol's answer with less in it than is stored, or than there must be, takes nothing away."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.bars.writing import Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.fetch_errors import record_failure
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RetryableError
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.sessions import newest_closed, sessions_before, sessions_between
from universe_pipeline.loading.by_symbol import SymbolOutcome, load_symbols
from universe_pipeline.loading.load_states import plan_symbols
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine, stopped
from universe_pipeline_tests.support.session_answers import (
    answered,
    bar,
    write_session,
)

HALF = sessions_between(date(2024, 4, 1), date(2024, 9, 27))
assert len(HALF) == 126
AAPL = refused_answers.of_symbol("AAPL")
FIRST, SECOND = HALF[:63], HALF[63:]
"""Ranges that have no session in common."""


def load(
    client: PolygonClient,
    connection: Connection,
    days: Sequence[date] = HALF,
    now: Now = machine,
) -> SymbolOutcome:
    (outcome,) = load_symbols(client, connection, {"AAPL": days}, 2, now, "run")
    return outcome


def days_of(connection: Connection) -> list[date]:
    rows = connection.execute("SELECT date FROM daily_bars WHERE symbol = 'AAPL' ORDER BY date")
    return [row[0] for row in rows]


def open_errors(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT kind, symbol, date, until, retryable FROM data_fetch_errors"
        " WHERE resolved_at IS NULL ORDER BY id"
    ).fetchall()


def requests(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT loaded::text, s.fetched_at, r.fetched_at FROM symbol_loads s"
        " JOIN symbol_requests r USING (symbol, loaded) WHERE symbol = 'AAPL'"
    ).fetchall()


def list_symbol(
    connection: Connection, *, active: bool = True, delisted: date | None = None
) -> None:
    connection.execute(
        "INSERT INTO symbols (symbol, name, active, delisted_date, first_seen_at, last_seen_at)"
        " VALUES ('AAPL', 'Apple', %s, %s, now(), now())",
        (active, delisted),
    )


def next_day(connection: Connection) -> None:
    """A day goes by since all that was refused."""
    connection.execute("UPDATE refused_answers SET answered_on = answered_on - 1")


@pytest.mark.parametrize(
    ("fault", "asked", "held"),
    [
        ({"kind": "empty"}, HALF, "0 of the 126"),
        ({"kind": "cut_rows", "keep": 3}, HALF[:37], "3 of the 37"),
        ({"kind": "cut_rows", "keep": 113}, HALF, "113 of the 126"),
        ({"kind": "empty"}, HALF[:1], "0 of the 1"),
        ({"kind": "cut_rows", "keep": 4}, HALF[:5], "4 of the 5"),
    ],
    ids=["empty", "3 of 37", "under nine tenths", "one session", "4 of 5"],
)
def test_a_short_answer_replaces_nothing_and_proves_nothing(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: dict[str, Any],
    asked: Sequence[date],
    held: str,
) -> None:
    load(client, store)
    before = requests(store)
    vendor.faults.add(**fault)

    outcome = load(client, store, asked)

    assert outcome.write is None
    assert outcome.error is not None
    assert outcome.error.message == (
        f"the answer holds {held} bars that are stored. Nothing stored was changed. The same "
        "answer is believed on 3 different days, and this is day 1; "
        "`universe approve AAPL --reason TEXT` accepts it at once"
    )
    assert days_of(store) == list(HALF)
    assert requests(store) == before
    assert open_errors(store) == [("collapsed", "AAPL", asked[0], asked[-1], True)]
    assert store.execute("SELECT count(*) FROM bar_revisions").fetchone() == (0,)


def test_a_short_answer_is_stored_on_the_third_different_day(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("cut_rows", keep=100)

    for day in (1, 2):
        for _ in range(2):
            outcome = load(client, store)
            assert outcome.error is not None
            assert f"this is day {day};" in outcome.error.message
        next_day(store)
    assert len(days_of(store)) == 126
    believed = load(client, store)

    assert believed == SymbolOutcome("AAPL", Write(stored=100, revised=26))
    assert days_of(store) == list(HALF[:100])
    assert open_errors(store) == []
    assert refused_answers.open_refusals(store) == {}
    assert store.execute("SELECT count(*) FROM bar_revisions").fetchone() == (26,)


def test_an_approved_short_answer_is_stored_when_it_comes_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("empty")
    load(client, store)
    refused_answers.approve(store, AAPL, "never traded", "a test")

    outcome = load(client, store)

    assert outcome == SymbolOutcome("AAPL", Write(stored=0, revised=126))
    assert days_of(store) == []
    kept = store.execute("SELECT reason, stored_at IS NULL FROM refused_answers").fetchall()
    assert kept == [("never traded", False)]


def test_a_whole_answer_over_other_sessions_leaves_the_refusal_open(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("empty", times=1)
    load(client, store, HALF[:63])

    load(client, store, HALF[63:])
    still, open_still = list(refused_answers.open_refusals(store)), open_errors(store)
    load(client, store)

    assert still == [refused_answers.of_symbol("AAPL", HALF[0], HALF[62])]
    assert open_still == [("collapsed", "AAPL", HALF[0], HALF[62], True)]
    assert (refused_answers.open_refusals(store), open_errors(store)) == ({}, [])


def test_two_ranges_refused_on_the_same_days_are_both_believed_on_the_third(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("empty")
    for day in (1, 2):
        for asked in (FIRST, SECOND):
            outcome = load(client, store, asked)
            assert outcome.error is not None
            assert f"this is day {day};" in outcome.error.message
        next_day(store)

    second = load(client, store, SECOND)
    left, errors_left = list(refused_answers.open_refusals(store)), open_errors(store)
    first = load(client, store, FIRST)

    assert second == first == SymbolOutcome("AAPL", Write(stored=0, revised=63))
    assert left == [refused_answers.of_symbol("AAPL", FIRST[0], FIRST[-1])]
    assert errors_left == [("collapsed", "AAPL", FIRST[0], FIRST[-1], True)] * 2
    assert (refused_answers.open_refusals(store), open_errors(store)) == ({}, [])


def test_an_approval_outlives_a_refusal_over_another_range(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("empty")
    load(client, store, FIRST)
    refused_answers.approve(store, AAPL, "never traded", "a test")

    second = load(client, store, SECOND)
    first = load(client, store, FIRST)

    assert second.error is not None
    assert first == SymbolOutcome("AAPL", Write(stored=0, revised=63))
    assert days_of(store) == list(SECOND)


def test_a_refusal_over_a_part_and_one_over_the_whole_range_wait_apart(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("empty", times=2)
    load(client, store)
    load(client, store, FIRST)

    load(client, store, FIRST)

    assert list(refused_answers.open_refusals(store)) == [
        refused_answers.of_symbol("AAPL", HALF[0], HALF[-1])
    ]
    assert open_errors(store) == [("collapsed", "AAPL", HALF[0], HALF[-1], True)]


def fail(connection: Connection, first: date, until: date | None) -> None:
    error = RetryableError(FailureKind.TIMEOUT, "/v2/aggs", "too slow")
    record_failure(connection, error, Dataset.SYMBOL_BARS, symbol="AAPL", day=first, until=until)


def test_an_answer_resolves_what_failed_within_its_range_alone(
    client: PolygonClient, store: Connection
) -> None:
    for first, until in (
        (HALF[0], HALF[125]),
        (HALF[63], HALF[83]),
        (HALF[64], HALF[64]),
        (HALF[62], HALF[83]),
        (HALF[63], HALF[84]),
        (HALF[83], None),  # of an older release
        (HALF[84], None),
    ):
        fail(store, first, until)

    load(client, store, HALF[63:84])
    left = [row[2:4] for row in open_errors(store)]
    load(client, store)

    assert left == [
        (HALF[0], HALF[125]),
        (HALF[62], HALF[83]),
        (HALF[63], HALF[84]),
        (HALF[84], None),
    ]
    assert open_errors(store) == []


def test_what_failed_is_resolved_as_far_back_as_the_plan_reaches(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    fail(store, HALF[0], HALF[-1])
    vendor.faults.add("403_timeframe", session=HALF[62])

    load(client, store)

    assert days_of(store) == list(SECOND)
    assert {row[:2] for row in open_errors(store)} == {("outside_plan", None)}


def test_an_answer_with_nine_tenths_of_the_bars_is_whole(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store)
    vendor.faults.add("cut_rows", keep=114)

    assert load(client, store) == SymbolOutcome("AAPL", Write(stored=114, revised=12))


def test_grouped_bars_count_and_placeholders_do_not(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    others = [bar(f"S{number}") for number in range(9)]
    for day in HALF[:5]:
        placeholder = bar(volume=0.0, vwap=None, transactions=None)
        write_session(store, answered(day, *others, placeholder), None)
    vendor.faults.add("empty")

    placeholders = load(client, store, HALF[:5])
    write_session(store, answered(HALF[5], *others, bar()), None)
    traded = load(client, store, HALF[5:6])

    assert placeholders == SymbolOutcome("AAPL", Write(stored=0))
    assert traded.error is not None
    assert days_of(store) == list(HALF[:6])


@pytest.mark.parametrize(
    ("listing", "is_short"),
    [
        ({"active": True}, True),
        ({"active": False}, True),
        ({"active": False, "delisted": date(2024, 9, 30)}, True),
        ({"active": False, "delisted": date(2024, 4, 1)}, False),
        (None, False),
    ],
    ids=["active", "vanished", "delisted later", "delisted before", "in no list"],
)
def test_an_empty_first_answer_is_short_where_the_symbol_was_listed(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    listing: dict[str, Any] | None,
    is_short: bool,
) -> None:
    if listing is not None:
        list_symbol(store, **listing)
    vendor.faults.add("empty")

    outcome = load(client, store)

    if is_short:
        assert outcome.error is not None
        assert outcome.error.message.startswith(
            "no bar in 126 sessions, though the symbol is listed. Nothing stored was changed. "
        )
        assert plan_symbols(store, ["AAPL"], HALF).wanted == {"AAPL": list(HALF)}
    else:
        assert outcome == SymbolOutcome("AAPL", Write(stored=0))
        assert plan_symbols(store, ["AAPL"], HALF).wanted == {}


def test_an_empty_first_answer_is_believed_on_the_third_day(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    vendor.faults.add("empty")

    errors: list[object] = []
    for _ in range(3):
        errors.append(load(client, store).error)
        next_day(store)

    assert [error is None for error in errors] == [False, False, True]
    assert plan_symbols(store, ["AAPL"], HALF).wanted == {}


def test_sessions_that_are_loaded_without_a_bar_explain_an_empty_answer(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    for day in HALF[:3]:
        write_session(store, answered(day, bar("OTHER")), None)
    vendor.faults.add("empty")

    loaded, one_more = load(client, store, HALF[:3]), load(client, store, HALF[:4])

    assert loaded == SymbolOutcome("AAPL", Write(stored=0))
    assert one_more.error is not None
    assert one_more.error.message.startswith("no bar in 1 session, though")


def test_sessions_before_a_known_first_bar_may_be_empty(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    for day in HALF[60:66]:
        write_session(store, answered(day, bar("OTHER")), None)
    write_session(store, answered(HALF[66], bar("OTHER"), bar()), None)
    cover(store)
    vendor.faults.add("empty")

    assert load(client, store, HALF[:60]) == SymbolOutcome("AAPL", Write(stored=0))


def test_bars_that_stop_in_the_middle_are_stored_and_prove_nothing_after_them(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    vendor.faults.add("cut_rows", keep=85, times=3)

    first = load(client, store)
    left = plan_symbols(store, ["AAPL"], HALF).wanted
    next_day(store)
    load(client, store)
    next_day(store)
    believed = load(client, store)

    assert first.write == Write(stored=85, added=85)
    assert first.error is not None
    assert first.error.message == (
        f"the bars stop on {HALF[84]}, 41 sessions before the end of the range. What came is "
        "stored. The same answer is believed on 3 different days, and this is day 1; "
        "`universe approve AAPL --reason TEXT` accepts it at once"
    )
    assert left == {"AAPL": list(HALF[85:])}
    assert believed == SymbolOutcome("AAPL", Write(stored=85))
    assert plan_symbols(store, ["AAPL"], HALF).wanted == {}
    assert (open_errors(store), refused_answers.open_refusals(store)) == ([], {})


def test_the_rest_of_bars_that_stopped_closes_the_failure(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    vendor.faults.add("cut_rows", keep=85, times=1)
    load(client, store)

    left = plan_symbols(store, ["AAPL"], HALF).wanted["AAPL"]
    outcome = load(client, store, left)

    assert outcome == SymbolOutcome("AAPL", Write(stored=41, added=41))
    assert (open_errors(store), refused_answers.open_refusals(store)) == ([], {})
    assert days_of(store) == list(HALF)


def test_bars_may_stop_where_the_symbol_was_delisted(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store, active=False, delisted=HALF[85])
    vendor.faults.add("cut_rows", keep=85)

    assert load(client, store) == SymbolOutcome("AAPL", Write(stored=85, added=85))
    assert plan_symbols(store, ["AAPL"], HALF).wanted == {}


def test_rejected_rows_are_no_bars_and_are_kept_where_nothing_is_stored(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    vendor.faults.add("bad_rows")  # all of one day, so that none is usable

    for _ in range(2):
        outcome = load(client, store, HALF[:1])

        assert outcome.error is not None
        assert outcome.error.message.startswith("none of the 8 rows is usable. Nothing stored")
        assert store.execute("SELECT count(*) FROM rejected_bars").fetchone() == (8,)
    assert plan_symbols(store, ["AAPL"], HALF[:1]).wanted == {"AAPL": [HALF[0]]}


def test_sessions_that_a_later_request_was_stored_for_are_no_measure(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    list_symbol(store)
    later = datetime.now(UTC)
    for day in HALF[:2]:
        write_session(store, answered(day, bar("OTHER"), bar(), at=later), None)
    vendor.faults.add("empty")

    asked = load(client, store, HALF[:2], stopped(later - timedelta(hours=1)))

    assert asked == SymbolOutcome("AAPL", Write(stored=0))
    assert days_of(store) == list(HALF[:2])


def test_bars_of_the_newest_sessions_that_are_stored_are_out(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    newest = newest_closed(datetime.now(UTC) - PUBLISHED_AFTER)
    newest_three = [*sessions_before(newest, 2), newest]
    make_quarters(store, newest_three)
    load(client, store, newest_three)
    vendor.faults.add("empty")

    outcome = load(client, store, newest_three)

    assert outcome.error is not None
    assert days_of(store) == newest_three


def test_an_empty_answer_within_the_plan_is_short_as_well(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    load(client, store, HALF[63:])
    vendor.faults.add("403_timeframe", session=HALF[62])
    vendor.faults.add("empty")

    outcome = load(client, store)

    assert outcome.error is not None
    assert outcome.error.kind == "collapsed"
    assert {row[:2] for row in open_errors(store)} == {
        ("outside_plan", None),
        ("collapsed", "AAPL"),
    }
    assert days_of(store) == list(HALF[63:])
