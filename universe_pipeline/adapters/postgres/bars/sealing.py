"""Sealing: a quarter that is over gets an index by symbol, built at once, and is vacuumed.

While sessions still come in, a quarter has its primary key only: kept up row by row, the index
would make each COPY three times as long, and grow to twice its size. It holds all columns, so that
one symbol's history is read from it alone; for that the rows must also be marked as visible to all,
which is what the vacuum does.

A quarter counts as sealed by what the server's own catalogue says, so that a restored database, or
one where sealing was interrupted, is sealed again.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import date, datetime, timedelta

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.bars.quarters import quarter_of
from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.locks import SEALING_LOCK
from universe_pipeline.domain.bars import BAR_VALUES
from universe_pipeline.domain.session_state import COMMITTED

AT_ONCE = 2
"""Quarters that are sealed at once, each by one process of the server.

Processes that share a quarter, as PostgreSQL has them, take more of two processors for as much.
"""

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

_OWNED = """
    SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'daily_bars'::regclass
    """

_INDEX = sql.SQL(
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {quarter} (symbol, date)"
    " INCLUDE ({values}) WITH (fillfactor = 100)"
)

_INVALID = "SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"


def unsealed(connection: Connection, first: date, still_open: date, now: datetime) -> list[str]:
    """The quarters (tables) that are over and not sealed yet, in order.

    None for a role that does not own them: PostgreSQL lets only the owner make an index.

    Args:
        connection: to the database.
        first: the first session that can be loaded.
        still_open: the first session that is still to come, or to be fetched again.
        now: the database's time.
    """
    if connection.execute(_OWNED).fetchone() != (True,):
        return []
    given = {
        "committed": list(COMMITTED),
        "first": first,
        "open": still_open,
        "quiet_since": now - QUIET,
    }
    over = [quarter_of(row[0])[0] for row in connection.execute(_OVER, given)]
    sealed = {row[0] for row in connection.execute(_SEALED)}
    return [quarter for quarter in over if quarter not in sealed]


def seal(database: Database, quarters: Sequence[str]) -> Iterator[str]:
    """Build the quarters' indexes by symbol and vacuum them; readers and writers go on meanwhile.

    Args:
        database: where they are.
        quarters: names of partitions of `daily_bars`.

    Yields:
        Each quarter that is sealed; none if another process is sealing.
    """
    with database.connect() as connection:
        # Never waited for: what waits has a snapshot, for whose end an index would wait.
        held = connection.execute("SELECT pg_try_advisory_lock(%s)", (SEALING_LOCK,)).fetchone()
        if held == (True,):
            yield from _sealed(database, quarters)


def _sealed(database: Database, quarters: Sequence[str]) -> Iterator[str]:
    connections: list[Connection] = []

    def work(quarter: str) -> str:
        with database.connect() as connection:
            connections.append(connection)
            connection.execute("SET max_parallel_maintenance_workers = 0")
            _seal(connection, sql.Identifier(quarter), f"{quarter}_by_symbol")
        return quarter

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for done in as_completed([pool.submit(work, quarter) for quarter in quarters]):
                yield done.result()
        except BaseException:  # an interrupt
            pool.shutdown(wait=False, cancel_futures=True)
            for connection in connections:
                with suppress(psycopg.Error):  # it has ended
                    connection.cancel_safe()
            raise


def _seal(connection: Connection, quarter: sql.Identifier, index: str) -> None:
    names = {"index": sql.Identifier(index), "quarter": quarter, "values": listed(BAR_VALUES)}
    if connection.execute(_INVALID, (index,)).fetchone() is not None:  # it was interrupted
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {index}").format(**names))
    connection.execute(_INDEX.format(**names))
    connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {quarter}").format(**names))
