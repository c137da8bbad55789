"""`backup` and `restore`: the same database in another place, or everything as it was."""

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.bars.sealing import seal
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.older_releases import made_at
from universe_pipeline_tests.support.session_answers import JULY_1, stored
from universe_pipeline_tests.support.simulated_answers import asked_sessions

TWO_QUARTERS = ("historical", "--start", "2024-06-27", "--end", "2024-07-02")
SEALED = "daily_bars_2024q2"

TABLES = """
    SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'dagster')
    ORDER BY 1, 2
    """

SHAPES = {
    "partitions": """
        SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits p
        JOIN pg_class c ON c.oid = p.inhrelid WHERE p.inhparent = 'daily_bars'::regclass ORDER BY 1
        """,
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'dagster')
        ORDER BY 1
        """,
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "comments": """
        SELECT objoid::regclass::text, objsubid, description FROM pg_description
        WHERE classoid = 'pg_class'::regclass AND objoid >= 16384 ORDER BY 1, 2
        """,
    "sealed": "SELECT relname FROM pg_class WHERE relname ~ 'by_symbol$' ORDER BY 1",
    "hashes": "SELECT date, status, content_hash FROM session_loads ORDER BY 1",
}


def content(connection: Connection) -> dict[str, Any]:
    """A fingerprint of every table's rows, and what their shapes are."""
    rows: dict[str, Any] = {
        name: connection.execute(query.encode()).fetchall() for name, query in SHAPES.items()
    }
    for table in connection.execute(TABLES).fetchall():
        counted = sql.SQL(
            "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} t"
        )
        rows[".".join(table)] = connection.execute(
            counted.format(sql.Identifier(*table))
        ).fetchone()
    return rows


def found(verification: str) -> dict[str, Any]:
    """What a verification found, without the seed of the sample that it did not draw."""
    return {key: value for key, value in json.loads(verification).items() if key != "sample"}


def materialized() -> dict[str, set[str]]:
    """The partitions that Dagster shows as materialized, where the settings point to."""
    with open_instance(load_settings()) as instance:
        return {
            asset: instance.get_materialized_partitions(dg.AssetKey(asset))
            for asset in ("symbols", "daily_bars", "data_coverage")
        }


@pytest.fixture
def loaded(command: Command, database: Database) -> Database:
    """A database with sessions of two quarters, one of them sealed."""
    assert command(*TWO_QUARTERS).code == 0
    assert list(seal(database, [SEALED])) == [SEALED]
    return database


def test_a_restored_database_is_the_same(
    command: Command, loaded: Database, empty_database: Database, tmp_path: Path
) -> None:
    with loaded.connect() as connection:
        before = content(connection)

    backed_up = command("backup", "universe.dump")
    restored = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (backed_up.code, restored.code) == (0, 0)
    assert re.fullmatch(r"universe\.dump: \d+ MB\n", backed_up.out)
    with empty_database.connect() as connection:
        assert content(connection) == before
        bars = connection.execute("SELECT count(*) FROM daily_bars").fetchone()
        assert bars is not None
    assert restored.out == f"{empty_database.address}: 4 sessions, {bars[0]:,} bars\n"
    assert before["sealed"] == [(f"{SEALED}_by_symbol",)]
    assert [path.name for path in tmp_path.glob("*.dump*")] == ["universe.dump"]


@pytest.mark.usefixtures("loaded")
def test_all_that_reads_and_loads_goes_on_with_a_restored_database(
    command: Command,
    empty_database: Database,
    vendor: SimulatedVendor,
    as_user: Callable[[dict[str, str]], None],
) -> None:
    shown = materialized()
    verified = command("verify", "--json")
    assert command("backup", "universe.dump").code == 0
    there = {"UNIVERSE_DATABASE_URL": empty_database.url}
    assert command("restore", "universe.dump", **there).code == 0
    asked = len(asked_sessions(vendor))

    verified_there = command("verify", "--json", **there)
    again = command(*TWO_QUARTERS, **there)

    as_user(there)
    assert materialized() == shown
    assert verified_there.code == verified.code
    assert found(verified_there.out) == found(verified.out)
    assert again.code == 0
    assert len(asked_sessions(vendor)) == asked
    with wiring.open_database(load_settings()).connect() as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("public",)
        # Otherwise the quarter's index by symbol is not read alone, and it counts as not sealed.
        visible = "SELECT relallvisible > 0 FROM pg_class WHERE relname = %s"
        assert connection.execute(visible, (SEALED,)).fetchone() == (True,)


