"""Bars of chosen symbols, each over many sessions: the server packs a listing's bars at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from universe_pipeline.adapters.postgres.bars import packed_reads
from universe_pipeline.adapters.postgres.bars.packed_reads import Days, Span
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.packing import (
    Numbers,
    packs,
    series,
    unpack,
)
from universe_pipeline.research.factors import Products, history, multiply
from universe_pipeline.research.shapes import Shape


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a history, and whose it is."""

    label: str
    """The symbol that stands for the whole history."""
    span: Span
    security_id: int | None


@dataclass(frozen=True, slots=True)
class _Unpacked:
    part: Part
    rows: int
    values: dict[str, Numbers]


def read(
    connection: Connection,
    days: Days,
    shape: Shape,
    parts: Sequence[Part],
    products: Products | None = None,
) -> pl.DataFrame:
    """The bars of `parts`, in their order, and of each by date."""
    found = list(_unpacked(connection, days, ("date", *shape.packed), parts, products))
    columns = ("date", *(name for name in shape.shown if name != "security_id"))
    joined = {name: _joined([one.values[name] for one in found], name) for name in columns}
    frame = pl.DataFrame([series(name, values) for name, values in joined.items()])
    rows = [one.rows for one in found]
    symbols = pl.Series("symbol", [one.part.span.symbol for one in found], pl.String)
    ids = pl.Series("security_id", [one.part.security_id for one in found], pl.Int64)
    of_rows = pl.Series(np.repeat(np.arange(len(found)), rows))
    keyed = frame.with_columns(symbols.gather(of_rows), ids.gather(of_rows))
    return keyed.select("date", "symbol", *shape.shown)


def closes(
    connection: Connection,
    days: Days,
    field: str,
    parts: Sequence[Part],
    sessions: Sequence[date],
    products: Products | None = None,
) -> pl.DataFrame:
    """One field of each history as a column with its label, and a row for each of `sessions`."""
    labels = {label: n for n, label in enumerate(dict.fromkeys(part.label for part in parts))}
    index = pl.Series("date", sessions, pl.Date)
    known = index.cast(pl.Int32).to_numpy()
    matrix = np.full((len(labels), len(sessions)), np.nan)
    for one in _unpacked(connection, days, ("date", field), parts, products):
        places = np.searchsorted(known, one.values["date"])
        matrix[labels[one.part.label], places] = one.values[field]
    wide = (pl.Series(label, matrix[n], nan_to_null=True) for label, n in labels.items())
    return pl.DataFrame([index, *wide])


_KINDS: dict[str, type[np.generic]] = {"date": np.int32, "transactions": np.int64}


def _unpacked(
    connection: Connection,
    days: Days,
    names: tuple[str, ...],
    parts: Sequence[Part],
    products: Products | None,
) -> Iterator[_Unpacked]:
    spans = [part.span for part in parts]
    for packed in packed_reads.spans(connection, days, names, spans):
        part = parts[packed.place]
        values = unpack(packs(names), packed.values)
        if (values["date"][1:] < values["date"][:-1]).any():
            order = np.argsort(values["date"])
            values = {name: column[order] for name, column in values.items()}
        if products is not None:
            multiply(values, *history(products, part.security_id, values["date"]))
        yield _Unpacked(part, packed.rows, values)


def _joined(columns: Sequence[Numbers], name: str) -> Numbers:
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns) if columns else np.empty(0, _KINDS.get(name, np.float64))
