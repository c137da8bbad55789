"""The layout that reads are judged by: the best that was found for such bars in PostgreSQL.

Quarters in the order of arrival with the key (date, symbol) on the parent; a closed quarter also
has a covering index that begins with the symbol, built at once, and is vacuumed and frozen.
"""

from datetime import date

import psycopg
from psycopg import sql

from benchmarks.table import BARS, COLUMNS
from universe_pipeline.adapters.postgres.bars.quarters import quarter_of

NAME = "reference.bars"


def build(url: str, newest: date) -> None:
    """Build it next to the product's table, from its rows; `newest` lies in the open quarter."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA reference")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(
            f"CREATE TABLE {NAME} ({BARS}, PRIMARY KEY (date, symbol)) PARTITION BY RANGE (date)"
        )
        days = connection.execute("SELECT DISTINCT date FROM session_loads").fetchall()
        for name, start, end in sorted({quarter_of(day) for (day,) in days}):
            given = {
                "table": sql.Identifier("reference", name),
                "start": sql.Literal(start),
                "end": sql.Literal(end),
            }
            for statement in _CLOSED if end <= newest else _OPEN:
                connection.execute(sql.SQL(statement).format(**given))


_OPEN = (
    f"CREATE TABLE {{table}} PARTITION OF {NAME} FOR VALUES FROM ({{start}}) TO ({{end}})",
    f"""
    INSERT INTO {{table}} SELECT {COLUMNS} FROM daily_bars
    WHERE date >= {{start}} AND date < {{end}} ORDER BY date, symbol
    """,
    "VACUUM (ANALYZE) {table}",
)
_CLOSED = (
    *_OPEN[:2],
    """
    CREATE UNIQUE INDEX ON {table} (symbol, date)
    INCLUDE (open, high, low, close, volume, vwap, transactions) WITH (fillfactor = 100)
    """,
    "VACUUM (FREEZE, ANALYZE) {table}",
)
