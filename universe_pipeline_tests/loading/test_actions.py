"""Corporate actions, judged again where something about them changed; on bars made by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest

from universe_pipeline.adapters.postgres.actions.overrides import Override, override
from universe_pipeline.adapters.postgres.actions.pending import stage
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_dividends,
    list_security,
    list_split,
    write_bars,
)

SPLIT_DAY = DAYS[60]
CUT = DAYS[80]
"""The day of a rename."""


def verdicts(store: Connection) -> list[tuple[str, str, date, int | None, str, date | None]]:
    rows = store.execute(
        "SELECT kind, symbol, action_date, security_id, verdict, applied_on FROM action_verdicts"
        " ORDER BY kind, symbol, action_date"
    )
    return [tuple(row) for row in rows]  # pyright: ignore[reportReturnType]  # as selected


def steps(store: Connection) -> list[tuple[int, date, date | None, float]]:
    rows = store.execute(
        "SELECT security_id, since, until, split FROM adjustment_steps ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]  # pyright: ignore[reportReturnType]  # as selected


def revised(store: Connection) -> list[tuple[str, str]]:
    rows = store.execute(
        "SELECT symbol, verdict FROM action_verdict_revisions ORDER BY replaced_at, symbol"
    )
    return [tuple(row) for row in rows]  # pyright: ignore[reportReturnType]  # as selected


@pytest.fixture
def split_security(store: Connection) -> Connection:
    """A security whose prices and list show one split of 4 for 1."""
    write_bars(store, "AAA", DAYS, {SPLIT_DAY: 0.25})
    list_security(store, 1, ("AAA", DAYS[0], None))
    list_split(store, "AAA", SPLIT_DAY, 4)
    return store


def test_a_verified_split_becomes_a_step_of_its_security(split_security: Connection):
    assert refresh_actions(split_security, NOW, "run-1") == 1

    assert verdicts(split_security) == [("split", "AAA", SPLIT_DAY, 1, "verified", SPLIT_DAY)]
    assert steps(split_security) == [(1, SPLIT_DAY, None, 4.0)]
    assert revised(split_security) == []


def test_what_has_not_changed_is_not_judged_again(split_security: Connection):
    refresh_actions(split_security, NOW)

    assert refresh_actions(split_security, NOW) == 0
    with split_security.transaction():
        assert not stage(split_security, NOW.date())
        list_split(split_security, "AAA", DAYS[90], 3)
        assert stage(split_security, NOW.date())


def test_a_dividend_of_two_rows_is_one_action_and_its_sum_counts(split_security: Connection):
    list_dividends(split_security, "AAA", DAYS[10], 0.25, 0.5)
    list_dividends(split_security, "AAA", DAYS[20], 0.25, currency="EUR")
    list_dividends(split_security, "AAA", DAYS[30], 0.25, currency=None)
    close: float = split_security.execute(
        "SELECT close FROM daily_bars WHERE date = %s", (DAYS[9],)
    ).fetchall()[0][0]

    refresh_actions(split_security, NOW)

    found = split_security.execute(
        "SELECT verdict, multiplier FROM action_verdicts WHERE kind = 'dividend'"
        " ORDER BY action_date"
    ).fetchall()
    assert [row[0] for row in found] == ["usable", "foreign_currency", "usable"]
    assert found[0][1] == pytest.approx(close / (close - 0.75), rel=1e-15)
    last = split_security.execute("SELECT dividend FROM adjustment_steps WHERE until IS NULL")
    assert last.fetchall()[0][0] == pytest.approx(found[0][1] * found[2][1], rel=1e-15)


def test_a_bar_without_trades_is_no_price_after_a_dividend(store: Connection):
    write_bars(store, "AAA", DAYS, {DAYS[41]: 0.9})
    list_security(store, 1, ("AAA", DAYS[0], None))
    list_dividends(store, "AAA", DAYS[40], 10.0)
    store.execute(
        "UPDATE daily_bars b SET volume = 0, vwap = NULL, open = old.close, high = old.close,"
        " low = old.close, close = old.close FROM daily_bars old"
        " WHERE (b.symbol, b.date, old.symbol, old.date) = ('AAA', %s, 'AAA', %s)",
        (DAYS[40], DAYS[39]),
    )

    refresh_actions(store, NOW)

    assert verdicts(store) == [("dividend", "AAA", DAYS[40], 1, "usable", DAYS[40])]


def test_actions_go_to_the_security_that_bore_the_symbol_on_the_day(store: Connection):
    write_bars(store, "FB", DAYS[:80], {SPLIT_DAY: 0.25})
    write_bars(store, "META", DAYS[80:], {DAYS[100]: 0.5}, level=25)
    write_bars(store, "META", DAYS[:50])
    list_security(store, 1, ("FB", DAYS[0], CUT), ("META", CUT, None))
    list_security(store, 2, ("META", DAYS[0], DAYS[50]))
    list_split(store, "META", SPLIT_DAY, 4)
    list_split(store, "META", DAYS[30], 3)
    list_split(store, "META", DAYS[100], 2)
    list_split(store, "FB", CUT, 5)
    list_split(store, "GONE", DAYS[30], 4)

    refresh_actions(store, NOW)

    assert verdicts(store) == [
        ("split", "FB", CUT, 1, "doubtful", None),
        ("split", "GONE", DAYS[30], None, "unassigned", None),
        ("split", "META", DAYS[30], 2, "doubtful", None),
        ("split", "META", SPLIT_DAY, 1, "verified", SPLIT_DAY),
        ("split", "META", DAYS[100], 1, "verified", DAYS[100]),
    ]
    assert steps(store) == [(1, SPLIT_DAY, DAYS[100], 4.0), (1, DAYS[100], None, 8.0)]


def test_the_price_before_an_action_may_stand_under_the_earlier_symbol(store: Connection):
    write_bars(store, "FB", DAYS[:80])
    write_bars(store, "META", DAYS[80:], level=25)
    list_security(store, 1, ("FB", DAYS[0], CUT), ("META", CUT, None))
    list_split(store, "META", CUT, 4)

    refresh_actions(store, NOW)

    assert verdicts(store) == [("split", "META", CUT, 1, "verified", CUT)]


def test_a_later_list_changes_verdict_and_steps_and_the_earlier_verdict_is_kept(
    split_security: Connection,
):
    refresh_actions(split_security, NOW)
    list_split(split_security, "AAA", SPLIT_DAY, 5, at=datetime.now(UTC))

    refresh_actions(split_security, NOW, "run-2")

    assert steps(split_security) == []
    assert [row[4] for row in verdicts(split_security)] == ["doubtful"]
    assert revised(split_security) == [("AAA", "verified")]


def test_a_split_that_is_no_longer_listed_leaves_no_trace_but_its_revision(
    split_security: Connection,
):
    refresh_actions(split_security, NOW)
    split_security.execute("DELETE FROM splits")

    refresh_actions(split_security, NOW, "run-2")

    assert (verdicts(split_security), steps(split_security)) == ([], [])
    assert revised(split_security) == [("AAA", "verified")]


def test_an_announced_and_cancelled_dividend_leaves_no_trace_but_its_revision(
    split_security: Connection,
):
    list_dividends(split_security, "AAA", date(2024, 12, 2), 0.5)
    refresh_actions(split_security, NOW)
    before = verdicts(split_security)
    split_security.execute("DELETE FROM dividends")

    refresh_actions(split_security, NOW)

    assert before[0] == ("dividend", "AAA", date(2024, 12, 2), 1, "announced", None)
    assert [row[0] for row in verdicts(split_security)] == ["split"]
    assert revised(split_security) == [("AAA", "announced")]


def test_an_announced_split_is_judged_when_its_day_comes(split_security: Connection):
    before = datetime.combine(SPLIT_DAY - timedelta(days=3), NOW.time(), UTC)

    refresh_actions(split_security, before)
    announced = verdicts(split_security)
    refresh_actions(split_security, NOW)

    assert [row[4] for row in announced] == ["announced"]
    assert [row[4] for row in verdicts(split_security)] == ["verified"]


def test_bars_that_come_later_change_a_verdict(split_security: Connection):
    split_security.execute("DELETE FROM daily_bars WHERE date > %s", (SPLIT_DAY - timedelta(30),))
    refresh_actions(split_security, NOW)
    before = verdicts(split_security)
    write_bars(split_security, "AAA", DAYS[60:], level=25)
    write_bars(split_security, "AAA", DAYS[40:60])
    split_security.execute(
        "UPDATE session_loads SET fetched_at = now() WHERE date = %s", (SPLIT_DAY,)
    )

    assert refresh_actions(split_security, NOW) == 1

    assert [row[4] for row in before] == ["no_price"]
    assert [row[4] for row in verdicts(split_security)] == ["verified"]


def test_a_listing_that_comes_later_assigns_what_its_symbol_lists(store: Connection):
    write_bars(store, "AAA", DAYS, {SPLIT_DAY: 0.25})
    write_bars(store, "BBB", DAYS)
    list_split(store, "AAA", SPLIT_DAY, 4)
    refresh_actions(store, NOW)
    by_symbol = verdicts(store)
    list_security(store, 2, ("BBB", DAYS[0], None))
    store.execute("UPDATE listings SET believed_from = now()")
    store.execute("UPDATE splits SET believed_from = now()")
    refresh_actions(store, NOW)
    unassigned = verdicts(store)
    list_security(store, 1, ("AAA", DAYS[0], None))
    store.execute("UPDATE listings SET believed_from = now() WHERE symbol = 'AAA'")

    refresh_actions(store, NOW)

    assert by_symbol == [("split", "AAA", SPLIT_DAY, None, "verified", SPLIT_DAY)]
    assert unassigned == [("split", "AAA", SPLIT_DAY, None, "unassigned", None)]
    assert verdicts(store) == [("split", "AAA", SPLIT_DAY, 1, "verified", SPLIT_DAY)]
    assert steps(store) == [(1, SPLIT_DAY, None, 4.0)]


def test_the_owner_adds_removes_and_adds_again_and_every_word_is_kept(split_security: Connection):
    refresh_actions(split_security, NOW)
    removal = Override("split", "AAA", SPLIT_DAY, "never happened", "me")
    added = Override("split", "AAA", DAYS[90], "of a filing", "me", 1.0, 2.0)

    for word in (removal, added):
        override(split_security, word)
    refresh_actions(split_security, NOW)

    assert [row[2:] for row in verdicts(split_security)] == [
        (SPLIT_DAY, 1, "removed", None),
        (DAYS[90], 1, "doubtful", DAYS[90]),
    ]
    assert steps(split_security) == [(1, DAYS[90], None, 2.0)]
    override(split_security, Override("split", "AAA", SPLIT_DAY, "it did", "me", 1.0, 4.0))
    refresh_actions(split_security, NOW)
    assert steps(split_security) == [(1, SPLIT_DAY, DAYS[90], 4.0), (1, DAYS[90], None, 8.0)]
    kept = split_security.execute("SELECT reason, removed FROM action_override_revisions")
    assert kept.fetchall() == [("never happened", True)]


def test_a_split_that_stands_twice_is_one_step(split_security: Connection):
    list_split(split_security, "AAA", DAYS[65], 4)

    refresh_actions(split_security, NOW)

    assert [row[4] for row in verdicts(split_security)] == ["verified", "twin"]
    assert steps(split_security) == [(1, SPLIT_DAY, None, 4.0)]


def test_the_twin_of_a_split_that_is_no_longer_listed_is_judged_again(split_security: Connection):
    list_split(split_security, "AAA", DAYS[65], 4)
    refresh_actions(split_security, NOW)
    split_security.execute("DELETE FROM splits WHERE execution_date = %s", (SPLIT_DAY,))

    refresh_actions(split_security, NOW)

    assert verdicts(split_security) == [
        ("split", "AAA", DAYS[65], 1, "contradicted", SPLIT_DAY),
    ]
    assert steps(split_security) == [(1, SPLIT_DAY, None, 4.0)]
