"""What a file of `pg_dump -Fc` would run, read from its table of contents without running anything.

The SQL of a stranger's file may differ from its title ("TABLE"), so that the statements count, not
the titles. A file is refused unless each statement makes tables, views and what belongs to them, or
a function that, like a view, only reads.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible

VERSION_TABLE = "universe_schema_version"

_MAGIC, _CUSTOM = b"PGDMP", 1
_OLDEST, _COMPRESSED_BY_NAME, _WITH_RELKIND = (1, 14), (1, 15), (1, 16)
"""Formats of pg_dump 12 to 15, of 16, and of 17 and 18."""

_LONGEST = 2**24
"""Bytes of a text in the contents: the longest view has some thousand."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the file, with what would be run for it."""

    kind: str
    schema: str
    name: str
    sql: str
    copy: str
    """The statement that takes up its rows; empty where it has none."""

    def __str__(self) -> str:
        return visible(f"{self.kind} {self.schema}{'.' if self.schema else ''}{self.name}")


def require_own(file: Path) -> None:
    """Refuse a file that is not a backup of a database of ours, or that would run anything else.

    Raises:
        UsageError: names the first object that no backup has, or says what the file lacks.
    """
    entries = contents(file)
    if not any((one.kind, one.schema, one.name) == _VERSION for one in entries):
        raise UsageError(
            f"{visible(file)} is not a backup of `universe backup`: it lists no {VERSION_TABLE}"
        )
    if strange := next((one for one in entries if not _is_usual(one)), None):
        raise UsageError(
            f"{visible(file)} is refused, and nothing of it was run: it holds {strange}, and a "
            "backup may hold only tables, views and what belongs to them"
        )


_VERSION = ("TABLE DATA", "public", VERSION_TABLE)


def contents(file: Path) -> list[Entry]:
    """The objects of a file, in its order.

    Raises:
        UsageError: it is not a file of `pg_dump -Fc` that this release can read.
        OSError: it cannot be opened.
    """
    with file.open("rb") as opened:
        try:
            return list(_entries(_Reader(opened)))
        except (ValueError, EOFError):
            raise UsageError(
                f"{visible(file)} is not a backup of `universe backup`: its beginning is not that "
                "of a file of `pg_dump -Fc`, or is of a version that is not known here"
            ) from None


class _Reader:
    """The numbers and texts that pg_dump writes, most of which name their own length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        if self.bytes(len(_MAGIC)) != _MAGIC:
            raise ValueError
        self.version = (self.byte(), self.byte())
        self.byte()  # the revision
        self._integer, self.offset, kind = self.byte(), self.byte(), self.byte()
        if not _OLDEST <= self.version <= _WITH_RELKIND or kind != _CUSTOM:
            raise ValueError

    def bytes(self, count: int) -> bytes:
        if not 0 <= count <= _LONGEST:
            raise ValueError
        found = self._file.read(count)
        if len(found) < count:
            raise EOFError
        return found

    def byte(self) -> int:
        return self.bytes(1)[0]

    def number(self) -> int:
        sign = -1 if self.byte() else 1
        return sign * int.from_bytes(self.bytes(self._integer), "little")

    def text(self) -> str | None:
        length = self.number()
        return None if length < 0 else self.bytes(length).decode("utf-8", "surrogateescape")


def _entries(read: _Reader) -> Iterator[Entry]:
    _skip(read.byte if read.version >= _COMPRESSED_BY_NAME else read.number)
    _skip(*7 * [read.number])  # when it was made
    _skip(*3 * [read.text])  # of which database, by which versions
    for _ in range(read.number()):
        yield _entry(read)


def _skip(*parts: Callable[[], object]) -> None:
    for part in parts:
        part()


def _entry(read: _Reader) -> Entry:
    _skip(read.number, read.number, read.text, read.text)  # numbers that identify it
    name, kind = read.text(), read.text()
    _skip(read.number)  # its section
    sql, _drop, copy, schema = read.text(), read.text(), read.text(), read.text()
    _skip(read.text, read.text)  # tablespace and access method
    if read.version >= _WITH_RELKIND:
        _skip(read.number)
    _skip(read.text, read.text)  # owner, and whether it has OIDs
    while read.text() is not None:
        pass  # what it depends on
    read.bytes(1 + read.offset)  # where its rows are
    return Entry(kind or "", schema or "", name or "", sql or "", copy or "")


_NEVER_RUN = {"ACL", "DEFAULT ACL", "DATABASE", "DATABASE PROPERTIES"}
"""By pg_restore with --no-privileges and without --create."""

_NAME = r'(?:(?:"[^"]+"|\w+)\.)?(?:"[^"]+"|\w+)'
_TABLE = rf"CREATE (?:UNLOGGED )?TABLE {_NAME} (?:\(|PARTITION OF )"
_ALTER_TABLE = rf"ALTER (?:TABLE|INDEX|SEQUENCE|VIEW|STATISTICS)(?: ONLY)? {_NAME} "

_USUAL = {
    "ENCODING": r"SET client_encoding = '\w+';",
    "STDSTRINGS": r"SET standard_conforming_strings = 'on';",
    "SEARCHPATH": r"SELECT pg_catalog\.set_config\('search_path', '', false\);",
    "SCHEMA": rf"CREATE SCHEMA {_NAME};",
    "TABLE": f"{_TABLE}|{_ALTER_TABLE}",
    "VIEW": rf"CREATE VIEW {_NAME} ",
    "MATERIALIZED VIEW": rf"CREATE MATERIALIZED VIEW {_NAME} ",
    "MATERIALIZED VIEW DATA": rf"REFRESH MATERIALIZED VIEW {_NAME};",
    "SEQUENCE": rf"CREATE SEQUENCE {_NAME}|{_ALTER_TABLE}",
    "SEQUENCE SET": r"SELECT pg_catalog\.setval\('(?:[^']|'')+', \d+, (?:true|false)\);",
    "INDEX": rf"CREATE (?:UNIQUE )?INDEX {_NAME} ON |{_ALTER_TABLE}",
    "STATISTICS": rf"CREATE STATISTICS {_NAME} |{_ALTER_TABLE}",
    "COMMENT": "COMMENT ON ",
    "AGGREGATE": r"CREATE AGGREGATE public\.split_product\(double precision\) \("
    r"\s*SFUNC = float8mul,\s*STYPE = double precision,\s*INITCOND = '1',\s*PARALLEL = safe\s*\);",
    "TYPE": rf"CREATE TYPE {_NAME} AS (?:ENUM |RANGE )?\(",
    **dict.fromkeys(
        (
            *("SEQUENCE OWNED BY", "TABLE ATTACH", "INDEX ATTACH", "DEFAULT"),
            *("CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT"),
        ),
        _ALTER_TABLE,
    ),
}
"""How each statement of an object begins, by its kind."""

_FUNCTION = re.compile(
    rf"CREATE FUNCTION {_NAME}\((?:[\w ,\[\]]|DEFAULT NULL::\w+)*\) RETURNS [\w ,()\[\]]+"
    r"\s+LANGUAGE sql STABLE PARALLEL SAFE\s+AS \$(\w*)\$(?P<body>[^$]*)\$\1\$;\s*"
)
"""A function that only reads: PostgreSQL lets none that is STABLE write, and SQL is as a view's."""

