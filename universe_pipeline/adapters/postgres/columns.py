"""Lists of columns in SQL, from the description of the tables (`domain/tables.py`)."""

from collections.abc import Iterable

from psycopg import sql


def listed(names: Iterable[str], alias: str | None = None) -> sql.Composed:
    """`"open", "high"`, or of an alias: `b."open", b."high"`."""
    of = [] if alias is None else [alias]
    return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)


def replaced(names: Iterable[str]) -> sql.Composed:
    """`"open" = excluded."open", "high" = excluded."high"`, for ON CONFLICT DO UPDATE SET."""
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("excluded", name))
        for name in names
    )
