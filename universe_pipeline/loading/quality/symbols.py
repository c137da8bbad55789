"""Symbols judged by themselves, right after they were loaded.

A load of chosen symbols leaves no whole session, so the rules for rows and series apply, and none
for sessions.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TypeVar

import polars as pl

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.quality import context
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import Level
from universe_pipeline.domain.quality.scan import Scan
from universe_pipeline.domain.sessions import sessions_before, sessions_between
from universe_pipeline.domain.thresholds import TRAILING, Thresholds

_BARS_AT_ONCE = 50_000

_Thing = TypeVar("_Thing")


def judge_symbol_bars(
    connection: Connection,
    symbols: Sequence[str],
    start: date,
    end: date,
    thresholds: Thresholds,
) -> list[Finding]:
    """Judge the stored bars of `symbols` by all rules for rows and series.

    Args:
        connection: to read them.
        symbols: at least one, in any order.
        start: the first day that is judged; bars before it are compared with.
        end: the last one.
        thresholds: the figures that decide.
    """
    known = context.stored_loads(connection)
    scan = Scan(context.reference(connection, known, start, end), thresholds)
    if before := sessions_before(start, TRAILING):
        scan.remember(_read(connection, symbols, before))
    at_once = max(1, _BARS_AT_ONCE // len(symbols))
    for some in _batches(sessions_between(start, end), at_once):
        scan.judge(_read(connection, symbols, some), ())
    return [each for each in scan.findings() if each.rule.level in (Level.ROW, Level.SERIES)]


def _read(connection: Connection, symbols: Sequence[str], days: Sequence[date]) -> pl.DataFrame:
    received = packed.receive(connection, days[0], days[-1], symbols=symbols)
    return received.unpacked().bars


def _batches(things: Sequence[_Thing], size: int) -> Iterator[Sequence[_Thing]]:
    return (things[n : n + size] for n in range(0, len(things), size))
