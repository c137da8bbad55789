"""What a load counts, and that it is neither lost nor counted twice."""

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import date
from itertools import islice

import psycopg
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import daily_counters
from universe_pipeline.adapters.tally import Count, Counter, Stage, Tally
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.sessions import Encoding, fetch_sessions, store
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.loading.conftest import BRISK
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import JULY_1, JULY_2, JULY_3

DAYS = (JULY_1, JULY_2, JULY_3)
QUARTER = sessions_between(date(2024, 4, 1), date(2024, 6, 28))


@pytest.fixture(name="connection")
def its_connection(store: Connection) -> Connection:
    return store


@pytest.fixture
def client(vendor: SimulatedVendor) -> Generator[PolygonClient]:
    with PolygonClient(vendor.base_url, "key-of-tests", patience=BRISK) as connected:
        yield connected


def load(client: PolygonClient, connection: Connection, days: Sequence[date] = DAYS) -> None:
    for fetched in fetch_sessions(client, days, Encoding(), machine):
        store(connection, fetched, "run", client.tally)


def keep(connection: Connection, tally: Tally) -> None:
    daily_counters.store(connection, tally, machine(), at_once=True)


def requests(connection: Connection) -> dict[tuple[str, str], float]:
    rows = connection.execute(
        "SELECT subject, outcome, sum(amount) FROM daily_counters WHERE counter = 'requests'"
        " GROUP BY subject, outcome"
    )
    return {(endpoint, outcome): amount for endpoint, outcome, amount in rows}


def seconds(connection: Connection) -> dict[str, float]:
    rows = connection.execute(
        "SELECT subject, sum(amount) FROM daily_counters WHERE counter = 'stage_seconds' GROUP BY 1"
    )
    return dict(rows.fetchall())


def test_every_request_is_counted_once_by_endpoint_and_outcome(
    connection: Connection, vendor: SimulatedVendor
):
    for day, fault in zip(QUARTER, ("500", "429", "malformed_json", "cut_body"), strict=False):
        vendor.faults.add(fault, session=day, times=1)  # pyright: ignore[reportArgumentType]
    vendor.faults.add("403_before_end_of_day", session=QUARTER[5])
    patient = Patience(first_wait=0.001, rate_limited_wait=0.01, shortest_rate_limited_wait=0.01)

    with PolygonClient(vendor.base_url, "key-of-tests", patience=patient) as client:
        load(client, connection, QUARTER[:20])
        client.ticker_types()
        keep(connection, client.tally)

    counted = requests(connection)
    assert counted == {
        ("grouped", "ok"): 19,
        ("grouped", "server_error"): 1,
        ("grouped", "rate_limited"): 1,
        ("grouped", "malformed_json"): 1,
        ("grouped", "cut_body"): 1,
        ("grouped", "not_published"): 1,
        ("ticker_types", "ok"): 1,
    }
    assert sum(counted.values()) == vendor.count()


def test_answers_that_an_interrupted_load_does_not_read_are_counted(
    connection: Connection, vendor: SimulatedVendor
):
    with (
        PolygonClient(vendor.base_url, "key-of-tests", patience=BRISK) as client,
        closing(fetch_sessions(client, QUARTER, Encoding(), machine)) as answers,
    ):
        for fetched in islice(answers, 3):
            store(connection, fetched, "run", client.tally)
    keep(connection, client.tally)

    counted = requests(connection)
    assert counted["grouped", "ok"] >= 3
    assert set(counted) <= {("grouped", "ok"), ("grouped", "unread")}
    assert 0 <= vendor.count() - sum(counted.values()) <= client.traffic.most


def test_the_stages_of_a_session_are_counted_in_seconds(
    client: PolygonClient, connection: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("delay", session=JULY_1, seconds=0.3)

    load(client, connection)
    keep(connection, client.tally)

    spent = seconds(connection)
    assert set(spent) == set(Stage)
    assert all(amount > 0 for amount in spent.values())
    assert 0.3 <= spent["fetch"] < 30


def test_the_first_session_commits_its_counts_and_later_ones_follow_within_a_second(
    client: PolygonClient, connection: Connection
):
    load(client, connection)
    assert requests(connection)["grouped", "ok"] in (1, 2, 3)

    keep(connection, client.tally)
    assert requests(connection) == {("grouped", "ok"): 3}


def test_counts_of_two_loads_add_up(connection: Connection, vendor: SimulatedVendor):
    for days in (DAYS[:2], DAYS[2:]):
        with PolygonClient(vendor.base_url, "key-of-tests", patience=BRISK) as client:
            load(client, connection, days)
            keep(connection, client.tally)

    assert requests(connection) == {("grouped", "ok"): 3}


def test_a_session_that_is_rolled_back_loses_no_counts(
    client: PolygonClient, connection: Connection
):
    answers = list(fetch_sessions(client, DAYS, Encoding(), machine))
    client.tally.add(Count(Counter.REQUESTS, "tickers", "ok"), -1)  # refused by the table

    with pytest.raises(psycopg.errors.CheckViolation):
        store(connection, answers[0], "run", client.tally)
    assert connection.execute("SELECT count(*) FROM session_loads").fetchone() == (0,)
    assert requests(connection) == {}

    client.tally.add(Count(Counter.REQUESTS, "tickers", "ok"), 3)
    store(connection, answers[0], "run", client.tally)
    assert requests(connection) == {("grouped", "ok"): 3, ("tickers", "ok"): 2}
    assert connection.execute("SELECT date FROM session_loads").fetchall() == [(JULY_1,)]


def test_a_tally_hands_over_at_most_once_a_second_unless_at_the_end():
    tally = Tally()
    tally.request("grouped", "ok")
    with tally.handed_over() as first:
        pass
    tally.request("grouped", "ok")
    with tally.handed_over() as soon:
        pass
    with tally.handed_over(at_once=True) as last:
        pass

    assert list(first.values()) == [1]
    assert soon == {}
    assert list(last.values()) == [1]
