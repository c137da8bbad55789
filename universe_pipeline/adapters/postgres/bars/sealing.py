"""Sealing: a quarter that is over gets an index by symbol, built at once, and is vacuumed.

While sessions still come in, a quarter has its primary key only: kept up row by row, the index
would make each COPY three times as long, and grow to twice its size. It holds all columns, so that
one symbol's history is read from it alone; for that the rows must also be marked as visible to all,
which is what the vacuum does.

A quarter counts as sealed by what the server's own catalogue says, so that a restored database, or
one where sealing was interrupted, is sealed again.
"""

from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.bars.quarters import quarter_of
from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.adapters.postgres.locks import SEALING_LOCK
from universe_pipeline.domain.bars import BAR_VALUES
from universe_pipeline.domain.session_state import COMMITTED

QUIET = timedelta(days=1)
"""A quarter that lacks sessions is sealed when nothing was loaded into it for so long."""

_OVER = """
    SELECT min(k.date) FROM nyse_sessions k
    LEFT JOIN session_loads l ON l.date = k.date AND l.status = ANY (%(committed)s)
    WHERE k.date >= %(first)s
    GROUP BY date_trunc('quarter', k.date)
    HAVING max(k.date) < %(open)s AND count(l.date) > 0
       AND (count(l.date) = count(*) OR max(l.fetched_at) < %(quiet_since)s)
    ORDER BY 1
    """

_SEALED = """
    SELECT c.relname FROM pg_inherits p
    JOIN pg_class c ON c.oid = p.inhrelid AND (c.relallvisible > 0 OR c.reltuples = 0)
    JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid
    JOIN pg_class x ON x.oid = i.indexrelid AND x.relname = c.relname || '_by_symbol'
    WHERE p.inhparent = 'daily_bars'::regclass
    """

_INDEX = sql.SQL(
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {quarter} (symbol, date)"
    " INCLUDE ({values}) WITH (fillfactor = 100)"
)

_INVALID = "SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"


def unsealed(
    connection: psycopg.Connection, first: date, still_open: date, now: datetime
) -> list[str]:
    """The quarters (tables) that are over and not sealed yet, in order.

    Args:
        connection: to the database.
        first: the first session that can be loaded.
        still_open: the first session that is still to come, or to be fetched again.
        now: the database's time.
    """
    given = {
        "committed": list(COMMITTED),
        "first": first,
        "open": still_open,
        "quiet_since": now - QUIET,
    }
    over = [quarter_of(row[0])[0] for row in connection.execute(_OVER, given)]
    sealed = {row[0] for row in connection.execute(_SEALED)}
    return [quarter for quarter in over if quarter not in sealed]


def seal(connection: psycopg.Connection, quarter: str) -> bool:
    """Build the quarter's index by symbol and vacuum it; readers and writers go on meanwhile.

    Args:
        connection: in autocommit mode.
        quarter: name of a partition of `daily_bars`.

    Returns:
        False if another process is sealing: then nothing was done.
    """
    # Never waited for: a statement that waits has a snapshot, for whose end the index would wait.
    held = connection.execute("SELECT pg_try_advisory_lock(%s)", (SEALING_LOCK,)).fetchone()
    if held != (True,):
        return False
    try:
        _seal(connection, sql.Identifier(quarter), f"{quarter}_by_symbol")
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (SEALING_LOCK,))
    return True


def _seal(connection: psycopg.Connection, quarter: sql.Identifier, index: str) -> None:
    names = {"index": sql.Identifier(index), "quarter": quarter, "values": listed(BAR_VALUES)}
    if connection.execute(_INVALID, (index,)).fetchone() is not None:  # it was interrupted
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {index}").format(**names))
    connection.execute(_INDEX.format(**names))
    connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {quarter}").format(**names))
