"""The instance: its folder, its file, and what never gets into its storage."""

import os
import resource
import signal
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import psycopg
import pytest
from dagster import AssetKey, DagsterInstance
from psycopg import sql
from pydantic import SecretStr

from universe_pipeline.adapters.postgres.connecting.pools import MOST_CONNECTIONS
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration.execution.instance import (
    DAGSTER_HEAD,
    open_instance,
    prepare_home,
)
from universe_pipeline.orchestration.execution.instance_files import INSTANCE_FILE
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.webserver import until

KEY = "key-of-tests-that-must-not-leak"

TEXTS = """
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE table_schema IN ('public', 'dagster')
      AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea')
    """


def places_of(connection: psycopg.Connection, secret: str) -> list[str]:
    """Every column of the database that holds `secret` somewhere."""
    found: list[str] = []
    for schema, table, column in connection.execute(TEXTS).fetchall():
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}::text LIKE %s").format(
            sql.Identifier(schema, table), sql.Identifier(column)
        )
        row = connection.execute(query, (f"%{secret}%",)).fetchone()
        if row and row[0]:
            found.append(f"{schema}.{table}.{column}")
    return found


def test_the_home_lies_below_universe_home_and_its_file_holds_no_address(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path, database: Database
) -> None:
    as_user({})

    open_instance(load_settings()).dispose()

    file = (tmp_path / "universe" / "dagster" / "dagster.yaml").read_text()
    assert "universe_pipeline.orchestration.storage" in file
    assert "postgresql" not in file
    assert database.url not in file
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "universe" / "dagster")


def test_a_disk_without_room_leaves_no_half_written_instance_file(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user({})
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is refused raises
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            prepare_home(load_settings())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)

    assert list((tmp_path / "universe" / "dagster").iterdir()) == []
    prepare_home(load_settings())
    assert "UniverseStorage" in (tmp_path / "universe" / "dagster" / "dagster.yaml").read_text()


FOREIGN = "storage:\n  sqlite:\n    base_dir: /var/theirs\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"storage: [\n", "is not YAML (while parsing"),
        ("# clé".encode("latin-1"), "is not UTF-8 text"),
        (b"just words\n", "holds no settings of Dagster"),
        (FOREIGN.encode(), "is of another Dagster project"),
        (b"telemetry:\n  enabled: false\n", "is of another Dagster project"),
        (b"storage:\n  postgres:\n    postgres_url: {env: THEIRS}\n", "is of another Dagster"),
        ((INSTANCE_FILE + "telemetri: {}\n").encode(), "is refused by Dagster: Error 1: Received"),
        (INSTANCE_FILE.replace("UniverseStorage", "Nothing").encode(), "is refused by Dagster: "),
        (INSTANCE_FILE.replace("module: universe", "module: no_universe").encode(), "is refused"),
    ],
)
def test_an_instance_file_that_cannot_serve_is_named_and_left_as_it_is(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path, content: bytes, says: str
) -> None:
    as_user({})
    file = tmp_path / "universe" / "dagster" / "dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)

    with pytest.raises(UsageError) as refused:
        open_instance(load_settings())

    assert str(refused.value).startswith(f"{file} {says}")
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_an_instance_file_that_is_not_ordinary_is_named(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path, make: Callable[[Path], None]
) -> None:
    as_user({})
    file = tmp_path / "universe" / "dagster" / "dagster.yaml"
    file.parent.mkdir(parents=True)
    make(file)

    with pytest.raises(UsageError) as refused:
        open_instance(load_settings())

    assert str(refused.value).startswith(f"{file} is not an ordinary file: ")


def test_a_command_refuses_the_folder_of_another_dagster_project(
    universe: Universe, tmp_path: Path
) -> None:
    (tmp_path / "dagster.yaml").write_text(FOREIGN)

    ended = universe("daily", env={"DAGSTER_HOME": str(tmp_path)})

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        f"universe: {tmp_path}/dagster.yaml is of another Dagster project: "
    )


def test_a_file_in_place_of_dagsters_folder_is_named(universe: Universe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = universe("daily", env={"DAGSTER_HOME": f"{tmp_path}/file"})

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        f"universe: Dagster's folder {tmp_path}/file cannot be used: "
    )