_COPY = re.compile(rf'COPY {_NAME} (?:\((?:"[^"]+"|[\w, ])*\) )?FROM stdin;\s*')

_TEXT = r"""(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*'"""
"""With escapes, or without. The first form goes first, as for the server."""

_STATEMENT = re.compile(
    rf"""
    (?> {_TEXT}
      | "(?:[^"]|"")*"                              # a name
      | (?!--|/\*|(?<![\w$])[eE]')[^'";$]           # neither comments nor dollar quotes
    )*+ ;
    """,
    re.VERBOSE | re.DOTALL,
)
"""Takes nothing back: what it reads in another way than the server must not become a statement."""

_TEXTS = re.compile(_TEXT, re.VERBOSE | re.DOTALL)

_REACHING_OUT = re.compile(
    r"\b(?:lo_\w+|pg_(?:file|read|write|ls|reload|rotate|promote|terminate|cancel|create|drop|wal"
    r"|switch|replication|logical)_\w+|pg_\w*(?:file|logdir|settings)\w*|set_config|dblink\w*"
    r'|(?:query|table|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite|u&")',
    re.IGNORECASE,
)
"""What runs a text as SQL, reads or writes the server's files, or acts upon the server.

A view or a default that calls it acts with the rights of the account that reads or loads later.
"""


def _is_usual(entry: Entry) -> bool:
    if entry.kind in _NEVER_RUN:
        return True
    if entry.kind == "TABLE DATA":
        return not entry.sql and bool(_COPY.fullmatch(entry.copy))
    if entry.kind == "FUNCTION":
        return not entry.copy and _only_reads(entry)
    usual = _USUAL.get(entry.kind)
    if usual is None or entry.copy:
        return False
    statements = _statements(entry.sql)
    return statements is not None and all(
        re.match(usual, each) and not _reaches_out(entry, each) for each in statements
    )


def _only_reads(entry: Entry) -> bool:
    function = _FUNCTION.fullmatch(entry.sql)
    body = None if function is None else _statements(f"{function['body'].rstrip()};")
    return body is not None and len(body) == 1 and not _reaches_out(entry, body[0])


def _reaches_out(entry: Entry, statement: str) -> bool:
    if entry.kind in ("COMMENT", "SEARCHPATH"):
        return False
    return bool(_REACHING_OUT.search(_TEXTS.sub("''", statement)))


def _statements(sql: str) -> list[str] | None:
    """The statements of an object; None where it is uncertain where each ends."""
    found = [each.group().strip() for each in _STATEMENT.finditer(sql)]
    rest = _STATEMENT.sub("", sql)
    return found if not rest.strip() else None
