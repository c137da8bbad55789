"""`backup --verify`: each way in which a backup may be spoilt is found, in one line."""

import json
import re
import shlex
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres.backups import statement
from universe_pipeline.adapters.postgres.backups.backup_file import client_program
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.cli.test_backup import (
    TABLES,
    first_on_path,
    major,
    program,
)
from universe_pipeline_tests.cli.test_restore import dump
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.older_releases import made_at
from universe_pipeline_tests.support.session_answers import JULY_1, answered, bar, write_session

__all__ = ["first_on_path"]

DELETING = """
import psycopg, sys
psycopg.connect(sys.argv[1], autocommit=True).execute("DELETE FROM daily_bars")
"""

DAMAGED = r"^universe: universe\.dump is (damaged: |cut off, or its end is damaged$)"
CUT_OFF = r"^universe: universe\.dump (is cut off, |.* or its end is missing$)"

NOWHERE = "postgresql://127.0.0.1:1/nowhere"
"""Verifying asks no database of the user's."""


@pytest.fixture
def stored(database: Database) -> Database:
    """A database with two bars of a session, and Dagster's tables."""
    with database.connect() as connection:
        make_quarters(connection, [JULY_1])
        write_session(connection, answered(JULY_1, bar("A"), bar("B")), None)
    return database


@pytest.fixture
def backup(command: Command, stored: Database, tmp_path: Path) -> Path:
    """A backup of it."""
    assert command("backup", "universe.dump").code == 0
    return tmp_path / "universe.dump"


def verify(command: Command) -> str:
    """What the command says of a file that it refuses, in one line."""
    ended = command("backup", "--verify", "universe.dump", UNIVERSE_DATABASE_URL=NOWHERE)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    return ended.err


@pytest.mark.usefixtures("backup")
def test_a_whole_backup_is_restored_on_trial_and_leaves_nothing(
    command: Command, stored: Database, tmp_path: Path
) -> None:
    with stored.connect() as connection:
        tables = connection.execute(TABLES).fetchall()
        tables.remove(("public", "daily_bars"))  # its rows are in its quarters
        counts = [
            connection.execute(f"SELECT count(*) FROM {schema}.{name}".encode()).fetchone() or (0,)
            for schema, name in tables
        ]

    ended = command("backup", "--verify", "universe.dump", UNIVERSE_DATABASE_URL=NOWHERE)

    rows = sum(count for (count,) in counts)
    assert ended.code == 0, ended.err
    assert ended.out == (
        f"universe.dump: {len(tables)} tables with {rows:,} rows, restored and as stated\n"
    )
    assert not (tmp_path / "universe/verify").exists()


@pytest.mark.usefixtures("backup")
def test_files_where_a_backup_is_verified_are_not_deleted(command: Command, tmp_path: Path) -> None:
    notes = tmp_path / "universe/verify/notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("kept")

    assert "holds notes.txt: move that elsewhere" in verify(command)
    assert notes.read_text() == "kept"


def test_each_flipped_byte_and_each_cut_is_found(command: Command, backup: Path) -> None:
    whole = backup.read_bytes()
    inside = whole.index(statement.MARK) + 40
    for place in (9, len(whole) // 7, len(whole) // 2, inside, len(whole) - 30, len(whole) - 1):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert re.search(DAMAGED, verify(command)), place
    for length in (len(whole) - 1, inside, len(whole) // 2, 5, 0):
        backup.write_bytes(whole[:length])
        assert re.search(CUT_OFF, verify(command)), length


def test_a_file_of_an_earlier_release_is_named(
    command: Command, empty_database: Database, tmp_path: Path
) -> None:
    with made_at("0001", empty_database):
        pass  # until here a program of that release
    dump(empty_database, tmp_path / "universe.dump")

    assert verify(command) == (
        "universe: universe.dump states no counts of its tables: an earlier release or pg_dump "
        "made it, or its end is missing\n"
    )


def test_a_table_that_is_restored_with_other_rows_is_named(command: Command, backup: Path) -> None:
    restate(backup, lambda tables: tables["public.daily_bars_2024q3"].update(fingerprint="1"))

    assert verify(command) == (
        "universe: universe.dump is damaged: public.daily_bars_2024q3 is restored with other rows "
        "than the backup states\n"
    )


def test_a_damaged_backup_is_not_restored(
    command: Command, backup: Path, empty_database: Database
) -> None:
    whole = bytearray(backup.read_bytes())
    whole[len(whole) // 2] ^= 1
    backup.write_bytes(whole)

    ended = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.err) == (
        1,
        "universe: universe.dump is damaged: a byte is not as it was written\n",
    )
    with empty_database.connect() as connection:
        assert connection.execute(TABLES).fetchall() == []


def test_what_is_written_while_a_backup_is_made_is_neither_stated_nor_saved(
    command: Command, stored: Database, first_on_path: Path
) -> None:
    late = shlex.join([sys.executable, "-c", DELETING, stored.url])
    real = client_program("pg_dump", major(stored))
    program(first_on_path, "pg_dump", major(stored), f'{late}; exec {real} "$@"')

    assert command("backup", "universe.dump").code == 0

    with stored.connect() as connection:
        assert connection.execute("SELECT count(*) FROM daily_bars").fetchone() == (0,)
    ended = command("backup", "--verify", "universe.dump", UNIVERSE_DATABASE_URL=NOWHERE)
    assert ended.code == 0, ended.err


def restate(file: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    """Let a backup state something else of its tables, with a digest that fits."""
    dumped, _, rest = file.read_bytes().partition(statement.MARK)
    stated, _ = json.JSONDecoder().raw_decode(rest.decode("latin-1"))
    change(stated["tables"])
    text = json.dumps(stated).encode()
    written = dumped + statement.MARK + text + len(text).to_bytes(8)
    file.write_bytes(written + sha256(written).digest() + statement.END)