def test_a_backup_of_an_older_release_is_brought_to_this_ones_schema(
    command: Command, empty_database: Database, database: Database
) -> None:
    with made_at("0001", empty_database) as connection:
        make_quarters(connection, [JULY_1])
        connection.execute(
            "INSERT INTO daily_bars"
            " VALUES ('2024-07-01', 'A', 10, 11, 9, 10.5, 100, 10.2, 7, 'grouped')"
        )
    older = {"UNIVERSE_DATABASE_URL": empty_database.url}

    assert command("backup", "universe.dump", **older).code == 0
    with empty_database.connect() as connection:
        assert schema.current_version(connection) == "0001"
        connection.execute("DROP SCHEMA public, dagster CASCADE")
        connection.execute("CREATE SCHEMA public")
    assert command("restore", "universe.dump", **older).code == 0

    with empty_database.connect() as connection, database.connect() as newest:
        assert schema.current_version(connection) == schema.HEAD
        assert stored(connection, JULY_1) == [("A", 10, 11, 9, 10.5, 100, 10.2, 7, "grouped")]
        assert columns(connection) == columns(newest)


def columns(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name !~ '_20..q.$' ORDER BY 1, 2"
    ).fetchall()


def test_a_database_in_use_is_not_restored_into(command: Command, loaded: Database) -> None:
    assert command("backup", "universe.dump").code == 0
    with loaded.connect() as connection:
        before = content(connection)

    ended = command("restore", "universe.dump")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"universe: the database at {loaded.address} is in use, it holds the table "
        "universe_schema_version: restore into one without tables, by a new UNIVERSE_HOME, or a "
        "new database in UNIVERSE_DATABASE_URL\n"
    )
    with loaded.connect() as connection:
        assert content(connection) == before


