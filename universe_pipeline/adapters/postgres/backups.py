"""Backups: the whole database into one file by pg_dump, and out of it by pg_restore.

Both are those of the server's own major version, where they are installed. An older pg_dump refuses
the server, a newer one will do. A newer pg_restore begins with settings that an older server may
not know, such as transaction_timeout before 17, and an older one may not read the file.
"""

import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Database, for_program
from universe_pipeline.adapters.postgres.embedded_binaries import wheel_binaries
from universe_pipeline.domain.errors import DatabaseError, EmbeddedServerError, UsageError


def back_up(database: Database, file: Path) -> None:
    """Write all of `database`, as it is at this moment, into `file`, which others may go on with.

    Raises:
        DatabaseError: pg_dump of the server's version, or a newer one, is not installed, or it
            failed; `file` is as it was before.
    """
    unfinished = file.with_name(f"{file.name}.part")
    try:
        _run("pg_dump", database, "--format=custom", f"--file={unfinished}")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def restore(database: Database, file: Path) -> None:
    """Fill `database` from `file`, all or nothing, and bring it to this release's schema.

    The backup may be of an older release, an older PostgreSQL or another role; what it grants to
    others is left out, since they may not exist here.

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
    _run("pg_restore", database, *as_one, str(file))
    schema.bring_up_to_date(database)
    with database.connect() as connection:
        # A backup holds neither statistics nor which pages are visible to all: without them plans
        # are bad, and settled quarters count as not settled.
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _run(name: str, database: Database, *arguments: str) -> None:
    with database.connect() as connection:
        program = _program(name, connection.info.server_version // 10000)
    address, environment = for_program(database.url)
    ended = subprocess.run(  # noqa: S603 - our own command, no shell
        [program, *arguments, "--dbname", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise DatabaseError(f"{name} failed: {said[0].removeprefix(f'{name}: error: ')}")


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
