"""systemd's protocol, on a real datagram socket."""

import os
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from universe_pipeline.adapters import service_manager
from universe_pipeline_tests.support.service_manager import ServiceManager, listening


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ServiceManager]:
    """The service manager of this process."""
    with listening(tmp_path) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
        yield systemd


def test_a_state_is_sent_as_one_datagram(systemd: ServiceManager) -> None:
    service_manager.notify(service_manager.READY)
    service_manager.notify(service_manager.STOPPING)

    assert systemd.heard() == ["READY=1", "STOPPING=1"]


def test_an_address_that_begins_with_an_at_sign_is_an_abstract_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0universe-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@universe-{os.getpid()}")

        service_manager.notify(service_manager.ALIVE)

        assert listener.recv(64) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    service_manager.notify(service_manager.READY)


def test_a_manager_that_is_gone_disturbs_nothing(systemd: ServiceManager) -> None:
    Path(systemd.address).unlink()

    service_manager.notify(service_manager.READY)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "300000000"}, 300.0),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_only_the_process_that_is_watched_feeds_the_watchdog(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], seconds: float | None
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert service_manager.watchdog_seconds() == seconds
