"""Bars of all symbols, session by session: numpy takes some while the server packs the next."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from universe_pipeline.adapters.postgres.bars import packed_reads
from universe_pipeline.adapters.postgres.bars.packed_reads import Days, PackedSession
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.packing import (
    Numbers,
    packs,
    series,
    texts,
    unpack,
)
from universe_pipeline.research.factors import SessionFactors, day_number, multiply
from universe_pipeline.research.holders import NO_HOLDER, SessionHolders
from universe_pipeline.research.shapes import Shape

BATCH_ROWS = 100_000
"""Rows that are unpacked at a time, and stand together in the frame."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What is looked up of every bar, as far as it is asked for."""

    holders: SessionHolders | None = None
    is_chosen: bool = False
    """Whether bars without a holder are left out."""
    factors: SessionFactors | None = None


def read(connection: Connection, days: Days, shape: Shape, lookups: Lookups) -> pl.DataFrame:
    """The bars of `days` by date and symbol."""
    received = packed_reads.sessions(connection, days, shape.packed)
    with ThreadPoolExecutor(1, "universe-read") as worker:
        frames = [
            worker.submit(_frame, batch, shape, lookups) for batch in _batches(received, BATCH_ROWS)
        ]
    return pl.concat([_frame([], shape, lookups), *(frame.result() for frame in frames)])


def _batches(received: Iterable[PackedSession], rows: int) -> Iterator[list[PackedSession]]:
    batch: list[PackedSession] = []
    waiting = 0
    for session in received:
        batch.append(session)
        waiting += session.rows
        if waiting >= rows:
            yield batch
            batch, waiting = [], 0
    if batch:
        yield batch


def _frame(batch: Sequence[PackedSession], shape: Shape, lookups: Lookups) -> pl.DataFrame:
    chosen = packs(shape.packed)
    joined = [b"".join(session.values[n] for session in batch) for n in range(len(chosen))]
    values = unpack(chosen, joined)
    dates, symbols = _dates(batch), _symbols(batch)
    if lookups.holders is not None:
        values["security_id"] = _securities(batch, symbols, lookups.holders)
    if lookups.factors is not None:
        multiply(values, *_factors(batch, values["security_id"], lookups.factors))
    frame = pl.DataFrame([dates, symbols, *(series(name, values[name]) for name in shape.shown)])
    if lookups.is_chosen:
        frame = frame.filter(pl.Series(values["security_id"] != NO_HOLDER, dtype=pl.Boolean))
    return frame if _is_ordered(batch, symbols) else frame.sort("date", "symbol")


def _securities(
    batch: Sequence[PackedSession], symbols: pl.Series, holders: SessionHolders
) -> Numbers:
    """The holder of every bar's symbol."""
    codes = holders.codes(symbols)
    found = [holders.on(session.day, codes[rows]) for session, rows in _slices(batch)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _factors(
    batch: Sequence[PackedSession], ids: Numbers, factors: SessionFactors
) -> tuple[Numbers, Numbers]:
    """The price and the volume factor of every bar."""
    found = [factors.on(session.day, ids[rows]) for session, rows in _slices(batch)]
    prices, volumes = zip(*found, strict=True) if found else ((np.empty(0),), (np.empty(0),))
    return np.concatenate(prices), np.concatenate(volumes)


def _slices(batch: Sequence[PackedSession]) -> Iterator[tuple[PackedSession, slice]]:
    """Where the rows of each session are."""
    start = 0
    for session in batch:
        yield session, slice(start, start := start + session.rows)


def _dates(batch: Sequence[PackedSession]) -> pl.Series:
    days = np.array([day_number(session.day) for session in batch], np.int32)
    return pl.Series("date", np.repeat(days, [session.rows for session in batch])).cast(pl.Date)


def _symbols(batch: Sequence[PackedSession]) -> pl.Series:
    if not batch:
        return pl.Series("symbol", [], pl.String)
    return texts(b"\0".join(session.symbols for session in batch)).alias("symbol")


def _is_ordered(batch: Sequence[PackedSession], symbols: pl.Series) -> bool:
    """Whether the symbols of each session are in bytewise order."""
    falls = (symbols < symbols.shift(1)).arg_true().to_numpy()
    return bool(np.isin(falls, np.cumsum([session.rows for session in batch])).all())
