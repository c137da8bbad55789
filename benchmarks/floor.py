"""The floor: what PostgreSQL takes for these rows when nothing is left to do but COPY them.

The rows are encoded by PostgreSQL itself, as they come, each session is a transaction, and the
table has what any table of bars must have: a key. `source`, which the product stores as well, is
left out.
"""

import io
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from benchmarks.answers import body
from benchmarks.stage import Stage
from benchmarks.table import BARS
from universe_pipeline.adapters.postgres.bars.quarters import quarter_of

_ROW = pl.Struct(
    {"T": pl.String, **dict.fromkeys(("o", "h", "l", "c", "v", "vw"), pl.Float64), "n": pl.Int64}
)


_ORDERED, _AS_SENT = ".copy", ".sent.copy"
_ORDERS = {_ORDERED: sql.SQL("ORDER BY symbol"), _AS_SENT: sql.SQL("")}
"""Files of a session's encoded rows: in the order of the key, and in the vendor's."""

_WITH_KEY = f"CREATE TABLE floor ({BARS}, PRIMARY KEY (date, symbol))"


class Floor:
    """A database that holds nothing but the floor's table."""

    def __init__(self, url: str, encoded: Path) -> None:
        self._url, self._encoded = url, encoded

    def plain(self, sessions: Sequence[date]) -> float:
        """Seconds a session of COPY into one table with the key, in the vendor's order."""
        return self._copied(sessions, _WITH_KEY, _AS_SENT)

    def ordered(self, sessions: Sequence[date]) -> float:
        """The same in the order of the key, whose index then only grows at its end."""
        return self._copied(sessions, _WITH_KEY, _ORDERED)

    def keyless(self, sessions: Sequence[date]) -> float:
        """The same without a key."""
        return self._copied(sessions, f"CREATE TABLE floor ({BARS})", _AS_SENT)

    def quarterly(self, sessions: Sequence[date]) -> float:
        """Seconds a session of COPY, in the key's order, into the partition of its quarter."""
        quarters = sorted({quarter_of(day)[1:] for day in sessions})
        partitions = "".join(
            f"CREATE TABLE floor_{start:%Y_%m} PARTITION OF floor"
            f" FOR VALUES FROM ('{start}') TO ('{end}');"
            for start, end in quarters
        )
        statement = f"{_WITH_KEY} PARTITION BY RANGE (date);{partitions}"
        return self._copied(sessions, statement, _ORDERED)

    def growth(self, sessions: Sequence[date], times: int) -> tuple[float, float]:
        """Seconds a session of the first and of the last of several tables in a row.

        Nothing but what the disk and the server have taken before differs between them.
        """
        rows = [(self._encoded / f"{day}{_ORDERED}").read_bytes() for day in sessions]
        laps: list[float] = []
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            for n in range(times):
                schema = sql.SQL("CREATE SCHEMA {0}; SET search_path = {0}")
                connection.execute(schema.format(sql.Identifier(f"year_{n}")))
                connection.execute(_WITH_KEY)
                laps.append(_copy(connection, rows))
        return laps[0], laps[-1]

    def _copied(self, sessions: Sequence[date], create: str, kind: str) -> float:
        rows = [(self._encoded / f"{day}{kind}").read_bytes() for day in sessions]
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS floor")
            connection.execute(sql.SQL(create))  # pyright: ignore[reportArgumentType]  # made of literals
            connection.execute("CHECKPOINT")
            return _copy(connection, rows)


def _copy(connection: psycopg.Connection, rows: Sequence[bytes]) -> float:
    """Seconds a session."""
    started = time.perf_counter()
    for encoded in rows:
        copy_session(connection, encoded)
    return (time.perf_counter() - started) / len(rows)


def copy_session(connection: psycopg.Connection, encoded: bytes) -> None:
    """One session in one transaction."""
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy("COPY floor FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(encoded)


@contextmanager
def open_floor(stage: Stage, sessions: Sequence[date]) -> Generator[Floor]:
    """The floor in a database of its own, for any of `sessions`."""
    with stage.database(template="template0") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for day in sessions:
                _encode(connection, stage.answers, day)
        yield Floor(url, stage.answers)


def _encode(connection: psycopg.Connection, folder: Path, day: date) -> None:
    """Let PostgreSQL write a session's rows as it would like to read them."""
    if (folder / f"{day}{_AS_SENT}").exists():
        return
    document = io.BytesIO(body(folder, day))
    rows = pl.read_json(document, schema={"results": pl.List(_ROW)})
    bars = rows.explode("results").unnest("results").select(pl.lit(day).alias("date"), pl.all())
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE encoding ({BARS})")
        with cursor.copy("COPY encoding FROM STDIN (FORMAT CSV)") as copy:
            copy.write(bars.write_csv(include_header=False))
        for kind, order in _ORDERS.items():
            statement = sql.SQL("COPY (SELECT * FROM encoding {}) TO STDOUT (FORMAT BINARY)")
            with cursor.copy(statement.format(order)) as copy:
                encoded = b"".join(copy)
            partial = folder / f"{day}{kind}.partial"
            partial.write_bytes(encoded)
            partial.replace(folder / f"{day}{kind}")
