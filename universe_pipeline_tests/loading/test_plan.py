"""Plans: which sessions and symbols a load asks for, by what is known of them."""

from datetime import date

import hypothesis.strategies as st
from hypothesis import given

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading import plan
from universe_pipeline.loading.plan import SessionPlan, SessionStates, SymbolStates

JULY = sessions_between(date(2024, 7, 1), date(2024, 7, 31))
WEEK = JULY[:5]
"""1, 2, 3, 5 and 8 July 2024."""

some = st.frozensets(st.sampled_from(JULY))
states = st.builds(SessionStates, some, some, some, some)


def test_with_nothing_known_all_of_a_range_is_wanted() -> None:
    assert plan.of_range(WEEK) == SessionPlan(wanted=list(WEEK))


def test_a_session_is_in_one_group_alone() -> None:
    known = SessionStates(
        committed=frozenset({WEEK[0], WEEK[1]}),
        quarantined=frozenset({WEEK[1]}),
        given_up=frozenset({WEEK[0], WEEK[2]}),
    )

    assert plan.of_range(WEEK, known, start=WEEK[4]) == SessionPlan(
        wanted=[WEEK[4]], skipped=list(WEEK[:2]), given_up=[WEEK[2]], out_of_reach=[WEEK[3]]
    )
    assert plan.of_range(WEEK, known, start=WEEK[1], doubtful=True) == SessionPlan(
        wanted=[WEEK[1], WEEK[3], WEEK[4]], skipped=[WEEK[0]], given_up=[WEEK[2]]
    )


@given(states, st.sampled_from(JULY), st.booleans())
def test_the_groups_are_the_range(known: SessionStates, start: date, doubtful: bool) -> None:
    planned = plan.of_range(JULY, known, start=start, doubtful=doubtful)

    groups = [planned.wanted, planned.skipped, planned.given_up, planned.out_of_reach]
    assert sorted(day for group in groups for day in group) == list(JULY)
    assert all(list(group) == sorted(group) for group in groups)


def test_chosen_sessions_are_fetched_loaded_or_not_and_no_other() -> None:
    known = SessionStates(committed=frozenset(WEEK[:3]), given_up=frozenset(WEEK[3:]))

    assert plan.of_chosen(WEEK, [WEEK[1], WEEK[4]], known) == SessionPlan(
        wanted=[WEEK[1], WEEK[4]], skipped=[WEEK[0], WEEK[2]]
    )


def test_an_update_loads_what_is_missing_and_revisits_what_is_not_final() -> None:
    looked_at = plan.sessions_of_update(WEEK[4], start=WEEK[0])
    known = SessionStates(
        committed=frozenset(WEEK[:3]),
        given_up=frozenset({WEEK[3]}),
        revisitable=frozenset({WEEK[0], WEEK[2]}),
    )

    planned = plan.of_update(looked_at, known, start=WEEK[0], revisit=3)
    assert looked_at == list(WEEK)
    assert planned == SessionPlan(
        wanted=[WEEK[4]], revisit=[WEEK[0], WEEK[2]], skipped=[WEEK[1]], given_up=[WEEK[3]]
    )
    assert planned.fetch == [WEEK[0], WEEK[2], WEEK[4]]


def test_an_update_revisits_nothing_where_no_session_is_to_be_fetched_again() -> None:
    looked_at = plan.sessions_of_update(WEEK[4], start=WEEK[0])
    known = SessionStates(committed=frozenset(WEEK[:4]), revisitable=frozenset(WEEK[:4]))

    assert plan.of_update(looked_at, known, start=WEEK[0], revisit=0).revisit == []


@given(states, st.integers(0, 5), st.integers(1, 10))
def test_no_session_of_an_update_is_in_two_groups(
    known: SessionStates, revisit: int, look_back: int
) -> None:
    looked_at = plan.sessions_of_update(JULY[15], JULY[3], look_back)

    planned = plan.of_update(looked_at, known, start=JULY[3], revisit=revisit)
    groups = [planned.wanted, planned.revisit, planned.skipped, planned.given_up]
    all_of_them = [day for group in groups for day in group]
    assert len(all_of_them) == len(set(all_of_them))
    assert {*looked_at} <= {*all_of_them}
    assert all(day >= JULY[3] for day in all_of_them)


def test_symbols_are_asked_for_what_neither_endpoint_was_asked_for() -> None:
    known = SymbolStates(
        unasked={"AAPL": WEEK, "MSFT": [WEEK[0]], "SPY": [], "Z": [WEEK[4]], "A": [WEEK[4]]},
        given_up=frozenset({"Z", "A", "MSFT"}),
        outside_plan_until=WEEK[1],
    )

    planned = plan.of_symbols(known)
    assert planned.wanted == {"AAPL": list(WEEK[2:])}
    assert planned.given_up == ["A", "Z"]  # nothing of MSFT is within reach
    assert planned.out_of_reach == {WEEK[0], WEEK[1]}