@pytest.mark.usefixtures("loaded")
def test_a_file_that_is_no_whole_backup_leaves_the_database_empty(
    command: Command, empty_database: Database, tmp_path: Path
) -> None:
    assert command("backup", "universe.dump").code == 0
    whole = (tmp_path / "universe.dump").read_bytes()
    (tmp_path / "cut.dump").write_bytes(whole[: len(whole) * 2 // 3])

    ended = command("restore", "cut.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert ended.code == 1
    assert re.fullmatch(r"universe: pg_restore failed: .+\n", ended.err)
    with empty_database.connect() as connection:
        assert connection.execute(TABLES).fetchall() == []


def program(folder: Path, name: str, version: int, does: str) -> None:
    """Put a program into `folder` that says it is PostgreSQL's of that version."""
    file = folder / name
    file.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo "{name} (PostgreSQL) {version}.1"\n{does}\n'
    )
    file.chmod(0o755)


@pytest.fixture
def first_on_path(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A folder whose programs the user's commands find before the machine's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    return folder


def major(database: Database) -> int:
    with database.connect() as connection:
        return connection.info.server_version // 10000


def test_a_backup_that_fails_leaves_the_one_before(
    command: Command, database: Database, tmp_path: Path, first_on_path: Path
) -> None:
    (tmp_path / "universe.dump").write_text("the one before")
    fails = 'echo half >"${2#--file=}"; echo "pg_dump: error: disk full" >&2; exit 1'
    program(first_on_path, "pg_dump", major(database), fails)

    ended = command("backup", "universe.dump")

    assert (ended.code, ended.err) == (1, "universe: pg_dump failed: disk full\n")
    assert (tmp_path / "universe.dump").read_text() == "the one before"
    assert [path.name for path in tmp_path.glob("universe.dump*")] == ["universe.dump"]


@pytest.mark.parametrize("version", [9, 99])
def test_a_program_of_the_wrong_version_is_passed_over(
    command: Command, database: Database, first_on_path: Path, version: int
) -> None:
    program(first_on_path, "pg_dump", version, "exit 1")

    assert command("backup", "universe.dump").code == 0
    assert shutil.which("pg_dump") == str(first_on_path / "pg_dump")
    assert major(database) not in (9, 99)


@pytest.mark.parametrize(
    ("command_line", "name", "version"),
    [(("backup", "new.dump"), "pg_dump", 9), (("restore", "universe.dump"), "pg_restore", 99)],
)
def test_without_a_program_of_the_servers_version_it_is_said_what_to_install(
    command: Command,
    empty_database: Database,
    tmp_path: Path,
    first_on_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command_line: tuple[str, str],
    name: str,
    version: int,
) -> None:
    (tmp_path / "universe.dump").touch()
    program(first_on_path, name, version, "exit 1")
    monkeypatch.setattr(
        "universe_pipeline.adapters.postgres.backups.backup_file.wheel_binaries",
        lambda: first_on_path,
    )

    ended = command(*command_line, UNIVERSE_DATABASE_URL=empty_database.url)

    number = major(empty_database)
    assert ended.code == 1
    assert ended.err == (
        f"universe: the server is PostgreSQL {number}, and its {name} is not on the PATH: install "
        f"the client programs of PostgreSQL {number}\n"
    )


def test_the_password_is_not_among_the_programs_arguments(
    command: Command, database: Database, tmp_path: Path, first_on_path: Path
) -> None:
    script = 'printf "%s\\n" "$*" "$PGPASSWORD" >given; touch "${2#--file=}"'
    program(first_on_path, "pg_dump", major(database), script)
    glue = "&" if "?" in database.url else "?"
    chosen = f"{database.url}{glue}password=open%20sesame"

    assert command("backup", "universe.dump", UNIVERSE_DATABASE_URL=chosen).code == 0

    arguments, password = (tmp_path / "given").read_text().splitlines()
    assert f"dbname={conninfo_to_dict(database.url)['dbname']}" in arguments
    assert "sesame" not in arguments
    assert password == "open sesame"  # noqa: S105  # a stand-in


def test_a_backup_is_its_owners_only_and_a_part_of_another_name_stays(
    command: Command, database: Database, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "universe.dump.part").symlink_to(other)

    assert command("backup", "universe.dump").code == 0

    assert stat.S_IMODE((tmp_path / "universe.dump").stat().st_mode) == 0o600
    assert other.read_text() == "mine"
    assert (tmp_path / "universe.dump.part").is_symlink()
    assert major(database)


@pytest.mark.parametrize("words", [("backup",), ("report", "--output")])
def test_what_is_no_ordinary_file_is_replaced_by_no_command(
    command: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "out")

    ended = command(*words, "out", UNIVERSE_DATABASE_URL="postgresql://127.0.0.1:1/x")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "universe: out is not an ordinary file: name another\n"
    assert stat.S_ISFIFO((tmp_path / "out").stat().st_mode)


def test_two_backups_at_once_are_both_whole(
    universe: Universe, database: Database, tmp_path: Path, empty_database: Database
) -> None:
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(universe, 2 * ["backup"], 2 * ["universe.dump"]))
    restored = universe(
        "restore", "universe.dump", env={"UNIVERSE_DATABASE_URL": empty_database.url}
    )

    assert [each.returncode for each in (*ended, restored)] == [0, 0, 0]
    assert [path.name for path in tmp_path.glob("*dump*")] == ["universe.dump"]
    assert [path.name for path in tmp_path.glob(".universe-*")] == []
    assert major(database)
