"""Many bars at once: a session comes as one row of the answer, its values side by side.

Rows are what costs when bars are read: COPY sends each by itself, and a client takes each by
itself. Here the server lines up a session's values, big-endian, and numpy takes them as they are,
in a fraction of the time. A text can hold no NUL, so that one stands between two symbols. What the
server does for every value costs most of what is left, so that four prices go as the two points of
a line segment, and volume and vwap as one point.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.bars.copy_binary import BarColumns, fingerprint_of
from universe_pipeline.adapters.postgres.packing import NO_COUNT, numbers, texts
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality import PRICES

# Day by day, not grouped: what is grouped by date is sorted and takes several times the memory.
# By number: a series of dates is one of instants, and loses a day where clocks change at midnight.
_READ = """
    SELECT packed.* FROM generate_series(0, %(end)s::date - %(start)s::date) AS n
    CROSS JOIN LATERAL (
        SELECT %(start)s::date + n, count(*), count(*) FILTER (WHERE source = 'grouped'),
               string_agg(textsend(symbol), '\\x00'::bytea),
               string_agg(lseg_send(lseg(point(open, high), point(low, close))), ''),
               string_agg(point_send(point(volume, coalesce(vwap, 'NaN'))), ''),
               string_agg(int8send(coalesce(transactions, -9223372036854775808)), '')
        FROM daily_bars
        WHERE date = %(start)s::date + n AND date BETWEEN %(start)s AND %(end)s
          AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s))
        HAVING count(*) > 0
    ) AS packed
    """

_Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """The bars of some days."""

    bars: pl.DataFrame
    """`DATED_BAR_SCHEMA`, in the order of their dates."""
    counts: dict[date, tuple[int, int]]
    """For each day with bars, in order: how many, and how many by the grouped endpoint."""


@dataclass(frozen=True, slots=True)
class Received:
    """The bars of some days as the server sent them; another thread unpacks them."""

    _days: list[_Row]

    @property
    def counts(self) -> dict[date, tuple[int, int]]:
        """As `Packed.counts`."""
        return {day: (rows, grouped) for day, rows, grouped, *_ in self._days}

    def unpacked(self) -> Packed:
        """The bars as a frame."""
        days = [_unpacked(row) for row in self._days]
        return Packed(pl.concat(days) if days else DATED_BAR_SCHEMA.to_frame(), self.counts)

    def fingerprints(self, of: Container[date]) -> dict[date, str]:
        """By day, of the days that are in `of`: `copy_binary.fingerprint` of its bars."""
        return {row[0]: fingerprint_of(_columns(row)) for row in self._days if row[0] in of}


def read(
    connection: psycopg.Connection, start: date, end: date, source: str | None = None
) -> Packed:
    """Every bar from `start` to `end`, both included: of one `source`, or (None) of both."""
    return receive(connection, start, end, source).unpacked()


def receive(
    connection: psycopg.Connection,
    start: date,
    end: date,
    source: str | None = None,
    symbols: Sequence[str] | None = None,
) -> Received:
    """The same (of `symbols` alone, if given), before it is unpacked: the server need not wait."""
    given = {
        "start": start,
        "end": end,
        "source": source,
        "symbols": None if symbols is None else list(symbols),
    }
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        # Compiling takes longer than this runs, and so does putting together what workers packed.
        cursor.execute("SET LOCAL jit = off")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        # Streams are not prepared: the plan for any range is slower.
        return Received(list(cursor.stream(_READ, given)))


def _unpacked(row: _Row) -> pl.DataFrame:
    day, _, _, symbols, prices, volumes, transactions = row
    volume, vwap = numbers(volumes, ">f8", 2)
    counts = pl.Series("transactions", numbers(transactions, ">i8", 1)[0])
    return pl.DataFrame(
        [
            pl.Series("date", [day], pl.Date).new_from_index(0, len(counts)),
            texts(symbols).alias("symbol"),
            *map(pl.Series, PRICES, numbers(prices, ">f8", 4)),
            pl.Series("volume", volume),
            pl.Series("vwap", vwap, nan_to_null=True),
            counts.set(counts == NO_COUNT, None),
        ]
    )


def _columns(row: _Row) -> BarColumns:
    """The same without a frame, whose every step costs as much as a column here."""
    _, _, _, symbols, prices, volumes, transactions = row
    characters = np.frombuffer(symbols, np.uint8)
    ends = np.append(np.flatnonzero(characters == 0), len(characters))
    (volume, vwap), (counts,) = numbers(volumes, ">f8", 2), numbers(transactions, ">i8", 1)
    absent = {"vwap": np.isnan(vwap), "transactions": counts == NO_COUNT}
    vwap[absent["vwap"]] = counts[absent["transactions"]] = 0
    return BarColumns(
        np.diff(ends, prepend=-1) - 1,
        characters[characters != 0],
        dict(zip(PRICES, numbers(prices, ">f8", 4), strict=True))
        | {"volume": volume, "vwap": vwap, "transactions": counts},
        absent,
    )
