"""Two weeks of daily updates in one process: the clock is a parameter."""

from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.command_in_process import Command

FIRST, LAST = date(2024, 6, 24), date(2024, 7, 8)
"""Fifteen days with a holiday and two weekends."""

EVENINGS = [
    datetime(2024, 6, 24, 22, 30, tzinfo=UTC) + timedelta(days=n)
    for n in range((LAST - FIRST).days + 1)
]

_clock = [EVENINGS[0]]


@pytest.fixture
def vendor() -> Generator[SimulatedVendor]:
    """A vendor on the same clock."""
    with SimulatedVendor(symbols=300, now=lambda: _clock[-1]) as vendor:
        yield vendor


def test_every_evening_loads_its_session_and_finishes_older_ones(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for evening in EVENINGS:
        _clock[:] = [evening]
        stop_clock(monkeypatch, evening)
        if evening.date() in (date(2024, 6, 26), date(2024, 6, 27)):
            continue  # the machine is off for two evenings
        assert command("daily").code == 0

    sessions = sessions_between(FIRST, LAST)
    loads = connection.execute(
        "SELECT date, status, (fetched_at AT TIME ZONE 'UTC')::date - date FROM session_loads"
        " WHERE date >= %s ORDER BY date",
        (FIRST,),
    ).fetchall()
    assert [(day, status) for day, status, _ in loads] == [(day, "loaded") for day in sessions]
    assert all(0 <= late <= 8 for _, _, late in loads)
    final = connection.execute("SELECT date FROM session_loads WHERE final").fetchall()
    assert {row[0] for row in final} >= set(sessions[:-4])
    assert connection.execute("SELECT final FROM session_loads ORDER BY date DESC").fetchone() == (
        False,
    )
    taken = connection.execute("SELECT count(*), max(taken_at) FROM universe_snapshots").fetchone()
    assert taken == (len(EVENINGS) - 2, EVENINGS[-1])
    jobs = connection.execute(
        "SELECT DISTINCT status, last_updated < now() - interval '100 days' FROM load_jobs"
    ).fetchall()
    assert jobs == [("completed", True)]
    judged = connection.execute("SELECT max(judged_at) FROM rule_results").fetchone()
    assert judged == (EVENINGS[-1],)
