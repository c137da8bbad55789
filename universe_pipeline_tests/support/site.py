"""A user's place: a migrated database, a small vendor and an empty home, for as many tests as like.

The fixtures `database`, `vendor` and `environment` make the same for one test; starting Dagster's
services takes too long for that.
"""

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import START_DATE, on_database
from universe_pipeline_tests.support.serving import PROGRAM
from universe_pipeline_tests.support.simulated_answers import asked_sessions, grouped
from universe_pipeline_tests.support.stored import bars

KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Site:
    """Where `universe up` is started, and what it works with."""

    environment: dict[str, str]
    database: Database
    vendor: SimulatedVendor
    folder: Path

    def universe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        with self.started(*arguments) as process:
            out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Generator["subprocess.Popen[str]"]:
        """The command line, just started."""
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()  # pyright: ignore[reportCallIssue, reportArgumentType]  # literal in every test

    def statuses(self, first: str, last: str) -> dict[str, str]:
        """The sessions of a range that were asked for, and their statuses."""
        query = "SELECT date::text, status FROM session_loads WHERE date BETWEEN %s AND %s"
        return dict(sorted(self.rows(query, first, last)))

    def loaded(self, first: str = "2003-01-01", last: str = "2099-01-01") -> list[str]:
        """The sessions of a range that are loaded."""
        return [day for day, state in self.statuses(first, last).items() if state == "loaded"]

    def covered(self) -> list[str]:
        """The loaded sessions that the coverage knows of the index fund, which always trades."""
        rows = self.rows(
            "SELECT l.date::text FROM session_loads l JOIN data_coverage c ON c.loaded @> l.date"
            " WHERE c.symbol = 'SPY' AND l.status = 'loaded' ORDER BY 1"
        )
        return [day for (day,) in rows]

    def differing(self, sessions: list[str]) -> list[str]:
        """Those of `sessions` whose stored bars are not the vendor's."""
        with self.database.connect() as connection:
            return [day for day in sessions if bars(connection, day) != grouped(self.vendor, day)]

    def everything(self) -> list[tuple[Any, ...]]:
        """A fingerprint of all bars, and every load with its time."""
        return [
            *self.rows(
                "SELECT count(*), md5(string_agg(b::text, '' ORDER BY b)) FROM daily_bars b"
            ),
            *self.rows("SELECT md5(string_agg(c::text, '' ORDER BY c)) FROM data_coverage c"),
            *self.rows("SELECT date, status, fetched_at, stored FROM session_loads ORDER BY 1"),
        ]

    def job(self, name: str) -> dict[str, Any]:
        """A job as `universe status` shows it."""
        return json.loads(self.universe("status", "--json").stdout)["jobs"][name]

    def open_errors(self) -> list[str]:
        """The sessions with an open error."""
        rows = self.rows(
            "SELECT DISTINCT date::text FROM data_fetch_errors WHERE resolved_at IS NULL ORDER BY 1"
        )
        return [day for (day,) in rows]

    def requests(self) -> list[str]:
        """The sessions of all grouped requests so far, sorted."""
        return asked_sessions(self.vendor)

    def asked_since(self, count: int) -> list[str]:
        """The sessions of all grouped requests but the first `count`, in order of the sessions."""
        return asked_sessions(self.vendor, count)

    def run_statuses(self) -> list[str]:
        """The statuses of all runs, oldest first."""
        return [status for (status,) in self.rows("SELECT status FROM dagster.runs ORDER BY id")]


@contextlib.contextmanager
def made_site(server_url: str, template: str, folder: Path, **variables: str) -> Generator[Site]:
    """A site below `folder`, with variables on top of its environment."""
    name = f"site_{uuid.uuid4().hex}"
    made = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with (
        psycopg.connect(server_url, autocommit=True) as connection,
        SimulatedVendor(symbols=300) as vendor,
    ):
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**made))
        database = Database(on_database(server_url, name))
        environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(folder),
            "UNIVERSE_HOME": str(folder / "universe"),
            "UNIVERSE_DATABASE_URL": database.url,
            "POLYGON_API_KEY": "key-of-tests",
            "POLYGON_BASE_URL": vendor.base_url,
            "POLYGON_RATE_LIMIT": "0",
            "UNIVERSE_START_DATE": START_DATE,
            **variables,
        }
        yield Site(environment, database, vendor, folder)
        connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**made))
