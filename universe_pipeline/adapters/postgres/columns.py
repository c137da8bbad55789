"""Lists of columns in SQL, from the description of the tables (`domain/tables.py`).

They are texts: psycopg would quote each identifier again each time that a statement is executed,
0.1 ms a session.
"""

from collections.abc import Iterable
from typing import LiteralString, cast

from psycopg import sql


def listed(names: Iterable[str], alias: str | None = None) -> sql.SQL:
    """`"open", "high"`, or of an alias: `b."open", b."high"`."""
    of = [] if alias is None else [alias]
    return _text(sql.Identifier(*of, name) for name in names)


def replaced(names: Iterable[str]) -> sql.SQL:
    """`"open" = excluded."open", "high" = excluded."high"`, for ON CONFLICT DO UPDATE SET."""
    return _text(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("excluded", name))
        for name in names
    )


def _text(parts: Iterable[sql.Composable]) -> sql.SQL:
    return sql.SQL(cast("LiteralString", sql.SQL(", ").join(parts).as_string()))
