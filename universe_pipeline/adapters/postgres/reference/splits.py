"""Splits: their tables, and what is read of them."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListSnapshot,
    ListTables,
    newest_list,
    stored_rows,
)
from universe_pipeline.domain.splits import SPLIT_LIST

_KEEP_TYPES = """
    UPDATE listed l SET adjustment_type = s.adjustment_type FROM splits s
    WHERE s.symbol = l.symbol AND s.execution_date = l.execution_date
      AND (s.split_from, s.split_to) = (l.split_from, l.split_to) AND l.adjustment_type IS NULL
    """

SPLIT_TABLES = ListTables(
    of=SPLIT_LIST,
    snapshots="split_snapshots",
    revisions="split_revisions",
    rejected="rejected_splits",
    rejected_by=("symbol", "execution_date"),
    completed=_KEEP_TYPES,
)
"""A split whose ratio stays keeps its type where the list lacks it."""


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The stored splits in a few numbers."""

    by_type: dict[str, int]
    """Empty text: the type is not known."""
    newest: date | None
    """The last execution date up to today."""
    announced: int


def split_figures(connection: psycopg.Connection, today: date) -> SplitFigures:
    """Count the splits as of `today`, the day in New York."""
    by_type = connection.execute(
        "SELECT coalesce(adjustment_type, ''), count(*) FROM splits GROUP BY 1 ORDER BY 2 DESC"
    ).fetchall()
    row: Any = connection.execute(
        "SELECT max(execution_date) FILTER (WHERE execution_date <= %(today)s),"
        " count(*) FILTER (WHERE execution_date > %(today)s) FROM splits",
        {"today": today},
    ).fetchone()
    return SplitFigures(dict(by_type), *row)


def newest_splits(connection: psycopg.Connection) -> ListSnapshot | None:
    """The last list of splits that came in whole, of either endpoint."""
    return newest_list(connection, SPLIT_TABLES)


def stored_splits(connection: psycopg.Connection) -> pl.DataFrame:
    """Every split, announced ones included, by symbol and date (`SPLIT_SCHEMA`)."""
    return stored_rows(connection, SPLIT_TABLES)


def rejected_splits(
    connection: psycopg.Connection,
) -> list[tuple[str | None, date | None, str]]:
    """Symbol, date and rule of the rows of the newest list that could not be used."""
    rows: list[Any] = connection.execute(
        "SELECT symbol, execution_date, rule FROM rejected_splits ORDER BY id"
    ).fetchall()
    return rows
