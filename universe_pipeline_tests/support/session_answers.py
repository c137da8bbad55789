"""Answers of a session or of a symbol, written by hand, and what stands in the tables of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from psycopg import sql

from universe_pipeline.adapters.postgres.bars import copy_binary
from universe_pipeline.adapters.postgres.bars.writing import (
    EncodedSession,
    EncodedSymbol,
    Write,
    locked_session,
    locked_symbol,
    write_locked,
    write_symbol_locked,
)
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import resolve_symbol_failures
from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA, Bars, RejectedRow
from universe_pipeline.loading.sessions import Encoding, encode_session

Row = tuple[Any, ...]

JULY_1, JULY_2, JULY_3, JULY_5, JULY_8, JULY_9 = (
    date(2024, 7, 1),
    date(2024, 7, 2),
    date(2024, 7, 3),
    date(2024, 7, 5),
    date(2024, 7, 8),
    date(2024, 7, 9),
)
"""Sessions around a holiday and a weekend."""

T1, T2, T3, T4 = (datetime(2024, 7, 10, hour, tzinfo=UTC) for hour in (12, 13, 14, 15))
"""Hours of one day, in which requests are made."""

A_DAY = timedelta(days=1)


def bar(symbol: str = "AAPL", **changes: Any) -> Row:
    """A bar: symbol, open, high, low, close, volume, vwap, transactions."""
    values = (symbol, 10.0, 11.0, 9.0, 10.5, 1000.0, 10.2, 12)
    return tuple((dict(zip(BAR_SCHEMA, values, strict=True)) | changes).values())


def grouped(row: Row) -> Row:
    """What `stored` shows of a bar that came by the grouped endpoint."""
    return (*row, "grouped")


def by_symbol(row: Row) -> Row:
    """What `stored` shows of a bar that came by the per-symbol endpoint."""
    return (*row, "symbol")


def answered(
    session: date,
    *rows: Row,
    at: datetime = T1,
    final_by_age: bool = False,
    rejected: Sequence[RejectedRow] = (),
    batch_rows: int | None = None,
) -> EncodedSession:
    """A grouped answer on its way to the writer."""
    frame = pl.DataFrame(list(rows), schema=BAR_SCHEMA, orient="row")
    encoding = Encoding(batch_rows=batch_rows)
    encoded, _ = encode_session(Bars(frame, tuple(rejected)), session, at, encoding)
    return replace(encoded, final_by_age=final_by_age)


def answered_symbol(
    symbol: str,
    sessions: Sequence[date],
    bars: Mapping[date, Row],
    at: datetime = T1,
    rejected: Sequence[RejectedRow] = (),
) -> EncodedSymbol:
    """A per-symbol answer over `sessions` on its way to the writer."""
    rows = [(day, *row) for day, row in bars.items()]
    frame = pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")
    return EncodedSymbol(
        symbol=symbol,
        sessions=sessions,
        asked=[(sessions[0], sessions[-1] + A_DAY)],
        buffers=list(copy_binary.encode(frame, "symbol").buffers()),
        rejected=rejected,
        requested_at=at,
    )


def stored(connection: Connection, session: date) -> list[Row]:
    """The session's bars by symbol: as `bar`, and the source."""
    return connection.execute(
        "SELECT symbol, open, high, low, close, volume, vwap, transactions, source"
        " FROM daily_bars WHERE date = %s ORDER BY symbol",
        (session,),
    ).fetchall()


def versions(connection: Connection, table: str = "daily_bars") -> list[Row]:
    """The rows' physical versions: any write shows, also one of the same values."""
    query = sql.SQL("SELECT tableoid::regclass::text, ctid::text, xmin::text FROM {} ORDER BY 1, 2")
    return connection.execute(query.format(sql.Identifier(table))).fetchall()


def load_of(connection: Connection, session: date, *columns: str) -> Row | None:
    """Some columns of the session's row in `session_loads`."""
    row = connection.execute("SELECT * FROM session_loads WHERE date = %s", (session,))
    names = [column.name for column in row.description or ()]
    found = row.fetchone()
    return found and tuple(dict(zip(names, found, strict=True))[column] for column in columns)


def requests_of(connection: Connection, symbol: str) -> list[Row]:
    """The symbol's requests, oldest first: when, and the days that no newer one was for."""
    return connection.execute(
        "SELECT fetched_at, loaded::text FROM symbol_requests WHERE symbol = %s"
        " ORDER BY fetched_at",
        (symbol,),
    ).fetchall()


def revisions(connection: Connection, *columns: str) -> list[Row]:
    """Some columns of `bar_revisions`, oldest first."""
    cursor = connection.execute("SELECT * FROM bar_revisions ORDER BY replaced_at, symbol")
    names = [column.name for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return [tuple(row[column] for column in columns) for row in rows]


def write_session(connection: Connection, answer: EncodedSession, run_id: str | None) -> Write:
    """Store one session's answer and its `session_loads` row in one transaction."""
    with locked_session(connection, answer.session) as standing:
        return write_locked(connection, standing, answer, run_id)


def write_symbol(connection: Connection, answer: EncodedSymbol, run_id: str | None) -> Write:
    """Store one symbol's answer and the record of what was asked for in one transaction."""
    at = answer.requested_at
    with locked_symbol(connection, answer.symbol, answer.sessions, at) as writable:
        write = write_symbol_locked(connection, answer, writable, run_id)
        resolve_symbol_failures(connection, answer.symbol, answer.sessions)
    return write
