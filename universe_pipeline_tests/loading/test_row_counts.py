"""An answer with far fewer rows than the sessions before: doubted once, then kept from readers."""

from datetime import date

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.loading.sessions import Encoding, Outcome, fetch_sessions
from universe_pipeline.loading.sessions import store as keep
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.adapters.postgres.session_answers import JULY_2
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
    ("usual", "state"), [(1.0, "loaded"), (1.1, "loaded"), (1.12, "failed"), (0.1, "loaded")]
)
def test_under_90_percent_of_the_median_is_far_fewer(
    client: PolygonClient, store: Connection, rows: int, usual: float, state: str
) -> None:
    pretend(store, round(usual * rows))

    assert load(client, store).state == state


def test_with_less_than_twenty_loaded_sessions_before_nothing_is_doubted(
    client: PolygonClient, store: Connection, rows: int
) -> None:
    pretend(store, 10 * rows, sessions=19)

    assert load(client, store).state == "loaded"
