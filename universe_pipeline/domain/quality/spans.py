"""From when to when symbols have bars, and how many."""

import numpy as np
import polars as pl

from universe_pipeline.domain.quality.lines import codes

_SPAN = np.dtype([("first", "i4"), ("last", "i4"), ("bars", "u4")])


class Spans:
    """Of every symbol its first and last day and its number of bars: some numbers a symbol."""

    def __init__(self) -> None:
        self._spans = np.zeros(0, _SPAN)
        self._kind: pl.DataType = pl.Categorical()

    def add(self, lines: pl.DataFrame) -> None:
        """Add bars, lined up; they are in the order of their dates, and after those before."""
        self._kind = lines.schema["symbol"]
        coded, days = codes(lines["symbol"]), lines["date"].to_physical().to_numpy()
        more = int(coded.max(initial=-1)) + 1 - len(self._spans)
        if more > 0:
            self._spans = np.append(self._spans, np.zeros(more, _SPAN))
        spans = self._spans
        new = np.flatnonzero(spans["bars"][coded] == 0)[::-1]
        spans["first"][coded[new]] = days[new]  # the first day is written last, and stays
        spans["last"][coded] = days
        spans["bars"] += np.bincount(coded, minlength=len(spans)).astype("u4")

    def frame(self) -> pl.DataFrame:
        """`symbol`, `first`, `last`, `bars`."""
        coded = np.flatnonzero(self._spans["bars"])
        there = {name: np.ascontiguousarray(self._spans[name][coded]) for name in _SPAN.names or ()}
        symbols = pl.Series(coded, dtype=pl.UInt32).cat.to(self._kind).cast(pl.String)
        return pl.DataFrame({"symbol": symbols, **there}).cast({"first": pl.Date, "last": pl.Date})
