"""Backups: the whole database into one file by pg_dump, and out of it by pg_restore.

Both are those of the server's own major version, where they are installed. An older pg_dump refuses
the server, a newer one will do. A newer pg_restore begins with settings that an older server may
not know, such as transaction_timeout before 17, and an older one may not read the file.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeAlias

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Database, for_program
from universe_pipeline.adapters.postgres.embedded_binaries import wheel_binaries
from universe_pipeline.domain.errors import DatabaseError, EmbeddedServerError, UsageError

Reports: TypeAlias = Callable[[str, int, int | None, str], None]
"""Takes an activity, how much of it is done, of how much in all (None: not known), and a note."""

A_MEGABYTE = 1_000_000


def back_up(database: Database, file: Path, reports: Reports) -> None:
    """Write all of `database`, as it is at this moment, into `file`, which others may go on with.

    Args:
        database: the database.
        file: replaced when the backup is whole.
        reports: called with megabytes of tables, when the next table is begun.

    Raises:
        DatabaseError: pg_dump of the server's version, or a newer one, is not installed, or it
            failed; `file` is as it was before.
    """
    unfinished = file.with_name(f"{file.name}.part")
    try:
        dumped = _Dumped(_table_sizes(database), reports)
        _run("pg_dump", database, "--format=custom", f"--file={unfinished}", on_line=dumped.take)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


class _Dumped:
    """What pg_dump has done, by what it says: its file is compressed, and does not show it."""

    def __init__(self, sizes: dict[str, int], reports: Reports) -> None:
        self._sizes, self._reports = sizes, reports
        self._done, self._table = 0, ""

    def take(self, line: str) -> None:
        if begins := re.search(r'dumping contents of table "(.+)"', line):
            self._done += self._sizes.get(self._table, 0)
            self._table = begins[1]
            done, total = self._done // A_MEGABYTE, sum(self._sizes.values()) // A_MEGABYTE
            self._reports("MB saved", done, total, self._table)


def _table_sizes(database: Database) -> dict[str, int]:
    """Bytes of each table, without its indexes, by the name that pg_dump gives it."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT n.nspname || '.' || c.relname, pg_table_size(c.oid) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    return dict(rows)


def restore(database: Database, file: Path, reports: Reports) -> None:
    """Fill `database` from `file`, all or nothing, and bring it to this release's schema.

    The backup may be of an older release, an older PostgreSQL or another role; what it grants to
    others is left out, since they may not exist here.

    Args:
        database: one without tables.
        file: of `back_up`, or of pg_dump -Fc.
        reports: called with megabytes of the file, then when statistics are made.

    Raises:
        UsageError: `database` is in use already.
        DatabaseError: pg_restore of the server's version is not installed, or it failed.
        SchemaTooNewError: all is restored, but was backed up by a newer release.
    """
    with database.connect() as connection:
        if schema.current_version(connection) is not None:
            raise UsageError(
                f"the database at {database.address} is in use: restore into one without tables, "
                "by a new UNIVERSE_HOME, or a new database in UNIVERSE_DATABASE_URL"
            )
    as_one = ("--single-transaction", "--no-owner", "--no-privileges")
    with file.open("rb") as backup:
        restored = _Restored(backup, reports)
        _run("pg_restore", database, *as_one, stdin=backup, on_line=restored.take)
    schema.bring_up_to_date(database)
    reports("statistics", 0, None, "")
    with database.connect() as connection:
        # A backup holds neither statistics nor which pages are visible to all: without them plans
        # are bad, and settled quarters count as not settled.
        connection.execute("VACUUM (FREEZE, ANALYZE)")


class _Restored:
    """How far pg_restore is in the file, whose descriptor, and so its position, it shares."""

    def __init__(self, backup: IO[bytes], reports: Reports) -> None:
        self._backup, self._reports = backup.fileno(), reports
        self._total = os.fstat(self._backup).st_size // A_MEGABYTE

    def take(self, line: str) -> None:
        done = os.lseek(self._backup, 0, os.SEEK_CUR) // A_MEGABYTE
        named = re.search(r'"(.+)"', line)
        self._reports("MB restored", done, self._total, named[1] if named else "")


def _run(
    name: str,
    database: Database,
    *arguments: str,
    on_line: Callable[[str], None],
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    with database.connect() as connection:
        program = _program(name, connection.info.server_version // 10000)
    address, environment = for_program(database.url)
    with subprocess.Popen(  # noqa: S603 - our own command, no shell
        [program, *arguments, "--verbose", "--dbname", address],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**environment, "LC_ALL": "C"},  # what it says is read
        text=True,
        errors="replace",
    ) as running:
        try:
            said = _said(name, running.stderr or (), on_line)
        except BaseException:
            running.kill()
            raise
    if running.returncode != 0:
        why = said.removeprefix(f"{name}: error: ") or f"exit code {running.returncode}"
        raise DatabaseError(f"{name} failed: {why}")


def _said(name: str, lines: Iterable[str], on_line: Callable[[str], None]) -> str:
    """Its first error; or what it said last, as a program that could not be started does."""
    error = last = ""
    for line in lines:
        on_line(line)
        last = line.strip() or last
        if not error and line.startswith(f"{name}: error: "):
            error = line.strip()
    return error or last


def _program(name: str, server: int) -> Path:
    """The machine's program, or the embedded server's."""
    found: dict[int, Path] = {}
    with suppress(EmbeddedServerError):
        embedded = wheel_binaries() / name
        found[_major(embedded)] = embedded
    if machines := shutil.which(name):
        found[_major(Path(machines))] = Path(machines)
    newest = max(found, default=0) if name == "pg_dump" else server
    fitting = [version for version in found if server <= version <= newest]
    if not fitting:
        raise DatabaseError(
            f"the server is PostgreSQL {server}, and its {name} is not on the PATH: install the "
            f"client programs of PostgreSQL {server}"
        )
    return found[min(fitting)]


def _major(program: Path) -> int:
    said = subprocess.run(  # noqa: S603 - our own command, no shell
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0
