"""Whole tables as frames, a column at a time: a row at a time takes several times as long."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, LiteralString, cast

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.multirange import Multirange

from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.domain.tables import COLUMNS, Role, names


def frame(
    connection: psycopg.Connection,
    table: str,
    columns: Sequence[str],
    source: LiteralString | None = None,
    **given: Any,
) -> pl.DataFrame:
    """The rows of a table or view, by its key.

    Args:
        connection: to the database.
        table: by its name in `domain.tables.COLUMNS`, which knows the types.
        columns: those to read.
        source: what to read instead of the whole table, as after FROM.
        given: the parameters of `source`.
    """
    kinds = {column.name: column.polars for column in COLUMNS[table]}
    with connection.cursor(binary=True) as cursor:
        query = _query(table, tuple(columns), source or cast("LiteralString", table))
        row: Any = cursor.execute(query, given).fetchone()
    found = zip(columns, row, strict=True)
    return pl.DataFrame([_series(name, kinds[name], values) for name, values in found])


@lru_cache(maxsize=32)
def _query(table: str, columns: tuple[str, ...], source: LiteralString) -> sql.Composed:
    """Each column as an array."""
    statement = sql.SQL("SELECT {arrays} FROM (SELECT * FROM {source} ORDER BY {keys}) AS ordered")
    return statement.format(
        arrays=sql.SQL(", ").join(
            sql.SQL("array_agg({})").format(sql.Identifier(name)) for name in columns
        ),
        source=sql.SQL(source),
        keys=listed(names(table, Role.KEY)),
    )


def _series(name: str, kind: pl.DataType, values: Sequence[Any] | None) -> pl.Series:
    shown = [_shown(value) for value in values] if isinstance(kind, pl.List) and values else values
    return pl.Series(name, shown or [], kind)


def _shown(value: Any) -> Any:
    if not isinstance(value, Multirange):
        return value
    return [{"lower": one.lower, "upper": one.upper} for one in cast("Multirange[Any]", value)]
