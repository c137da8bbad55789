"""Bars for readers, packed: a session a row of the answer, or a listing a row.

`packed` reads for the rules, which need every column of every bar; here a reader chooses columns
and symbols. Bars of quarantined sessions are left out, as in `universe_bars`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.packing import Pack, packs, query

_SESSIONS = """
    SELECT packed.* FROM generate_series(0, %(end)s::date - %(start)s::date) AS n
    CROSS JOIN LATERAL (
        SELECT %(start)s::date + n, count(*),
               string_agg(textsend(b.symbol), '\\x00'::bytea){packs}
        FROM daily_bars b
        WHERE b.date = %(start)s::date + n AND b.date BETWEEN %(start)s AND %(end)s
          AND b.date <> ALL (%(hidden)s::date[])
        HAVING count(*) > 0
    ) AS packed
    """

_SPANS = """
    SELECT s.n, packed.* FROM unnest(%(symbols)s::text[], %(firsts)s::date[], %(lasts)s::date[])
        WITH ORDINALITY AS s (symbol, first, last, n)
    CROSS JOIN LATERAL (
        SELECT count(*){packs}
        FROM daily_bars b
        WHERE b.symbol = s.symbol AND b.date BETWEEN s.first AND s.last
          AND b.date BETWEEN %(start)s AND %(end)s AND b.date <> ALL (%(hidden)s::date[])
        HAVING count(*) > 0
    ) AS packed
    """


AT_ONCE = 250
"""Spans of one statement, whose answer is held in memory."""


@dataclass(frozen=True, slots=True)
class PackedSession:
    """A session's bars: `symbols` as `packing.texts` reads them, `values` as `unpack`."""

    day: date
    rows: int
    symbols: bytes
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PackedSpan:
    """The bars of the span that was asked for at that place."""

    place: int
    rows: int
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The bars of a symbol from `first` to `last`, both included."""

    symbol: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Days:
    """Sessions from `start` to `end`, both included, but those of `hidden`."""

    start: date
    end: date
    hidden: Sequence[date] = ()

    @property
    def given(self) -> dict[str, Any]:
        """As parameters of a statement."""
        return {"start": self.start, "end": self.end, "hidden": list(self.hidden)}


def sessions(
    connection: psycopg.Connection, days: Days, names: tuple[str, ...]
) -> Iterator[PackedSession]:
    """The bars of every session of `days`, in order; those of a session may be in any."""
    with connection.cursor(binary=True) as cursor:
        # Streams are not prepared: the plan for any range is slower.
        for day, rows, symbols, *values in cursor.stream(_session_query(names), days.given):
            yield PackedSession(day, rows, symbols, tuple(values))


def spans(
    connection: psycopg.Connection, days: Days, names: tuple[str, ...], chosen: Sequence[Span]
) -> Iterator[PackedSpan]:
    """The bars of each span that has any, in the order of `chosen`; dates may be in any."""
    with connection.cursor(binary=True) as cursor:
        for start in range(0, len(chosen), AT_ONCE):
            given = days.given | _columns(chosen[start : start + AT_ONCE])
            for place, rows, *values in cursor.execute(_span_query(names), given, prepare=True):
                yield PackedSpan(start + place - 1, rows, tuple(values))


def _columns(chosen: Sequence[Span]) -> dict[str, Any]:
    return {
        "symbols": [span.symbol for span in chosen],
        "firsts": [span.first for span in chosen],
        "lasts": [span.last for span in chosen],
    }


@lru_cache(maxsize=64)
def _session_query(names: tuple[str, ...]) -> sql.SQL:
    return query(_SESSIONS.format(packs=_listed(packs(names))))


@lru_cache(maxsize=64)
def _span_query(names: tuple[str, ...]) -> sql.SQL:
    return query(_SPANS.format(packs=_listed(packs(names))))


def _listed(chosen: Sequence[Pack]) -> str:
    return "".join(f", {pack.sql}" for pack in chosen)
