"""An answer with far other row counts than the sessions before is kept from readers.

Too few are asked for once more first.
"""

from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.loading.approvals import approve
from universe_pipeline.loading.sessions import Encoding, Outcome, fetch_sessions
from universe_pipeline.loading.sessions import store as keep
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.adapters.postgres.session_answers import JULY_2, JULY_3
from universe_pipeline_tests.cli.vendor_answers import grouped

BEFORE = sessions_before(JULY_2, 20)


def load(client: PolygonClient, connection: Connection, day: date = JULY_2) -> Outcome:
    (outcome,) = (
        keep(connection, each, "run") for each in fetch_sessions(client, [day], Encoding())
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


def test_with_less_than_twenty_loaded_sessions_before_nothing_is_doubted(
    client: PolygonClient, store: Connection, rows: int
) -> None:
    pretend(store, 10 * rows, sessions=19)

    assert load(client, store).state == "loaded"
