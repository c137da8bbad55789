"""An answer with far other row counts than the sessions before is kept from readers.

Too few are asked for once more first.
"""

from dataclasses import replace
from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.loading.quality.approvals import approve
from universe_pipeline.loading.sessions import Encoding, Outcome, fetch_sessions
from universe_pipeline.loading.sessions import store as keep
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import JULY_2, JULY_3
from universe_pipeline_tests.support.simulated_answers import grouped

BEFORE = sessions_before(JULY_2, 20)


def load(client: PolygonClient, connection: Connection, day: date = JULY_2) -> Outcome:
    (outcome,) = (
        keep(connection, each, "run") for each in fetch_sessions(client, [day], Encoding(), machine)
    )
    return outcome


def pretend(connection: Connection, rows: int, sessions: int = 20) -> None:
    """Let the sessions before be loaded with so many rows each."""
    connection.execute(
        "INSERT INTO session_loads (date, status, received, stored, fetched_at)"
        " SELECT unnest(%s::date[]), 'loaded', %s, %s, now()",
        (list(BEFORE[-sessions:]), rows, rows),
    )


def open_kinds(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT kind FROM data_fetch_errors WHERE resolved_at IS NULL")
    return [row[0] for row in rows]


@pytest.fixture
def rows(vendor: SimulatedVendor) -> int:
    """How many rows the vendor has for the session."""
    return len(grouped(vendor, JULY_2.isoformat()))


def test_far_fewer_rows_than_usual_are_not_believed_the_first_time(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, rows)
    vendor.faults.add("collapsed")

    outcome = load(client, store)

    assert outcome.state == "failed"
    assert open_kinds(store) == ["collapsed"]
    assert store.execute("SELECT count(*) FROM daily_bars").fetchone() == (0,)


def test_when_they_stay_few_they_are_stored_and_kept_from_readers(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, rows)
    vendor.faults.add("collapsed")
    load(client, store)

    again, once_more = load(client, store), load(client, store)

    assert (again.state, once_more.state) == ("quarantined", "quarantined")
    assert open_kinds(store) == []
    assert store.execute("SELECT count(*) FROM daily_bars").fetchone() == (rows // 2,)
    assert store.execute("SELECT count(*) FROM universe_bars").fetchone() == (0,)


def test_a_whole_answer_ends_the_quarantine(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, rows)
    vendor.faults.add("collapsed", times=2)
    load(client, store)
    load(client, store)

    outcome = load(client, store)

    assert outcome.state == "loaded"
    assert store.execute("SELECT count(*) FROM daily_bars").fetchone() == (rows,)


@pytest.mark.parametrize(
    ("usual", "state"),
    [(1.0, "loaded"), (1.1, "loaded"), (1.12, "failed"), (0.92, "loaded"), (0.9, "quarantined")],
)
def test_more_than_10_percent_off_the_median_is_far_off(
    client: PolygonClient, store: Connection, rows: int, usual: float, state: str
) -> None:
    pretend(store, round(usual * rows))

    assert load(client, store).state == state


def test_what_a_person_approved_is_given_to_readers_until_it_is_another(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, 2 * rows)
    load(client, store)
    load(client, store)

    rules = approve(store, JULY_2, "the list was halved", "a test")
    same = load(client, store)
    vendor.faults.add("missing", tickers=["AAPL"])
    other = load(client, store)

    assert rules == ["session_has_a_plausible_row_count"]
    assert (same.state, other.state) == ("loaded", "quarantined")
    assert store.execute(
        "SELECT date, reason, rules, approved_by FROM session_approvals"
    ).fetchall() == [(JULY_2, "the list was halved", rules, "a test")]
    assert store.execute("SELECT date, rule, detail FROM broken_rules").fetchall() == [
        (JULY_2, rules[0], f"{rows - 1} bars, usually {2 * rows}")
    ]


def test_what_is_not_quarantined_cannot_be_approved(
    client: PolygonClient, store: Connection
) -> None:
    load(client, store)

    with pytest.raises(UsageError, match="it is loaded, and given to readers"):
        approve(store, JULY_2, "why not", "a test")
    with pytest.raises(UsageError, match="it is not stored"):
        approve(store, JULY_3, "why not", "a test")


def test_what_a_repair_changed_can_be_approved(
    client: PolygonClient, store: Connection, rows: int
) -> None:
    pretend(store, 2 * rows)
    load(client, store)
    load(client, store)
    store.execute("UPDATE session_loads SET content_hash = NULL WHERE date = %s", (JULY_2,))

    approve(store, JULY_2, "the list was halved", "a test")

    assert load(client, store).state == "loaded"


JUNK = tuple(f"ZZ{number:02}" for number in range(60))
"""So many tickers too much, a good half of what is right."""


def with_junk(vendor: SimulatedVendor, times: int | None = None) -> None:
    """Let answers hold the junk, too."""
    bad = [{"T": ticker, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1, "n": 1} for ticker in JUNK]
    vendor.faults.add("bad_rows", rows=bad, times=times)


def symbols(connection: Connection) -> set[str]:
    rows = connection.execute("SELECT symbol FROM daily_bars WHERE date = %s", (JULY_2,))
    return {row[0] for row in rows}


def test_a_right_answer_replaces_the_rows_of_a_quarantined_session(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, rows)
    with_junk(vendor, times=1)
    first = load(client, store)

    right = load(client, store)

    assert (first.state, right.state) == ("quarantined", "loaded")
    assert right.write is not None
    assert (right.write.stored, right.write.revised) == (rows, len(JUNK))
    assert symbols(store).isdisjoint(JUNK)
    assert open_kinds(store) == []
    kept = store.execute("SELECT symbol FROM bar_revisions ORDER BY symbol").fetchall()
    assert [row[0] for row in kept] == list(JUNK)


def test_an_answer_of_a_quarantined_session_is_compared_with_what_is_usual(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
) -> None:
    pretend(store, rows)
    with_junk(vendor, times=1)
    load(client, store)
    vendor.faults.add("collapsed")

    few, still_few = load(client, store), load(client, store)

    assert (few.state, few.error and few.error.kind) == ("quarantined", "collapsed")
    assert (still_few.state, still_few.error) == ("quarantined", None)
    assert len(symbols(store)) == rows // 2


@pytest.fixture
def too_many(client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int) -> int:
    """The rows of a session that is loaded with junk, since twenty sessions before it lack."""
    with_junk(vendor, times=1)
    assert load(client, store).state == "loaded"
    return rows + len(JUNK)


def at_day(connection: Connection, days: int) -> None:
    """Let so many days pass since all that was refused."""
    connection.execute("UPDATE refused_answers SET answered_on = answered_on - %s", (days,))


def test_a_smaller_right_answer_is_stored_on_the_third_different_day(
    client: PolygonClient, store: Connection, rows: int, too_many: int
) -> None:
    outcomes: list[Outcome] = []
    for _ in range(3):
        outcomes += [load(client, store), load(client, store)]
        at_day(store, 1)

    messages = [one.error.message if one.error else None for one in outcomes]
    assert messages[0] == (
        f"the answer holds only {rows} usable rows: {too_many} are stored. Nothing stored was "
        "changed. The same answer is believed on 3 different days, and this is day 1; "
        "`universe approve 2024-07-02 --reason TEXT` accepts it at once"
    )
    assert [text and text.partition("this is ")[2][:5] for text in messages] == [
        *("day 1", "day 1", "day 2", "day 2"),
        *(None, None),
    ]
    assert outcomes[4].write is not None
    assert (outcomes[4].write.stored, outcomes[4].write.revised) == (rows, len(JUNK))
    assert outcomes[5].write == replace(outcomes[4].write, revised=0)
    assert symbols(store).isdisjoint(JUNK)
    assert (refused_answers.open_refusals(store), open_kinds(store)) == ({}, [])


def test_answers_that_lack_other_rows_each_day_are_not_believed(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, too_many: int
) -> None:
    for lost in (JUNK[:40], JUNK[20:], JUNK[:40]):
        vendor.faults.clear()
        with_junk(vendor)
        vendor.faults.add("missing", tickers=list(lost))
        assert load(client, store).error is not None
        at_day(store, 1)

    assert len(symbols(store)) == too_many


def test_a_whole_answer_starts_the_count_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, too_many: int
) -> None:
    for _ in range(2):
        load(client, store)
        at_day(store, 1)
    with_junk(vendor, times=1)

    whole, short = load(client, store), load(client, store)

    assert (whole.state, whole.error) == ("loaded", None)
    assert short.error is not None
    assert "this is day 1;" in short.error.message
    assert len(symbols(store)) == too_many


def test_an_approved_smaller_answer_is_stored_when_it_comes_and_no_other(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int, too_many: int
) -> None:
    load(client, store)
    refused_answers.approve(store, refused_answers.of_session(JULY_2), "junk", "a test")
    vendor.faults.add("collapsed", times=1)

    other = load(client, store)
    left = len(symbols(store))
    refused_answers.approve(store, refused_answers.of_session(JULY_2), "junk", "a test")
    vendor.faults.add("collapsed", times=1)
    approved = load(client, store)

    assert other.error is not None
    assert left == too_many
    assert approved.error is None
    assert len(symbols(store)) == rows // 2


def test_an_empty_answer_over_a_loaded_session_is_never_believed(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, too_many: int
) -> None:
    vendor.faults.add("empty")

    errors = [load(client, store).error for _ in range(4)]

    assert [error and error.kind for error in errors] == ["empty"] * 4
    assert (len(symbols(store)), refused_answers.open_refusals(store)) == (too_many, {})


def test_with_less_than_twenty_loaded_sessions_before_nothing_is_doubted(
    client: PolygonClient, store: Connection, rows: int
) -> None:
    pretend(store, 10 * rows, sessions=19)

    assert load(client, store).state == "loaded"


def test_bars_that_a_symbols_answer_replaced_still_count_for_a_later_answer(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, rows: int
):
    """A repair of a third of the symbols must not lower what a whole answer is."""
    load(client, store)
    store.execute(
        "UPDATE daily_bars SET source = 'symbol' WHERE symbol < 'M' AND date = %s", (JULY_2,)
    )
    store.execute(
        "UPDATE session_loads SET content_hash = NULL, received = received - stored + left_over,"
        " stored = left_over FROM (SELECT count(*) AS left_over FROM daily_bars"
        " WHERE date = %s AND source = 'grouped') counted WHERE date = %s",
        (JULY_2, JULY_2),
    )
    others = [row[0] for row in grouped(vendor, str(JULY_2)) if row[0] >= "M"]
    vendor.faults.add("missing", endpoint="grouped", tickers=others[: rows // 5])

    outcome = load(client, store)

    assert outcome.error is not None
    assert f"{rows:,} are stored. Nothing stored was changed." in outcome.error.message
    assert len(symbols(store)) == rows
