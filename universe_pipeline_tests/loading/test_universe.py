"""Discovery: both lists, whole or not at all, once in 24 hours."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.failures import open_failures
from universe_pipeline.adapters.postgres.symbols import newest_snapshot
from universe_pipeline.domain.errors import AccessError, RetryableError, VendorError
from universe_pipeline.loading.universe import Discovery, discover, is_fresh
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.adapters.postgres.session_answers import Row, versions
from universe_pipeline_tests.cli.vendor_answers import tickers


def universe(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, name, type, primary_exchange, active FROM symbols ORDER BY symbol"
    ).fetchall()


def age(connection: Connection, hours: float) -> None:
    """Let the newest discovery be so old."""
    connection.execute(
        "UPDATE universe_snapshots SET taken_at = now() - make_interval(secs => %s)",
        (hours * 3600,),
    )


def test_the_universe_is_every_row_of_both_lists(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    listed: dict[str, Row] = {}
    for active in (False, True):
        for row in tickers(vendor, active=active):
            values = (row["name"], row.get("type"), row.get("primary_exchange"), active)
            listed[row["ticker"]] = (row["ticker"], *values)

    found = discover(client, store, run_id="run-1")

    assert universe(store) == sorted(listed.values())
    assert (found.reused, found.snapshot.symbols) == (False, len(listed))
    assert found.snapshot.active == sum(row[-1] for row in listed.values())
    assert newest_snapshot(store) == found.snapshot


def test_whoever_listens_is_told_every_page(client: PolygonClient, store: Connection):
    pages: list[int] = []

    found = discover(client, store, on_page=pages.append)

    assert len(pages) == 2
    assert sum(pages) == found.snapshot.symbols + found.superseded


@pytest.mark.parametrize(
    ("hours", "force", "requests"),
    [(0, False, 0), (23.9, False, 0), (24.1, False, 2), (0, True, 2)],
)
def test_a_universe_is_used_again_for_24_hours(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    hours: float,
    force: bool,
    requests: int,
):
    discover(client, store)
    age(store, hours)
    before = vendor.count("tickers")

    found = discover(client, store, force=force)

    assert vendor.count("tickers") - before == requests
    assert found.reused is (requests == 0)


def test_freshness_is_of_24_hours(client: PolygonClient, store: Connection):
    snapshot = discover(client, store).snapshot

    assert not is_fresh(None)
    assert is_fresh(snapshot)
    assert datetime.now(UTC) - snapshot.taken_at < timedelta(minutes=5)


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        ("500", "server_error", RetryableError),
        ("malformed_json", "malformed_json", RetryableError),
        ("looping_next_url", "paging", RetryableError),
        ("foreign_next_url", "foreign_url", VendorError),
        ("401_unknown_key", "unauthorized", AccessError),
    ],
)
def test_a_failing_page_changes_nothing_and_is_told(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    active: bool,
    fault: Any,
    kind: str,
    error: type[VendorError],
):
    discover(client, store)
    age(store, 25)
    before = universe(store), versions(store, "symbols"), versions(store, "universe_snapshots")
    vendor.faults.add(fault, endpoint="tickers", active=active)

    with pytest.raises(error):
        discover(client, store, run_id="run-2")

    after = universe(store), versions(store, "symbols"), versions(store, "universe_snapshots")
    assert after == before
    assert [(each.kind, each.symbol, each.day) for each in open_failures(store)] == [
        (kind, None, None)
    ]


def test_a_failed_discovery_does_not_start_the_24_hours_and_a_later_one_resolves_it(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("404", endpoint="tickers", active=False, times=1)
    with pytest.raises(VendorError):
        discover(client, store)
    nothing = universe(store), newest_snapshot(store), len(open_failures(store))

    found = discover(client, store)

    assert nothing == ([], None, 1)
    assert not found.reused
    assert open_failures(store) == []


@pytest.mark.parametrize("active", [True, False])
def test_a_list_without_one_row_is_no_list(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, active: bool
):
    discover(client, store)
    before = universe(store)
    vendor.faults.add("empty", endpoint="tickers", active=active)

    with pytest.raises(VendorError):
        discover(client, store, force=True)

    assert universe(store) == before
    assert len(open_failures(store)) == 1


def test_of_two_at_once_one_asks_and_the_other_uses_its_universe(
    client: PolygonClient, store_database: Database, vendor: SimulatedVendor
):
    vendor.faults.add("delay", endpoint="tickers", seconds=0.2)
    ready = Barrier(2)

    def discovering() -> Discovery:
        with store_database.connect() as connection:
            ready.wait(30)
            return discover(client, connection)

    found = _at_once(discovering)

    assert sorted(each.reused for each in found) == [False, True]
    assert found[0].snapshot == found[1].snapshot
    assert vendor.count("tickers") == 2


def test_a_discovery_that_fails_lets_the_next_one_begin(
    client: PolygonClient, store: Connection, store_database: Database, vendor: SimulatedVendor
):
    vendor.faults.add("404", endpoint="tickers", times=1)
    with pytest.raises(VendorError):
        discover(client, store)

    with store_database.connect() as other:
        assert not discover(client, other).reused


def _at_once(work: Callable[[], Discovery]) -> list[Discovery]:
    with ThreadPoolExecutor(2) as pool:
        return [done.result() for done in [pool.submit(work), pool.submit(work)]]
