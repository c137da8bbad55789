"""`data_coverage` compared with a model that keeps sets of days and knows no ranges."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import (
    T1,
    Row,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

DAYS = [date(2024, 6, 27), date(2024, 6, 28), *(date(2024, 7, day) for day in (1, 2, 3, 5, 8, 9))]
"""All sessions from a Thursday on: a weekend, a quarter's end, a holiday and another weekend."""

NAMES = ("A", "a")
OTHERS = [bar(f"S{number:02}") for number in range(30)]
"""So many that an answer without any of `NAMES` is not held for a collapsed one."""


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[tuple[Any, ...], bool]]:
    """Steps, and whether coverage is brought up to date after them.

    About three days only, so that a history comes back to what it has done before.
    """
    stage = draw(st.lists(st.sampled_from(DAYS), min_size=3, max_size=3, unique=True))
    day, some = st.sampled_from(stage), st.sets(st.sampled_from(stage))
    step = st.one_of(
        st.tuples(st.just("session"), day, st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("session"), day, st.sets(st.sampled_from(NAMES), min_size=1)),
        st.tuples(st.just("symbol"), st.sampled_from(NAMES), day, day, some),
        st.tuples(st.just("symbol"), st.sampled_from(NAMES), day, day, some),
        st.tuples(st.just("status"), day, st.just("quarantined")),
        st.tuples(st.just("status"), day, st.sampled_from(["quarantined", "loaded"])),
        st.tuples(st.just("failed"), day),
    )
    return draw(st.lists(st.tuples(step, st.integers(0, 3).map(bool)), min_size=5, max_size=9))


@dataclass
class Model:
    """What was written, by day."""

    bars: dict[tuple[str, date], str] = field(default_factory=dict[tuple[str, date], str])
    """The endpoint that each bar came by."""
    status: dict[date, str] = field(default_factory=dict[date, str])
    asked: set[tuple[str, date]] = field(default_factory=set[tuple[str, date]])

    def session(self, day: date, names: set[str]) -> None:
        self.status[day] = "loaded"
        for name in (*NAMES, "S00"):
            self._answer(name, day, "grouped", has_bar=name in names or name == "S00")

    def symbol(self, name: str, days: list[date], with_bar: set[date]) -> None:
        for day in days:
            self.asked.add((name, day))
            self._answer(name, day, "symbol", has_bar=day in with_bar)

    def _answer(self, name: str, day: date, endpoint: str, *, has_bar: bool) -> None:
        if has_bar:
            self.bars[name, day] = endpoint
        elif self.bars.get((name, day)) == endpoint:
            del self.bars[name, day]

    def coverage(self) -> dict[str, Row]:
        """By symbol: first and last day, bars, days missing between them, and all its days."""
        found: dict[str, Row] = {}
        for name in (*NAMES, "S00"):
            known = [day for day in DAYS if self._counts(name, day)]
            held = [day for day in known if (name, day) in self.bars]
            if held:
                between = [day for day in known if held[0] <= day <= held[-1]]
                found[name] = held[0], held[-1], len(held), len(between) - len(held), held
        return found

    def _counts(self, name: str, day: date) -> bool:
        return self.status.get(day) == "loaded" or (name, day) in self.asked


HELD_FOR_OTHERS_ONLY = [
    (("session", DAYS[3], {"A"}), True),
    (("status", DAYS[3], "quarantined"), True),
    (("symbol", "A", DAYS[5], DAYS[5], {DAYS[5]}), True),
]
GIVEN_AND_TAKEN = [
    (("symbol", "A", DAYS[1], DAYS[5], {DAYS[1], DAYS[3]}), True),
    (("symbol", "A", DAYS[1], DAYS[5], {DAYS[1]}), True),
]
ASKED_BESIDE = [
    (("session", DAYS[3], {"A"}), True),
    (("symbol", "A", DAYS[2], DAYS[5], {DAYS[3]}), True),
    (("status", DAYS[3], "quarantined"), True),
]
LOADED_BETWEEN = [
    (("session", DAYS[1], {"A", "a"}), True),
    (("session", DAYS[5], {"A", "a"}), True),
    (("session", DAYS[3], {"a"}), True),
]


@given(histories())
@example(HELD_FOR_OTHERS_ONLY)
@example(GIVEN_AND_TAKEN)
@example(ASKED_BESIDE)
@example(LOADED_BETWEEN)
@examples(40)
def test_coverage_is_what_the_days_say_whenever_it_is_brought_up_to_date(
    reused_database: Database, history: list[tuple[tuple[Any, ...], bool]]
):
    model = Model()

    with emptied(reused_database) as store:
        for number, (step, covered) in enumerate([*history, (("none",), True)]):
            _take(store, model, number, *step)
            if covered:
                cover(store)
                assert _covered(store) == model.coverage()


def _take(store: Connection, model: Model, number: int, step: str, *given: Any) -> None:
    at = T1 + timedelta(minutes=number)
    match step, given:
        case "session", (day, names):
            rows = [*OTHERS, *(bar(name, close=10 + number / 100) for name in names)]
            write_session(store, answered(day, *rows, at=at), None)
            model.session(day, names)
        case "symbol", (name, one, other, with_bar):
            days = [day for day in DAYS if min(one, other) <= day <= max(one, other)]
            bars = {day: bar(name, open=9 + number / 100) for day in with_bar.intersection(days)}
            write_symbol(store, answered_symbol(name, days, bars, at=at), None)
            model.symbol(name, days, with_bar)
        case "status", (day, status) if day in model.status:
            store.execute(
                "UPDATE session_loads SET status = %s, covered = false WHERE date = %s",
                (status, day),
            )
            model.status[day] = status
        case "failed", (day,):
            record_unstored(store, day, SessionStatus.FAILED, at, None)
        case _:
            pass


def _covered(store: Connection) -> dict[str, Row]:
    rows = store.execute(
        "SELECT symbol, first_date, last_date, bar_count, missing_count, loaded"
        " FROM data_coverage WHERE symbol = ANY (%s)",
        ([*NAMES, "S00"],),
    ).fetchall()
    return {symbol: (*counted, _days_of(runs)) for symbol, *counted, runs in rows}


def _days_of(runs: Any) -> list[date]:
    """The sessions inside, of runs that are as documented: unbroken, and apart from each other."""
    for run in runs:
        assert run.lower in DAYS
        assert run.upper - timedelta(days=1) in DAYS
    for before, after in pairwise(runs):
        assert DAYS.index(after.lower) > DAYS.index(before.upper - timedelta(days=1)) + 1
    return [day for day in DAYS if any(day in run for run in runs)]