def test_only_the_owner_may_change_what_a_command_writes(
    universe: Universe, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        assert universe("daily", env={"LC_ALL": "C.UTF-8"}).returncode == 0
    finally:
        os.umask(before)

    home = tmp_path / "universe"
    written = [home, *home.rglob("*")]
    assert home / "dagster" / "dagster.yaml" in written
    assert [path for path in written if path.stat().st_mode & 0o022] == []


def test_only_the_owner_may_change_the_instance_file_under_any_umask(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path
) -> None:
    as_user({})
    before = os.umask(0o002)
    try:
        prepare_home(load_settings())
    finally:
        os.umask(before)

    mode = (tmp_path / "universe" / "dagster" / "dagster.yaml").stat().st_mode
    assert stat.S_IMODE(mode) == 0o644


def test_dagster_home_is_where_the_user_says(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path
) -> None:
    as_user({"DAGSTER_HOME": str(tmp_path / "elsewhere")})

    open_instance(load_settings()).dispose()

    assert (tmp_path / "elsewhere" / "dagster.yaml").exists()
    assert not (tmp_path / "universe" / "dagster").exists()


def test_an_edited_file_is_not_written_again(
    as_user: Callable[[dict[str, str]], None], tmp_path: Path
) -> None:
    as_user({})
    open_instance(load_settings()).dispose()
    file = tmp_path / "universe" / "dagster" / "dagster.yaml"
    file.write_text(file.read_text() + "# mine\n")

    open_instance(load_settings()).dispose()

    assert file.read_text().endswith("# mine\n")


OLDER_DAGSTER = """
    UPDATE dagster.alembic_version SET version_num = '6b7fb194ff9c';
    ALTER TABLE dagster.concurrency_limits DROP COLUMN using_default_limit;
    INSERT INTO dagster.concurrency_limits (concurrency_key, "limit") VALUES ('kept', 3)
    """
"""Before its step 048."""


def test_tables_of_an_older_dagster_are_migrated_by_whichever_command_comes_first(
    command: Command, connection: Connection
) -> None:
    connection.execute(OLDER_DAGSTER)

    ended = command("historical", "--start", "2024-07-01", "--end", "2024-07-01")

    assert ended.code == 0
    found = connection.execute("SELECT version_num FROM dagster.alembic_version").fetchone()
    assert found == (DAGSTER_HEAD,)
    kept = 'SELECT concurrency_key, "limit", using_default_limit FROM dagster.concurrency_limits'
    assert connection.execute(kept).fetchall() == [("kept", 3, False)]


def test_tables_of_a_newer_dagster_are_left_alone(command: Command, connection: Connection) -> None:
    connection.execute("UPDATE dagster.alembic_version SET version_num = 'ffffffffffff'")

    ended = command("historical", "--start", "2024-07-01", "--end", "2024-07-01")

    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        "universe: the database was migrated by a newer release (schema ffffffffffff of Dagster); "
        "install that release or a newer one"
    )


def test_the_newest_step_of_dagsters_migrations_is_the_one_that_commands_look_for(
    as_user: Callable[[dict[str, str]], None],
) -> None:
    as_user({})
    with open_instance(load_settings()) as instance:
        assert instance.event_log_storage.alembic_version() == (DAGSTER_HEAD, DAGSTER_HEAD)


def test_neither_key_nor_password_is_in_the_database_or_said_after_failures(
    command: Command, connection: Connection, database: Database, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session="2024-06-25")
    vendor.faults.add("404", endpoint="tickers")
    glue = "&" if "?" in database.url else "?"
    secret = {
        "POLYGON_API_KEY": KEY,
        "UNIVERSE_DATABASE_URL": f"{database.url}{glue}password=word-that-must-not-leak",
        "LOG_LEVEL": "DEBUG",
    }

    ended = command("historical", "--start", "2024-06-24", "--end", "2024-06-25", **secret)

    assert ended.code == 1
    assert {log.key for log in vendor.requests} == {KEY}
    assert "must-not-leak" not in ended.out + ended.err
    assert places_of(connection, "must-not-leak") == []
    assert places_of(connection, "AAPL") != []


def test_dagsters_tables_and_ours_lie_in_schemas_of_their_own(connection: Connection) -> None:
    tables = dict(
        connection.execute(
            "SELECT tablename, schemaname FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    )

    assert {tables[name] for name in ("runs", "event_logs", "kvs", "alembic_version")} == {
        "dagster"
    }
    ours = {name for name, schema in tables.items() if schema == "public"}
    assert {"daily_bars", "session_loads", "load_jobs", "universe_schema_version"} <= ours
    assert not {name for name in ours if name.startswith(("asset_", "event_", "run", "job_"))}


def test_two_databases_have_an_instance_each_in_one_process(
    as_user: Callable[[dict[str, str]], None], empty_database: Database
) -> None:
    as_user({})
    chosen = load_settings()
    other = chosen.model_copy(update={"universe_database_url": SecretStr(empty_database.url)})

    with open_instance(chosen) as first, open_instance(other) as second:
        first.add_dynamic_partitions("names", ["here"])
        names = [each.get_dynamic_partitions("names") for each in (first, second)]

    assert names == [["here"], []]


def test_instances_of_one_process_share_few_connections(
    as_user: Callable[[dict[str, str]], None], connection: Connection
) -> None:
    as_user({})
    opened = [open_instance(load_settings()) for _ in range(4)]
    for instance in opened:
        instance.optimize_for_webserver(15_000, 3600, 20)  # as the webserver does
    with ThreadPoolExecutor(30) as threads:
        most = max(threads.map(_ask, opened * 30, repeat(connection)))
    # The server notices a moment later that a connection is closed.
    until(lambda: _connections(connection) <= 2)
    for instance in opened:
        instance.dispose()

    assert most <= MOST_CONNECTIONS
    until(lambda: _connections(connection) == 0)


def _ask(instance: DagsterInstance, connection: Connection) -> int:
    instance.get_runs(limit=5)
    instance.get_latest_materialization_event(AssetKey("daily_bars"))
    instance.all_instigator_state()
    return _connections(connection)


def _connections(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return row[0]
