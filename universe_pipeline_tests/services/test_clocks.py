"""Clocks that disagree: commands on a database whose clock libfaketime moves.

The machine's own clock is then the wrong one, by as much: PostgreSQL can live under libfaketime,
Python's threads cannot.
"""

from collections.abc import Callable, Generator
from datetime import date, timedelta
from uuid import uuid4

import psycopg
import pytest

from universe_pipeline.domain.sessions import newest_closed, sessions_before
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe, on_database
from universe_pipeline_tests.support.movable_server import MovableServer, movable_server

pytestmark = pytest.mark.system

TWO_DAYS, TEN_MINUTES = timedelta(days=2), timedelta(minutes=10)

FUTURE = "the database holds moments of its future"


@pytest.fixture(scope="module")
def movable() -> Generator[MovableServer]:
    with movable_server() as movable:
        yield movable


@pytest.fixture
def vendor(movable: MovableServer) -> Generator[SimulatedVendor]:
    """A vendor on the server's clock, the right one."""
    with SimulatedVendor(symbols=300, now=movable.now) as vendor:
        yield vendor


@pytest.fixture
def url(movable: MovableServer) -> str:
    """A database of the test's own on that server."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(movable.server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return on_database(movable.server.url, name)


@pytest.fixture
def environment(environment: dict[str, str], url: str) -> dict[str, str]:
    """The user's environment, with that database."""
    return {**environment, "UNIVERSE_DATABASE_URL": url}


Ask = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def ask(url: str) -> Ask:
    """Ask the database."""

    def asked(query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode()).fetchall()

    return asked


def published(movable: MovableServer) -> date:
    return newest_closed(movable.now() - PUBLISHED_AFTER)


@pytest.mark.parametrize(
    ("database_ahead", "said"),
    [
        (-TWO_DAYS, "this machine's clock is 2 d ahead of"),
        (TWO_DAYS, "this machine's clock is 2 d behind"),
        (-TEN_MINUTES, "this machine's clock is 10 min ahead of"),
        (TEN_MINUTES, "this machine's clock is 10 min behind"),
    ],
)
def test_a_machine_whose_clock_is_off_loads_by_the_databases_time(
    movable: MovableServer,
    universe: Universe,
    ask: Ask,
    database_ahead: timedelta,
    said: str,
) -> None:
    movable.set_ahead(database_ahead)
    session = published(movable)

    ended = universe("historical", "--start", str(session))

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("this machine's clock") == 1
    assert said in ended.stderr
    assert ask("SELECT name, status FROM load_jobs") == [
        (f"historical_load_{session}_{newest_closed(movable.now())}", "completed")
    ]
    assert ask("SELECT date FROM session_loads WHERE status = 'loaded'") == [(session,)]
    assert ask(
        "SELECT count(*) FROM ("
        "  SELECT fetched_at AS at FROM session_loads"
        "  UNION ALL SELECT taken_at FROM universe_snapshots"
        "  UNION ALL SELECT taken_at FROM split_snapshots"
        "  UNION ALL SELECT update_timestamp AT TIME ZONE 'UTC' FROM dagster.runs) stored"
        " WHERE at NOT BETWEEN clock_timestamp() - interval '1 min' AND clock_timestamp()"
    ) == [(0,)]


def test_after_the_databases_clock_was_set_back_corrections_are_stored(
    movable: MovableServer, universe: Universe, ask: Ask, vendor: SimulatedVendor
) -> None:
    movable.set_ahead(TWO_DAYS)
    session = sessions_before(published(movable), 5)[0]
    days = ("--start", str(session), "--end", str(session))
    assert universe("historical", *days).returncode == 0
    lists = vendor.count("tickers")
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)
    movable.set_ahead(timedelta())

    ended = universe("historical", *days, "--reload")
    again = universe("status")

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(FUTURE) == 1
    assert FUTURE not in again.stderr
    assert "1 revised" in ended.stdout
    assert "not stored" not in ended.stderr
    assert vendor.count("tickers") > lists, "the universe was fresh until a future date"


def test_a_job_of_the_future_is_gone_on_with(
    movable: MovableServer, universe: Universe, ask: Ask, vendor: SimulatedVendor
) -> None:
    movable.set_ahead(TWO_DAYS)
    session = sessions_before(published(movable), 5)[0]
    vendor.faults.add("empty", session=str(session))
    assert universe("historical", "--start", str(session), "--end", str(session)).returncode == 1
    vendor.faults.clear()
    movable.set_ahead(timedelta())

    ended = universe("resume")

    assert ended.returncode == 0, ended.stderr
    assert ask("SELECT status FROM session_loads") == [("loaded",)]
    assert ask("SELECT count(*) FROM load_jobs WHERE last_updated > clock_timestamp()") == [(0,)]
