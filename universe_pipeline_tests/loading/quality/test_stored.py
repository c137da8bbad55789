"""The rules over what is stored: broken states are made by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import sessions_before, sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.quality.stored import (
    judge_bars,
    judge_coverage,
    judge_loads,
    judge_universe,
)
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    T1,
    T2,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

DAYS = (JULY_1, JULY_2, JULY_3, JULY_5)
NOW = datetime(2024, 7, 8, 16, tzinfo=UTC)
"""A Monday noon."""


def found(
    connection: Connection, days: Sequence[date] = DAYS, *, fingerprints: bool = True
) -> dict[str, list[str]]:
    """What the rules found, without what bars of unknown symbols always are."""
    findings = judge_bars(connection, days, Thresholds(), fingerprints=fingerprints)
    return {
        each.rule.name: [str(one) for one in each.worst]
        for each in findings
        if each.count and each.rule.name != "traded_symbols_are_listed"
    }


def load(connection: Connection, days: Sequence[date] = DAYS, *symbols: str) -> None:
    for n, day in enumerate(days):
        close = 10.0 + n % 2 / 10
        rows = [bar(symbol, close=close) for symbol in symbols or ("A", "B")]
        write_session(connection, answered(day, *rows), None)


def test_a_good_load_breaks_no_rule(store: Connection):
    load(store)

    assert found(store) == {}


def test_few_sessions_are_read_at_once_also_where_scattered_ones_are_judged(
    store: Connection, monkeypatch: pytest.MonkeyPatch
):
    days = sessions_between(date(2024, 5, 1), date(2024, 6, 28))[:37]
    load(store, days)
    receive, spans = packed.receive, list[tuple[date, date]]()

    def noted(connection: Connection, start: date, end: date) -> packed.Received:
        spans.append((start, end))
        return receive(connection, start, end)

    monkeypatch.setattr(packed, "receive", noted)

    judge_bars(store, [days[0], days[18], days[36]], Thresholds(), fingerprints=False)

    assert [day for span in spans for day in sessions_between(*span)] == list(days)
    assert max(len(sessions_between(*span)) for span in spans) == 6


def test_where_nothing_is_asked_nothing_is_judged(store: Connection):
    assert judge_bars(store, [], Thresholds(), fingerprints=True) == []


def test_bars_are_held_against_the_answer_that_they_came_in(store: Connection):
    load(store)
    store.execute("UPDATE daily_bars SET volume = 7 WHERE symbol = 'A' AND date = %s", (JULY_2,))
    text = "bars differ from the answer's, without a revision"

    assert found(store) == {"contents_are_as_they_were_loaded": [f"2024-07-02: {text}"]}
    assert found(store, fingerprints=False) == {}


def test_what_a_repair_changed_is_no_other_content(store: Connection):
    load(store)
    repaired = {JULY_2: bar("A", close=10.4), JULY_3: bar("C")}
    write_symbol(store, answered_symbol("A", [JULY_2], {JULY_2: repaired[JULY_2]}, at=T2), None)
    write_symbol(store, answered_symbol("C", [JULY_3], {JULY_3: repaired[JULY_3]}, at=T2), None)

    assert found(store) == {
        "revisions_change_prices_little": ["2024-07-02 A: close 10.4, 10.1 before"]
    }


def test_a_session_that_is_written_during_a_verification_is_not_held_against_its_old_load(
    store: Connection, store_database: Database, monkeypatch: pytest.MonkeyPatch
):
    load(store)
    store.execute("DELETE FROM daily_bars WHERE symbol = 'A' AND date = %s", (JULY_5,))
    repair = answered_symbol("A", [JULY_2], {JULY_2: bar("A", close=10.1)}, at=T2)
    refetch = answered(JULY_3, bar("A"), bar("B"), bar("C"), at=T2)
    receive = packed.receive

    def meanwhile(
        connection: Connection, start: date, end: date, source: str | None = None
    ) -> packed.Received:
        with store_database.connect() as other:
            write_symbol(other, repair, None)
            write_session(other, refetch, None)
        return receive(connection, start, end, source)

    monkeypatch.setattr(packed, "receive", meanwhile)

    reported = found(store)

    assert reported["sessions_hold_what_they_stored"] == ["2024-07-05: 1 bars, 2 stored"]
    assert [one[:10] for one in reported["contents_are_as_they_were_loaded"]] == ["2024-07-05"]


def test_a_revised_bar_without_a_price_is_reported(store: Connection):
    load(store)
    write_session(store, answered(JULY_2, bar("A", close=10.4), bar("B"), at=T2), None)
    store.execute("UPDATE daily_bars SET close = 0 WHERE symbol = 'A' AND date = %s", (JULY_2,))

    reported = found(store)

    assert [one[:12] for one in reported["price_positive"]] == ["2024-07-02 A"]


def test_a_small_revision_is_not_reported(store: Connection):
    load(store)
    write_session(
        store, answered(JULY_1, bar("A", close=10.04), bar("B", close=10.06), at=T2), None
    )

    assert found(store) == {
        "revisions_change_prices_little": ["2024-07-01 B: close 10.06, 10.0 before"]
    }


def test_sessions_with_more_or_fewer_bars_than_recorded_are_found(store: Connection):
    load(store)
    write_symbol(store, answered_symbol("C", [JULY_1], {JULY_1: bar("C")}), None)
    store.execute("DELETE FROM daily_bars WHERE date = %s", (JULY_2,))
    store.execute("UPDATE session_loads SET stored = 1, received = 1 WHERE date = %s", (JULY_3,))

    reported = found(store, fingerprints=False)

    assert reported["sessions_hold_what_they_stored"] == [
        "2024-07-02: 0 bars, 2 stored",
        "2024-07-03: 2 bars, 1 stored",
    ]


def test_bars_on_closed_days_are_found_after_the_last_session_too(store: Connection):
    load(store)
    for day in (date(2024, 7, 4), date(2024, 7, 6)):
        store.execute(
            "INSERT INTO daily_bars SELECT %s, symbol, open, high, low, close, volume,"
            " vwap, transactions, source FROM daily_bars WHERE date = %s",
            (day, JULY_5),
        )

    assert found(store) == {"bars_fall_on_sessions": ["2024-07-04: 2 bars", "2024-07-06: 2 bars"]}


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"high": 9.9}, "ohlc_order"),
        ({"low": -1.0}, "price_positive"),
        ({"high": float("nan"), "low": float("nan")}, "price_positive"),
    ],
)
def test_bars_that_contradict_themselves_are_found(
    store: Connection, broken: dict[str, Any], rule: str
):
    load(store)
    for column, value in broken.items():
        query = sql.SQL("UPDATE daily_bars SET {} = %s WHERE symbol = 'B' AND date = %s")
        store.execute(query.format(sql.Identifier(column)), (value, JULY_3))

    assert [text[:12] for text in found(store, fingerprints=False)[rule]] == ["2024-07-03 B"]


def test_what_lies_before_is_compared_with_and_not_judged(store: Connection):
    stands = sessions_between(date(2024, 4, 1), date(2024, 4, 12))
    for day in stands:
        write_session(store, answered(day, bar("A")), None)

    whole, end, after = (found(store, days) for days in (stands, stands[3:], stands[5:]))

    reported = {"closes_do_not_stand_still": ["2024-04-05 A: close 10.5 for 5 bars, volume 1000.0"]}
    assert (whole, end, after) == (reported, reported, {})


def test_between_sessions_that_lie_far_apart_nothing_is_judged(store: Connection):
    april, may, july = date(2024, 4, 2), date(2024, 5, 20), JULY_8
    for day in (april, may, july):
        write_session(store, answered(day, bar("A", volume=0.0)), None)

    reported = found(store, [april, july])["transactions_agree_with_volume"]

    assert [text[:10] for text in reported] == ["2024-04-02", "2024-07-08"]


APPROVE = """
    INSERT INTO session_approvals
    SELECT date, coalesce(%(content)s, content_hash), 'a test', '{}', 'me', now() FROM session_loads
    """


def test_a_session_that_a_person_approved_breaks_no_rule_that_quarantines(store: Connection):
    before = sessions_before(JULY_1, 20)
    load(store, before, *"ABCDEFGHIJ")
    load(store, [JULY_1], *"ABCDEFGH")
    doubted = found(store, [JULY_1])
    store.execute(APPROVE, {"content": "other content"})
    still = found(store, [JULY_1])
    store.execute(APPROVE, {"content": None})

    assert doubted == still
    assert doubted["session_has_a_plausible_row_count"] == ["2024-07-01: 8 bars, usually 10"]
    assert "session_has_a_plausible_row_count" not in found(store, [JULY_1])


def test_a_load_is_usable_loaded_and_covered(store: Connection):
    load(store, [JULY_1])
    cover(store)
    load(store, [JULY_2])
    record_unstored(store, JULY_3, SessionStatus.FAILED, T1, None)
    record_unstored(store, JULY_5, SessionStatus.PENDING, T1, None)

    findings = judge_loads(store, (*DAYS, JULY_8, date(2024, 7, 9)), NOW)
    uncovered = judge_coverage(store, DAYS)

    assert {each.rule.name: [str(one) for one in each.worst] for each in findings} == {
        "sessions_are_usable": ["2024-07-03: failed"],
        "sessions_are_loaded": [
            "2024-07-05: pending",
            "2024-07-08: not closed",
            "2024-07-09: not closed",
        ],
    }
    assert [str(one) for one in uncovered.worst] == ["2024-07-02"]


def test_the_universe_is_compared_with_the_discovery_before(store: Connection):
    assert [each.count for each in judge_universe(store)] == [0, 0]
    store.execute(
        "INSERT INTO universe_snapshots VALUES"
        " ('2024-07-01', 1000, 900, '{\"CS\": 1000}', '{\"XNYS\": 1000}', 'x', NULL, 100, 200),"
        " ('2024-07-02', 1100, 900, '{\"CS\": 1100}', '{\"XNYS\": 1000}', 'y', NULL, 180, 220)"
    )

    reported = {each.rule.name: [str(one) for one in each.worst] for each in judge_universe(store)}

    assert reported["universe_resembles_the_one_before"] == [
        "symbols: 1,100 after 1,000",
        "CS: 1,100 after 1,000",
    ]
    assert reported["identifiers_are_as_common_as_before"] == [
        "16.4% have no composite FIGI, 10.0% before"
    ]
