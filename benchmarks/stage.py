"""Where everything is measured: one server, one vendor, a database for each thing measured."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks.answers import GZIP, prepared
from benchmarks.scale import Scale
from benchmarks.vendor import REQUESTS
from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.domain.sessions import all_sessions, newest_closed

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "bench"
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
"""Where peers and the plotting library are: `make bench` builds it."""

TEMPLATE = "template_of_benchmarks"
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Stage:
    """A server with a template database (migrated, with its universe discovered), and a vendor."""

    home: Path
    server_url: str
    vendor_url: str
    answers: Path
    sessions: Sequence[date]
    """All that the vendor has prepared, in order."""
    scale: Scale
    _names: list[str] = field(default_factory=list[str])

    def newest(self, count: int) -> Sequence[date]:
        """The newest sessions, in order."""
        return self.sessions[-count:]

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Generator[str]:
        """URL of a database of the block's own, made from a template."""
        name = f"bench_{len(self._names)}"
        self._names.append(name)
        made = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        self.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**made))
        try:
            yield on_database(self.server_url, name)
        finally:
            self.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**made))

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run a statement on the server's own database."""
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def vendor_at(self, seconds: float) -> Generator["Stage"]:
        """The same with the vendor so far away."""
        with serving(self.answers, self.scale.symbols, seconds) as vendor_url:
            yield replace(self, vendor_url=vendor_url)

    def environment(self, database_url: str = "") -> dict[str, str]:
        """Of a user with that database; without one, the embedded server's own."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        site = urlsplit(database_url).path.lstrip("/")
        home = self.home / "sites" / site if database_url else self.home
        return {
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "UNIVERSE_HOME": str(home),
            "UNIVERSE_DATABASE_URL": database_url,
            "POLYGON_API_KEY": "key-of-tests",
            "POLYGON_BASE_URL": self.vendor_url,
            "POLYGON_RATE_LIMIT": "0",
        }

    def child(self, name: str, *arguments: object, database_url: str = "") -> Any:
        """The JSON document that `benchmarks.children.<name>` prints as its last line."""
        return self.output_of(
            [sys.executable, "-m", f"benchmarks.children.{name}", *map(str, arguments)],
            self.environment(database_url),
        )

    def output_of(self, command: Sequence[str], environment: dict[str, str]) -> Any:
        """The JSON document that a command prints as its last line."""
        ended = subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stdout}\n{ended.stderr}")
        return json.loads(ended.stdout.splitlines()[-1])

    def requests(self) -> Counter[str]:
        """How often each session was asked of the vendor so far."""
        with urllib.request.urlopen(self.vendor_url + REQUESTS) as answer:
            return Counter(json.loads(zlib.decompress(answer.read(), GZIP)))


@contextmanager
def open_stage(scale: Scale, sessions: int) -> Generator[Stage]:
    """Set everything up for the newest closed `sessions`; nothing is left of it afterwards."""
    closed = [day for day in all_sessions() if day <= newest_closed(datetime.now(UTC))]
    days = closed[-sessions:]
    answers = prepared(CACHE, scale.symbols, days)
    home = Path(tempfile.mkdtemp(prefix="universe-bench-"))
    home.chmod(0o755)  # as root, the server runs as another account
    try:
        with (
            attachment.attach(home, linger=1.0) as server,
            serving(answers, scale.symbols) as vendor_url,
        ):
            stage = Stage(home, server.url, vendor_url, answers, days, scale)
            stage.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            stage.child("template", database_url=on_database(server.url, TEMPLATE))
            _use_log(server.url, scale.log)
            yield stage
    finally:
        attachment.stop(home)
        shutil.rmtree(home)


def _use_log(url: str, files: int) -> None:
    """Let the server make files of its log, which it uses again from then on.

    The first gigabyte that a server ever loads takes a sixth longer, since it has to make them.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(files):
            connection.execute("SELECT pg_logical_emit_message(true, '', ''), pg_switch_wal()")
        connection.execute("CHECKPOINT")


@contextmanager
def serving(answers: Path, symbols: int, seconds: float = 0) -> Generator[str]:
    """The address of a vendor with these answers, so far away."""
    command = [sys.executable, "-m", "benchmarks.vendor", *map(str, (answers, symbols, seconds))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def far_away(url: str, seconds: float) -> Generator[str]:
    """A URL of the same database on the embedded server, with round trips of so many seconds."""
    parts = urlsplit(url)
    socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.{parts.port}"
    command = [sys.executable, "-m", "benchmarks.far", socket, str(seconds / 2)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            yield urlunsplit(
                (parts.scheme, f"{parts.username}@127.0.0.1:{port}", parts.path, "", "")
            )
        finally:
            process.send_signal(signal.SIGTERM)


def on_database(url: str, name: str) -> str:
    """`url` with another database's name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def note(text: str) -> None:
    """Print a note with the time to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
