"""Processes that end in the middle of a load, in every way a process can."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.disturbed_loads import (
    LOAD,
    SIXTY,
    Moment,
    User,
    asked_again,
    loaded,
)
from universe_pipeline_tests.support.fault_tally import Tally
from universe_pipeline_tests.support.simulated_answers import asked_sessions
from universe_pipeline_tests.support.stored import job_statuses

IN_FLIGHT = 2
LATENCY = 0.05
START = 3.0
"""Seconds within which a process gets ready to load, or hardly."""


@pytest.fixture
def user(environment: dict[str, str], tmp_path: Path, vendor: SimulatedVendor) -> User:
    slow_down(vendor)
    return User({**environment, "UNIVERSE_CONCURRENCY": str(IN_FLIGHT)}, tmp_path)


def slow_down(vendor: SimulatedVendor) -> None:
    """Let a load take long enough to be disturbed."""
    vendor.faults.add("delay", endpoint="grouped", seconds=LATENCY)


def start_over(connection: psycopg.Connection) -> None:
    """Forget everything that was loaded, and that it was."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'dagster'"
        " AND tablename IN ('event_logs', 'asset_keys', 'runs', 'run_tags', 'asset_event_tags',"
        " 'asset_check_executions') OR schemaname = 'public' AND tablename IN ('daily_bars',"
        " 'session_loads', 'data_coverage', 'load_jobs', 'bar_revisions', 'data_fetch_errors')"
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(*name) for name in tables)
    connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))


@pytest.mark.parametrize(
    ("number", "times"),
    [
        pytest.param(signal.SIGKILL, 2, id="a few kills"),
        pytest.param(signal.SIGKILL, 50, id="fifty kills", marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, 10, id="ten terminations", marks=pytest.mark.faults),
        pytest.param(signal.SIGINT, 10, id="ten interrupts", marks=pytest.mark.faults),
    ],
)
def test_a_load_that_is_ended_at_random_moments_loses_nothing_and_asks_for_nothing_twice(
    tally: Callable[[str], Tally],
    user: User,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    number: signal.Signals,
    times: int,
) -> None:
    line = tally(f"{number.name} during a load of {len(SIXTY)} sessions")
    moments = random.Random(times)  # noqa: S311  # the same ones each time
    command = LOAD
    since = 0
    while line.times < times:
        there, asked = loaded(connection), vendor.count("grouped")
        ended = user.disturbed(number, at_random(moments, vendor), *command)
        assert not there & set(asked_sessions(vendor, asked)), "asked for what was loaded"
        # Ended before it had begun its job, there is nothing to resume.
        command = ("resume",) if job_statuses(connection) else LOAD
        if ended is None:
            since = finish(line, user, connection, vendor, since)
            command = LOAD
            continue
        line.times += 1
        assert ended[0] in {-signal.SIGKILL, 130, -number}, ended
    finish(line, user, connection, vendor, since)

    assert line.lost_or_doubled == (0, 0, 0, 0)
    assert line.calls_wasted <= IN_FLIGHT * times


def at_random(moments: random.Random, vendor: SimulatedVendor) -> Moment:
    """One in five while the process gets ready, the others while sessions come in."""
    if moments.random() < 1 / 5:
        return Moment(vendor, 0, moments.uniform(0.1, START))
    return Moment(vendor, moments.randint(1, 20), moments.uniform(0, LATENCY))


def finish(
    line: Tally,
    user: User,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    since: int,
) -> int:
    """Go on with the load until it is done, compare, and start over; how many requests came in."""
    code, said = user.run(*LOAD)
    assert code == 0, said
    line.calls_wasted += asked_again(vendor, since)
    vendor.faults.clear()
    line.compare(connection, vendor, SIXTY)
    slow_down(vendor)
    start_over(connection)
    return vendor.count("grouped")
