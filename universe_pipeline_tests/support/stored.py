"""What stands in the tables, in plain values."""

from typing import cast

import psycopg

from universe_pipeline_tests.support.simulated_answers import Row


def bars(connection: psycopg.Connection, session: str) -> list[Row]:
    """A session's bars by symbol, bytewise."""
    rows = connection.execute(
        "SELECT symbol, open, high, low, close, volume, vwap, transactions"
        " FROM daily_bars WHERE date = %s ORDER BY symbol",
        (session,),
    ).fetchall()
    return cast("list[Row]", rows)


def statuses(connection: psycopg.Connection) -> dict[str, str]:
    """Every session that was asked for, and its status."""
    rows = connection.execute("SELECT date::text, status FROM session_loads ORDER BY 1").fetchall()
    return dict(rows)


def job_statuses(connection: psycopg.Connection) -> dict[str, str]:
    """Every job as the table has it."""
    rows = connection.execute("SELECT name, status FROM load_jobs ORDER BY 1").fetchall()
    return dict(rows)
