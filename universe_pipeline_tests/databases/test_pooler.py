"""The real PgBouncer before an ordinary server: in session mode all works, in others one line."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.databases.conftest import PasswordServer
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.ordinary_server import free_port

pytestmark = pytest.mark.system

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-02")

TABLES = """
    SELECT schemaname, count(*), count(*) FILTER (WHERE tablename IN ('runs', 'event_logs', 'kvs'))
    FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    GROUP BY 1 ORDER BY 1
    """

Pooler = Callable[..., str]
"""Starts a PgBouncer with settings; gives the URL of the database behind it."""


@contextmanager
def _running(folder: Path, server: int, settings: dict[str, str]) -> Generator[int]:
    port = free_port()
    users = folder / "users.txt"
    users.write_text('"pooled" "secret"\n')
    chosen = {
        "listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "",
        "auth_type": "scram-sha-256", "auth_file": str(users), **settings,
    }  # fmt: skip
    file = folder / f"pgbouncer-{port}.ini"
    lines = "".join(f"{name} = {value}\n" for name, value in chosen.items())
    file.write_text(f"[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\n{lines}")
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen(
        ["pgbouncer", *as_user, "-q", str(file)], env={**os.environ, "PATH": PATH}
    ) as running:
        try:
            yield port
        finally:
            running.send_signal(signal.SIGTERM)


PATH = f"{os.environ['PATH']}:/usr/sbin"


@pytest.fixture
def pooler(password_server: PasswordServer, tmp_path: Path) -> Generator[Pooler]:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)  # PgBouncer's account reads its files
    with ExitStack() as ended:

        def start(**settings: str) -> str:
            port = ended.enter_context(_running(tmp_path, password_server.port, settings))
            url = f"postgresql://pooled:secret@127.0.0.1:{port}/pooled"
            _await(url)
            return url

        password_server.execute(
            "DROP DATABASE IF EXISTS pooled WITH (FORCE)",
            "DROP DATABASE IF EXISTS pooled_2 WITH (FORCE)",
            "DROP ROLE IF EXISTS pooled",
        )
        password_server.owned("pooled", "secret", "pooled")
        password_server.execute("CREATE DATABASE pooled_2 OWNER pooled")
        yield start


def _await(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        time.sleep(0.05)
    raise TimeoutError(url)


@pytest.mark.parametrize("ignored", ["", "options", "extra_float_digits,options"])
def test_through_a_pooler_of_sessions_all_works_in_the_right_schemas(
    pooler: Pooler, password_server: PasswordServer, command: Command, universe: Universe,
    ignored: str,
) -> None:  # fmt: skip
    url = pooler(pool_mode="session", ignore_startup_parameters=ignored)

    ended = [
        command(*arguments, UNIVERSE_DATABASE_URL=url)
        for arguments in (LOAD, ("verify",), ("status",), ("backup", "pooled.dump"), ("url",))
    ]
    restored = command("restore", "pooled.dump", UNIVERSE_DATABASE_URL=f"{url}_2")
    counted = universe(
        *("psql", "-At", "-c", "SELECT count(*) FROM session_loads"),
        env={"UNIVERSE_DATABASE_URL": f"{url}_2"},
    )

    assert [one.code for one in (*ended, restored)] == [0] * 6, "".join(one.err for one in ended)
    assert counted.stdout == "2\n"
    for name in ("pooled", "pooled_2"):
        behind = f"postgresql://universe@127.0.0.1:{password_server.port}/{name}"
        with psycopg.connect(behind) as connection:
            found = {schema: rest for schema, *rest in connection.execute(TABLES)}
        assert found.keys() == {"dagster", "public"}
        assert (found["dagster"][1], found["public"][1]) == (3, 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_mode": "transaction"},
        {"pool_mode": "transaction", "ignore_startup_parameters": "options"},
        {"pool_mode": "transaction", "server_round_robin": "1", "min_pool_size": "4"},
        {"pool_mode": "statement"},
    ],
)
def test_a_pooler_of_transactions_is_refused_in_one_line(
    pooler: Pooler, password_server: PasswordServer, command: Command, settings: dict[str, str]
) -> None:
    url = pooler(**settings)

    for arguments in (LOAD, ("status",), ("up",), ("backup", "pooled.dump")):
        ended = command(*arguments, UNIVERSE_DATABASE_URL=url)

        assert ended.code == 1
        (line,) = ended.err.splitlines()
        assert "set the pooler's pool_mode to session" in line
    assert "pool_mode to session" in command("doctor", UNIVERSE_DATABASE_URL=url).out
    with psycopg.connect(
        f"postgresql://universe@127.0.0.1:{password_server.port}/pooled"
    ) as inside:
        assert inside.execute(TABLES).fetchall() == []


def test_options_that_a_pooler_does_not_take_are_one_line(pooler: Pooler, command: Command) -> None:
    url = pooler(pool_mode="session")

    ended = command("status", UNIVERSE_DATABASE_URL=f"{url}?options=-cwork_mem%3D5MB")

    assert ended.code == 1
    (line,) = ended.err.splitlines()
    assert "unsupported startup parameter: options. Remove it from UNIVERSE_DATABASE_URL" in line
