"""Answers of one session, one after the other, compared with a model of what they must leave."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    T1,
    Row,
    answered,
    answered_symbol,
    bar,
    revisions,
    stored,
    versions,
    write_session,
    write_symbol,
)

OTHERS = [bar(f"S{number:02}") for number in range(40)]
"""So many that an answer without all of the symbols below is not held for a collapsed one."""

VALUES = ("symbol", "open", "high", "low", "close", "volume", "vwap", "transactions", "source")
TABLES = ("daily_bars", "bar_revisions", "bar_additions")

CHANGES = st.sampled_from(
    [{}, {"close": 10.6}, {"volume": 0.5}, {"vwap": None}, {"transactions": None}, {"open": 9.5}]
)
BARS = st.dictionaries(st.sampled_from(["A", "a", "BCPC", "BCpC"]), CHANGES)
"""By symbol, in what its bar differs from the usual one."""


@given(BARS, BARS)
@examples(40)
def test_an_answer_another_one_and_the_first_again(
    reused_database: Database, first: Mapping[str, Any], second: Mapping[str, Any]
):
    with emptied(reused_database) as store:
        _write(store, [first, second, first])

        assert _standing(store) == _bars(first)
        _require_history(store, _replaced_by_each([first, second, first]))


@given(st.lists(BARS, min_size=1, max_size=5))
@examples(40)
def test_the_last_of_many_answers_stands_and_every_replaced_value_is_kept_once(
    reused_database: Database, answers: list[Mapping[str, Any]]
):
    with emptied(reused_database) as store:
        _write(store, answers)

        assert _standing(store) == _bars(answers[-1])
        _require_history(store, _replaced_by_each(answers))


@given(st.lists(BARS, min_size=1, max_size=3))
@examples(25)
def test_writing_the_same_answer_again_writes_nothing(
    reused_database: Database, answers: list[Mapping[str, Any]]
):
    with emptied(reused_database) as store:
        _write(store, answers)
        before = [versions(store, table) for table in TABLES]

        again = answered(JULY_1, *_rows(answers[-1]), at=T1 + timedelta(hours=1))
        write = write_session(store, again, None)

        assert (write.revised, write.added) == (0, 0)
        assert [versions(store, table) for table in TABLES] == before


@given(st.lists(BARS, min_size=1, max_size=4), st.data())
@examples(40)
def test_late_writers_do_not_undo_what_was_asked_for_after_them(
    reused_database: Database, answers: list[Mapping[str, Any]], data: st.DataObject
):
    order = data.draw(st.permutations(range(len(answers))))

    with emptied(reused_database) as store:
        for number in order:
            at = T1 + timedelta(minutes=number)
            write_session(store, answered(JULY_1, *_rows(answers[number]), at=at), None)

        assert _standing(store) == _bars(answers[-1])
        winning = [
            number for place, number in enumerate(order) if number >= max(order[: place + 1])
        ]
        _require_history(store, _replaced_by_each([answers[number] for number in winning]))


GROUPED = st.tuples(st.just("grouped"), BARS)
BY_SYMBOL = st.tuples(st.sampled_from(["A", "a"]), CHANGES | st.none())
"""Of a symbol, its bar, or that it has none."""


@given(st.lists(GROUPED | BY_SYMBOL, min_size=1, max_size=6))
@examples(60)
def test_each_endpoint_replaces_any_bar_but_removes_only_its_own(
    reused_database: Database, steps: list[tuple[str, Any]]
):
    standing: dict[str, Row] = {}
    replaced = Counter[Row]()

    with emptied(reused_database) as store:
        for number, (who, answer) in enumerate(steps):
            at = T1 + timedelta(minutes=number)
            before = dict(standing)
            if who == "grouped":
                write_session(store, answered(JULY_1, *_rows(answer), at=at), None)
                gone = {symbol for symbol, row in before.items() if row[-1] == "grouped"}
                standing = {k: row for k, row in before.items() if k not in gone} | _bars(answer)
            else:
                row = None if answer is None else bar(who, **answer)
                bars = {} if row is None else {JULY_1: row}
                write_symbol(store, answered_symbol(who, [JULY_1], bars, at=at), None)
                if row is not None:
                    standing[who] = (*row, "symbol")
                elif before.get(who, ("grouped",))[-1] == "symbol":
                    del standing[who]
            replaced += _replaced(before, standing)

        assert _standing(store) == standing
        _require_history(store, replaced)


def _write(store: Connection, answers: Sequence[Mapping[str, Any]]) -> None:
    for number, answer in enumerate(answers):
        at = T1 + timedelta(minutes=number)
        write_session(store, answered(JULY_1, *_rows(answer), at=at), None)


def _rows(answer: Mapping[str, Any]) -> list[Row]:
    return [*OTHERS, *(bar(symbol, **changes) for symbol, changes in answer.items())]


def _bars(answer: Mapping[str, Any]) -> dict[str, Row]:
    """What must stand of an answer, by symbol."""
    return {row[0]: (*row, "grouped") for row in _rows(answer)}


def _standing(store: Connection) -> dict[str, Row]:
    return {row[0]: row for row in stored(store, JULY_1)}


def _replaced_by_each(answers: Sequence[Mapping[str, Any]]) -> Counter[Row]:
    pairs = pairwise(map(_bars, answers))
    return sum((_replaced(old, new) for old, new in pairs), Counter[Row]())


def _replaced(old: Mapping[str, Row], new: Mapping[str, Row]) -> Counter[Row]:
    """The bars of `old` that are gone, or have other values, from either endpoint."""
    return Counter(row for symbol, row in old.items() if new.get(symbol, ())[:-1] != row[:-1])


def _require_history(store: Connection, replaced: Counter[Row]) -> None:
    """Every replaced value stands there once, and the times of a symbol's follow on each other."""
    assert Counter(revisions(store, *VALUES)) == replaced
    spans: dict[str, list[Any]] = {}
    for symbol, begin, end in revisions(store, "symbol", "believed_from", "replaced_at"):
        spans.setdefault(symbol, []).extend([begin, end])
    assert all(moments == sorted(moments) for moments in spans.values())
