"""Bars out of the database, and what is known of them."""

from collections.abc import Sequence
from datetime import date

import polars as pl
import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA

_SELECT = sql.SQL("SELECT {} FROM daily_bars").format(listed(DATED_BAR_SCHEMA))


def session_bars(connection: psycopg.Connection, sessions: Sequence[date]) -> pl.DataFrame:
    """All bars of `sessions`, ordered by date and symbol: `DATED_BAR_SCHEMA`."""
    rows = connection.execute(
        _SELECT + sql.SQL(" WHERE date = ANY (%s) ORDER BY date, symbol"),
        (list(sessions),),
    ).fetchall()
    return pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")


def symbols_on(connection: psycopg.Connection, session: date) -> set[str]:
    """The symbols with a bar of the session, from any source."""
    rows = connection.execute("SELECT symbol FROM daily_bars WHERE date = %s", (session,))
    return {row[0] for row in rows}


def sample(connection: psycopg.Connection, session: date, rows: int) -> pl.DataFrame:
    """The session's bars with the largest turnover."""
    found = connection.execute(
        _SELECT + sql.SQL(" WHERE date = %s ORDER BY close * volume DESC LIMIT %s"),
        (session, rows),
    ).fetchall()
    return pl.DataFrame(found, schema=DATED_BAR_SCHEMA, orient="row").drop("date")


def uncovered_loads(connection: psycopg.Connection, sessions: Sequence[date]) -> list[date]:
    """Committed sessions that `data_coverage` does not know yet."""
    rows = connection.execute(
        "SELECT date FROM session_loads WHERE date = ANY (%s) AND NOT covered ORDER BY date",
        (list(sessions),),
    )
    return [row[0] for row in rows]


def bar_counts(
    connection: psycopg.Connection, symbols: Sequence[str], start: date, end: date
) -> dict[str, int]:
    """How many bars each of `symbols` has from `start` to `end`; one without any is absent."""
    rows = connection.execute(
        "SELECT symbol, count(*) FROM daily_bars"
        " WHERE symbol = ANY (%s) AND date BETWEEN %s AND %s GROUP BY symbol",
        (list(symbols), start, end),
    )
    return dict(rows.fetchall())


def symbol_bars(
    connection: psycopg.Connection, symbol: str, sessions: Sequence[date]
) -> pl.DataFrame:
    """A symbol's bars on `sessions`, ordered by date: `DATED_BAR_SCHEMA`."""
    rows = connection.execute(
        _SELECT + sql.SQL(" WHERE symbol = %s AND date = ANY (%s) ORDER BY date"),
        (symbol, list(sessions)),
    ).fetchall()
    return pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")


def covered_symbols(connection: psycopg.Connection) -> list[str]:
    """Symbols of the universe's types that have bars, in order."""
    rows = connection.execute(
        "SELECT symbol FROM data_coverage JOIN symbols USING (symbol)"
        " JOIN chosen_types USING (type) ORDER BY symbol"
    )
    return [row[0] for row in rows]


def held_by_all(
    connection: psycopg.Connection, symbols: Sequence[str], sessions: Sequence[date]
) -> list[str]:
    """Those of `symbols` that have a bar with trades in each of `sessions`, in order."""
    rows = connection.execute(
        "SELECT symbol FROM daily_bars"
        " WHERE symbol = ANY (%s) AND date = ANY (%s) AND volume > 0"
        " GROUP BY symbol HAVING count(*) = %s ORDER BY symbol",
        (list(symbols), list(sessions), len(sessions)),
    )
    return [row[0] for row in rows]
