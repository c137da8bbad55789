"""systemd's watchdog is fed while Dagster's daemons live, and not otherwise."""

import time
from collections.abc import Generator
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.orchestration.execution import watchdog
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.service_manager import ServiceManager, listening
from universe_pipeline_tests.support.webserver import until

PATIENCE = 0.4
"""Seconds after which systemd would restart the service."""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ServiceManager]:
    """The service manager that watches this process."""
    with listening(tmp_path) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
        monkeypatch.setenv("WATCHDOG_USEC", str(int(PATIENCE * 1_000_000)))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield systemd


def beat(instance: dg.DagsterInstance, seconds_ago: float = 0) -> None:
    """Let all daemons have sent a heartbeat."""
    for daemon in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - seconds_ago, daemon, "an id"))


def test_it_is_fed_in_time_while_the_daemons_live(
    instance: dg.DagsterInstance, database: Database, systemd: ServiceManager
) -> None:
    beat(instance)

    with watchdog.fed(load_settings(), database):
        started = time.monotonic()
        until(lambda: len(systemd.heard()) >= 5)
        seconds = time.monotonic() - started

    assert set(systemd.heard()) == {"WATCHDOG=1"}
    assert seconds / 5 < PATIENCE


def test_it_is_not_fed_while_daemons_are_silent(
    instance: dg.DagsterInstance, database: Database, systemd: ServiceManager
) -> None:
    beat(instance, seconds_ago=3600)

    with watchdog.fed(load_settings(), database):
        time.sleep(2 * PATIENCE)

    assert systemd.heard() == []


def test_without_a_watchdog_no_instance_is_opened(
    database: Database, systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))

    with watchdog.fed(load_settings(), database):
        pass

    assert not (tmp_path / "home").exists()
    assert systemd.heard() == []
