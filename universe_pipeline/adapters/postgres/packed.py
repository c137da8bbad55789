"""Many bars at once: a session comes as one row of the answer, a column's values side by side.

Rows are what costs when bars are read: COPY sends each by itself, and a client takes each by
itself. Here the server lines up a session's values, big-endian, and numpy takes them as they are,
in a quarter of the time. A text can hold no NUL, so that one stands between two symbols.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import psycopg

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA

_FLOATS = ("open", "high", "low", "close", "volume", "vwap")
_NO_TRANSACTIONS = -(2**63)

_READ = """
    SELECT date, count(*), count(*) FILTER (WHERE source = 'grouped'),
           string_agg(textsend(symbol), '\\x00'::bytea),
           string_agg(float8send(open), ''), string_agg(float8send(high), ''),
           string_agg(float8send(low), ''), string_agg(float8send(close), ''),
           string_agg(float8send(volume), ''),
           string_agg(float8send(coalesce(vwap, 'NaN')), ''),
           string_agg(int8send(coalesce(transactions, -9223372036854775808)), '')
    FROM daily_bars
    WHERE date BETWEEN %(start)s AND %(end)s
      AND (%(source)s::text IS NULL OR source = %(source)s)
    GROUP BY date ORDER BY date
    """

_Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """The bars of some days."""

    bars: pl.DataFrame
    """`DATED_BAR_SCHEMA`, in the order of their dates."""
    counts: dict[date, tuple[int, int]]
    """For each day with bars, in order: how many, and how many by the grouped endpoint."""


def read(
    connection: psycopg.Connection, start: date, end: date, source: str | None = None
) -> Packed:
    """Every bar from `start` to `end`, both included: of one `source`, or (None) of both."""
    given = {"start": start, "end": end, "source": source}
    days: list[pl.DataFrame] = []
    counts: dict[date, tuple[int, int]] = {}
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        # Compiling takes longer than this runs, and so does putting together what workers packed.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        # One day at a time: as packed, as received and as a frame, all at once would be three times
        # the memory. (Streams are not prepared, either: the plan for any range is slower.)
        row: _Row
        for row in cursor.stream(_READ, given):
            counts[row[0]] = (row[1], row[2])
            days.append(_unpacked(row))
    return Packed(pl.concat(days) if days else DATED_BAR_SCHEMA.to_frame(), counts)


def _unpacked(row: _Row) -> pl.DataFrame:
    symbols = pl.Series([row[3].decode()], dtype=pl.String)
    frame = pl.DataFrame(
        {
            "symbol": symbols.str.split("\0").explode(),
            **{name: _numbers(row[place], "f8") for place, name in enumerate(_FLOATS, start=4)},
            "transactions": _numbers(row[10], "i8"),
        }
    )
    return frame.select(
        pl.lit(row[0]).alias("date"),
        pl.exclude("vwap", "transactions"),
        pl.col("vwap").fill_nan(None),
        pl.col("transactions").replace(_NO_TRANSACTIONS, None),
    )


def _numbers(packed: bytes, kind: str) -> pl.Series:
    return pl.Series(np.frombuffer(packed, f">{kind}").astype(kind))
