"""The daemons live while each of them has sent a heartbeat lately."""

import time
from collections.abc import Generator

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from universe_pipeline.orchestration.internals.liveness import TOLERANCE, daemons_live


def beat(instance: dg.DagsterInstance, daemon: str, seconds_ago: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - seconds_ago, daemon, "an id"))


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Generator[dg.DagsterInstance]:
    """An instance whose daemons may be late by ten seconds, on top of Dagster's thirty."""
    monkeypatch.setenv(TOLERANCE, "10")
    with dg.instance_for_test() as instance:
        yield instance


def test_all_daemons_must_have_sent_a_heartbeat_lately(instance: dg.DagsterInstance) -> None:
    daemons = instance.get_required_daemon_types()
    silent = daemons_live(instance)
    for daemon in daemons:
        beat(instance, daemon, 30)
    fresh = daemons_live(instance)

    beat(instance, daemons[0], 50)

    assert (silent, fresh, daemons_live(instance)) == (False, True, False)
