"""What all tests share: a real PostgreSQL, databases made from a migrated template, a vendor."""

import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# It asks the collector who refers to an object, which that no longer knows after a command.
import hypothesis  # noqa: F401  # pyright: ignore[reportUnusedImport]
import psycopg
import pytest
from dagster_postgres import DagsterPostgresStorage
from psycopg import sql

from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.bars.quarters import record_calendar
from universe_pipeline.adapters.postgres.connecting.engines import url_of
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.reference.symbols import record_types
from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.fault_tally import table
from universe_pipeline_tests.support.ordinary_server import ordinary_server

pytest_plugins = ["universe_pipeline_tests.support.recorded_option"]

TEMPLATE = "template_of_tests"
TEMPLATE_LOCK = 7

START_DATE = "2023-01-03"
"""The first session of a user in tests: those before would only make every first load longer."""

NOON_AFTER = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)
"""The vendor's clock in most tests: a Wednesday noon; the newest closed session is 2024-07-09."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that runs the suite on another PostgreSQL than the embedded one."""
    parser.addoption(
        "--postgres-bin",
        type=Path,
        metavar="FOLDER",
        help="run on an ordinary server of the PostgreSQL whose programs are in FOLDER",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another PostgreSQL, run what works with it; the rest runs with the embedded one."""
    if config.getoption("--postgres-bin") is None:
        return
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        uses_server = "server_url" in getattr(item, "fixturenames", ())
        is_chosen = uses_server or item.get_closest_marker("system") is not None
        (kept if is_chosen else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the faults cost."""
    stats: dict[str, list[Any]] = terminalreporter.stats
    reports = [each for found in stats.values() for each in found]
    for line in table([each for each in reports if isinstance(each, pytest.TestReport)]):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest, testrun_uid: str) -> Generator[str]:
    """URL of a database on the server under test, shared by all workers of a test run."""
    # Not pytest's folders: as root, the server's account could not enter those.
    home = Path("/tmp") / f"universe-tests-{testrun_uid}"  # noqa: S108  # named by a random id
    binaries: Path | None = request.config.getoption("--postgres-bin")
    if binaries is not None:
        with ordinary_server(home, binaries) as url:
            yield url
        return
    server = attachment.attach(home, linger=1.0)
    yield server.url
    server.detach()
    if attachment.stop(home):
        shutil.rmtree(home, ignore_errors=True)  # another worker may be as quick


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """Name of a database with everything migrated, Dagster's tables included."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (TEMPLATE_LOCK,))
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,))
        if found.fetchone() is None:
            connection.execute(f"CREATE DATABASE {TEMPLATE}_partial")
            _migrate(Database(on_database(server_url, f"{TEMPLATE}_partial")))
            connection.execute(f"ALTER DATABASE {TEMPLATE}_partial RENAME TO {TEMPLATE}")
    return TEMPLATE


def _migrate(database: Database) -> None:
    schema.bring_up_to_date(database)
    with database.connect() as connection:
        record_calendar(connection, all_sessions())
        record_types(connection, ["CS"])
    DagsterPostgresStorage(url_of(database, "dagster"))


def on_database(url: str, name: str) -> str:
    """`url` with another database's name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture
def empty_database(server_url: str) -> Generator[Database]:
    """A database of the test's own, with nothing in it."""
    with database_from(server_url, "template0") as database:
        yield database


@pytest.fixture
def database(server_url: str, template: str) -> Generator[Database]:
    """A migrated database of the test's own; the universe's types are CS."""
    with database_from(server_url, template) as database:
        yield database


@contextlib.contextmanager
def database_from(server_url: str, template: str) -> Generator[Database]:
    name = f"test_{uuid.uuid4().hex}"
    made = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**made))
        yield Database(on_database(server_url, name))
        connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**made))


@pytest.fixture
def connection(database: Database) -> Generator[psycopg.Connection]:
    """A connection to the test's own migrated database."""
    with database.connect() as connection:
        yield connection


@pytest.fixture
def vendor() -> Generator[SimulatedVendor]:
    """A small simulated vendor, on the real clock; any key is accepted."""
    with SimulatedVendor(symbols=300) as vendor:
        yield vendor


Universe = Callable[..., subprocess.CompletedProcess[str]]
"""Runs `universe` with arguments (and `env={...}` on top), as a process of its own."""


@pytest.fixture
def start_date() -> str:
    """The user's UNIVERSE_START_DATE: a module that needs older sessions has its own."""
    return START_DATE


@pytest.fixture
def environment(
    database: Database, vendor: SimulatedVendor, tmp_path: Path, start_date: str
) -> dict[str, str]:
    """The environment of a user who has the test's database and vendor, and an empty home."""
    kept = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "TZ")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(tmp_path),
        "UNIVERSE_HOME": str(tmp_path / "universe"),
        "UNIVERSE_DATABASE_URL": database.url,
        "POLYGON_API_KEY": "key-of-tests",
        "POLYGON_BASE_URL": vendor.base_url,
        "POLYGON_RATE_LIMIT": "0",
        "UNIVERSE_START_DATE": start_date,
    }


@pytest.fixture
def universe(environment: dict[str, str], tmp_path: Path) -> Universe:
    """The real command line in a process of its own."""
    program = Path(sys.executable).parent / "universe"

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments],
            env={**environment, **(env or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
