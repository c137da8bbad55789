"""`metrics`: printed, in a file, and on a port that outlives its database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.monitoring.metrics import METRICS
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-14")

PROGRAM = str(Path(sys.executable).parent / "universe")


def sent(text: str) -> dict[str, float]:
    """Requests by endpoint."""
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found: dict[str, float] = {}
    for sample in families["universe_requests"].samples:
        endpoint = sample.labels["endpoint"]
        found[endpoint] = found.get(endpoint, 0) + sample.value
    return found


def test_they_count_what_a_load_has_sent(
    command: Command, vendor: SimulatedVendor, tmp_path: Path
) -> None:
    vendor.faults.add("500", session="2024-03-12", times=1)
    command(*LOAD)

    printed = command("metrics", POLYGON_API_KEY="")

    assert printed.code == 0
    requests = sent(printed.out)
    assert requests["grouped"] == vendor.count("grouped") == 5
    assert sum(requests.values()) == vendor.count()
    assert 'universe_requests_total{endpoint="grouped",outcome="server_error"} 1.0' in printed.out

    file = tmp_path / "universe.prom"
    file.write_text("the ones before")
    umask = os.umask(0o077)
    try:
        assert command("metrics", "--textfile", str(file)).code == 0
    finally:
        os.umask(umask)
    assert sent(file.read_text()) == requests
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_file_and_a_port_are_either_or(command: Command) -> None:
    ended = command("metrics", "--textfile", "a.prom", "--serve", "9465")

    assert ended.code == 2
    assert "give either --textfile or --serve" in ended.err


def test_a_port_that_is_taken_is_named(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("metrics", "--serve", str(port))

    assert ended.code == 2
    assert f"port {port} on 127.0.0.1 cannot be used" in ended.err


Ask = Callable[[str], tuple[int, str, str]]
"""Status, content type and body of the answer to a path."""


@contextmanager
def serving(environment: dict[str, str]) -> Generator[tuple[subprocess.Popen[str], Ask]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [PROGRAM, "metrics", "--serve", str(port)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )

    def ask(path: str) -> tuple[int, str, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
        finally:
            connection.close()

    try:
        assert server.stderr is not None
        assert f"http://127.0.0.1:{port}/metrics" in server.stderr.readline()
        yield server, ask
    finally:
        server.kill()
        server.communicate()


def names(text: str) -> list[str]:
    return [family.name for family in text_string_to_metric_families(text)]


def set_reachable(database: Database, server_url: str, *, reachable: bool) -> None:
    name = urlsplit(database.url).path[1:]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {reachable}'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_port_answers_outlives_its_database_and_ends_cleanly(
    environment: dict[str, str], database: Database, server_url: str, number: int
) -> None:
    with serving(environment | {"POLYGON_API_KEY": ""}) as (server, ask):
        status, content_type, text = ask("/metrics")
        assert (status, content_type.partition(";")[0]) == (200, "text/plain")
        assert names(text) == [one.name.removesuffix("_total") for one in METRICS]
        assert ask("/")[0] == 404

        set_reachable(database, server_url, reachable=False)
        assert ask("/metrics")[0] == 503
        assert "database cannot be read" in ask("/metrics")[2]
        set_reachable(database, server_url, reachable=True)
        assert ask("/metrics")[0] == 200

        os.kill(server.pid, number)
        deadline = time.monotonic() + 20
        while server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.returncode == 0
        assert server.stderr is not None
        said = server.stderr.read()
        assert said.count("asked again by the next request") == 1
        assert "Traceback" not in said
        assert said.endswith("stopped\n")
