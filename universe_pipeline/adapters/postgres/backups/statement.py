"""What a backup states about itself: rows and fingerprint of each table, and a digest of its bytes.

The statement stands behind the last byte of pg_dump, where pg_restore never looks:

    file of pg_dump | MARK | JSON | its length, 8 bytes | SHA-256 of all before, 32 bytes | END
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.domain.foreign_text import visible

MARK = b"\nuniverse backup states: "
END = b"universe backup 1"
_LENGTH, _DIGEST = 8, hashlib.sha256().digest_size
_LONGEST = 2**22
"""Bytes at the end of a file among which a statement begins; a table takes about 100."""
_PIECE = 2**20

Progress: TypeAlias = Callable[[int, int], None]
"""Takes the bytes that are done, and those of all."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of a table: how many, and the sum of their hashes, which knows no order."""

    rows: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What a backup states about itself."""

    release: str
    bytes: int
    """Size of the database, with its indexes."""
    tables: dict[str, Counted]
    """By `schema.name`."""

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())


class NotStatedError(DatabaseError):
    """A file without a statement: of an earlier release, or of pg_dump alone."""


_TABLES = r"""
    SELECT n.nspname, c.relname, pg_table_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2
    """

_COUNT = sql.SQL(
    "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {table} t"
)


def count(connection: Connection, progress: Progress) -> dict[str, Counted]:
    """Rows and fingerprint of each table that a backup holds, as the connection sees them."""
    tables = connection.execute(_TABLES).fetchall()
    done, total = 0, sum(size for *_, size in tables)
    found: dict[str, Counted] = {}
    for schema, name, size in tables:
        progress(done, total)
        query = _COUNT.format(table=sql.Identifier(schema, name))
        for rows, fingerprint in connection.execute(query):
            found[f"{schema}.{name}"] = Counted(rows, fingerprint)
        done += size
    return found


def append(dump: Path, statement: Statement) -> None:
    """Write `statement` behind the last byte of pg_dump."""
    text = json.dumps(asdict(statement)).encode()
    with dump.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(MARK + text + len(text).to_bytes(_LENGTH))
        file.flush()
        digest = _digest(file, file.tell(), lambda _done, _total: None)
        file.write(digest + END)


def read(path: Path, progress: Progress) -> Statement:
    """The statement of a backup, all bytes of which are as they were written.

    Raises:
        DatabaseError: the file is cut off, or a byte differs.
        NotStatedError: it states nothing.
    """
    with path.open("rb") as file:
        total = file.seek(0, os.SEEK_END)
        behind = max(total - _DIGEST - len(END), 0)
        file.seek(behind)
        digest, end = file.read(_DIGEST), file.read()
        if end != END:
            raise _without_end(path, file, total)
        if _digest(file, behind, progress) != digest:
            raise DatabaseError(f"{visible(path)} is damaged: a byte is not as it was written")
        return _parsed(path, file, behind)


def _parsed(path: Path, file: BinaryIO, behind: int) -> Statement:
    try:
        file.seek(behind - _LENGTH)
        length = int.from_bytes(file.read(_LENGTH))
        file.seek(behind - _LENGTH - length)
        stated = json.loads(file.read(length))
        tables = {name: Counted(**counted) for name, counted in stated.pop("tables").items()}
        return Statement(**stated, tables=tables)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise DatabaseError(
            f"{visible(path)} states of itself what this release cannot read"
        ) from None


def _without_end(path: Path, file: BinaryIO, total: int) -> DatabaseError:
    file.seek(max(total - _LONGEST, 0))
    if MARK in file.read():
        return DatabaseError(f"{visible(path)} is cut off, or its end is damaged")
    return NotStatedError(
        f"{visible(path)} states no counts of its tables: an earlier release or pg_dump made it, "
        "or its end is missing"
    )


def _digest(file: BinaryIO, length: int, progress: Progress) -> bytes:
    file.seek(0)
    found, done = hashlib.sha256(), 0
    while piece := file.read(min(_PIECE, length - done)):
        found.update(piece)
        done += len(piece)
        progress(done, length)
    return found.digest()
