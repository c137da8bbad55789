"""Requests of one symbol over ranges that overlap, in any order, compared with a model by day."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger.session_states import sessions_unasked
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import (
    A_DAY,
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    JULY_9,
    T1,
    answered_symbol,
    bar,
    by_symbol,
    stored,
    write_symbol,
)

DAYS = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8, JULY_9)

SPANS = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted)
"""First and last of `DAYS`."""


@given(st.lists(SPANS, min_size=1, max_size=6), st.data())
@examples(60)
def test_each_session_belongs_to_the_newest_request_for_it(
    reused_database: Database, spans: list[list[int]], data: st.DataObject
):
    order = data.draw(st.permutations(range(len(spans))))
    asked = [DAYS[first : last + 1] for first, last in spans]
    newest = {day: number for number, days in enumerate(asked) for day in days}

    with emptied(reused_database) as store:
        for number in order:
            bars = {day: bar(volume=float(number)) for day in asked[number]}
            at = T1 + timedelta(minutes=number)
            write_symbol(store, answered_symbol("AAPL", asked[number], bars, at=at), None)

        assert _requests(store) == {
            day: T1 + timedelta(minutes=number) for day, number in newest.items()
        }
        for day, number in newest.items():
            assert stored(store, day) == [by_symbol(bar(volume=float(number)))]
        for number in range(len(spans)):
            since = T1 + timedelta(minutes=number)
            old = [day for day in DAYS if newest.get(day, -1) < number]
            assert sessions_unasked(store, "AAPL", DAYS, since) == old
        summary = "SELECT loaded, fetched_at FROM symbol_loads"
        requests = "SELECT range_agg(loaded), max(fetched_at) FROM symbol_requests"
        assert store.execute(summary).fetchall() == store.execute(requests).fetchall()


def _requests(store: Connection) -> dict[date, object]:
    """When each session was asked for; fails where a day belongs to two requests."""
    rows = store.execute("SELECT fetched_at, unnest(loaded) FROM symbol_requests").fetchall()
    days = [
        (span.lower + n * A_DAY, at)
        for at, span in rows
        for n in range((span.upper - span.lower).days)
    ]
    assert len(dict(days)) == len(days)
    return {day: at for day, at in days if day in DAYS}
