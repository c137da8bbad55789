"""An answer that is not stored, because the answer to a later request is: it is said so."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.command_in_process import Command

DAYS = ("--start", "2024-03-11", "--end", "2024-03-12")


@pytest.fixture
def loaded(command: Command, connection: psycopg.Connection) -> datetime:
    """Two sessions are loaded; when the first was requested."""
    assert command("historical", *DAYS).code == 0
    for table in ("universe_snapshots", "split_snapshots"):  # lists stay fresh a second before
        connection.execute(f"UPDATE {table} SET taken_at = taken_at - interval '1 h'".encode())
    row = connection.execute("SELECT min(fetched_at) FROM session_loads").fetchone()
    assert row is not None
    return row[0]


def test_sessions_are_named_once_and_their_partitions_say_so(
    loaded: datetime,
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)
    stop_clock(monkeypatch, loaded - timedelta(seconds=1))

    ended = command("historical", *DAYS, "--reload")

    assert ended.code == 0
    said = "2 sessions from 2024-03-11 to 2024-03-12: not stored, because the answer to a later"
    assert caplog.text.count(said) == 1
    assert connection.execute("SELECT count(*) FROM bar_revisions").fetchone() == (0,)
    shown = connection.execute(
        "SELECT partition, event ~ %s FROM dagster.event_logs"
        " WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND asset_key = %s"
        " ORDER BY id DESC LIMIT 2",
        (r'"value": true[^{}]*\}[^{}]*"label": "superseded"', '["daily_bars"]'),
    ).fetchall()
    assert sorted(shown) == [("2024-03-11", True), ("2024-03-12", True)]


def test_bars_of_a_symbol_are_counted(
    loaded: datetime,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop_clock(monkeypatch, loaded - timedelta(seconds=1))

    ended = command("repair", "--symbols", "AAPL", *DAYS)

    assert ended.code == 0
    assert "AAPL: 2 bars not stored, because the answer to a later request" in caplog.text


def test_a_moment_of_the_future_supersedes_nothing(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert command("historical", *DAYS).code == 0
    connection.execute(
        "UPDATE session_loads SET fetched_at = %s", (datetime.now(UTC) + timedelta(days=2),)
    )
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)

    ended = command("historical", *DAYS, "--reload")

    assert "the database holds moments of its future" in caplog.text
    assert "2 revised" in ended.out
    assert "not stored" not in caplog.text
