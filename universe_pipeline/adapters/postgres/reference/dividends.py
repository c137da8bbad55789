"""Dividends: their tables, and what is read of them."""

from datetime import date
from typing import Any

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.reference.whole_lists import ListTables, stored_rows
from universe_pipeline.domain.dividends import DIVIDEND_LIST, OUTSIDE_WINDOW
from universe_pipeline.domain.quality import DUPLICATE

_KEEP_DAYS = """
    DELETE FROM listed l USING unsure u
    WHERE coalesce(u.symbol, l.symbol) = l.symbol AND coalesce(u.ex_date, l.ex_date) = l.ex_date
      AND EXISTS (SELECT FROM dividends s WHERE s.symbol = l.symbol AND s.ex_date = l.ex_date)
    """

DIVIDEND_TABLES = ListTables(
    of=DIVIDEND_LIST,
    snapshots="dividend_snapshots",
    revisions="dividend_revisions",
    rejected="rejected_dividends",
    rejected_by=("symbol", "ex_date"),
    completed=_KEEP_DAYS,
    harmless=(DUPLICATE, OUTSIDE_WINDOW),
)
"""A day of which a row cannot be used stays as a whole: its rows number each other."""


def has_dividends(connection: psycopg.Connection) -> bool:
    """Whether any dividend is stored."""
    row = connection.execute("SELECT EXISTS (SELECT FROM dividends)").fetchone()
    return bool(row and row[0])


def stored_dividends(connection: psycopg.Connection) -> pl.DataFrame:
    """Every dividend, announced ones included, by symbol, day and number (`DIVIDEND_SCHEMA`)."""
    return stored_rows(connection, DIVIDEND_TABLES)


def misdated(connection: psycopg.Connection) -> list[tuple[str, date, str]]:
    """Symbol and ex-date of dividends whose dates are not in order, and the dates in words."""
    rows: list[Any] = connection.execute(
        "SELECT symbol, ex_date, concat_ws(', ', 'declared ' || declaration_date,"
        " 'recorded ' || record_date, 'paid ' || pay_date) FROM dividends"
        " WHERE declaration_date > ex_date OR pay_date < record_date ORDER BY 2 DESC, 1, n"
    ).fetchall()
    return rows


def rejected_dividends(
    connection: psycopg.Connection,
) -> list[tuple[str | None, date | None, str]]:
    """Symbol, ex-date and rule of the rows of the newest answers that could not be used."""
    rows: list[Any] = connection.execute(
        "SELECT symbol, ex_date, rule FROM rejected_dividends ORDER BY id"
    ).fetchall()
    return rows
