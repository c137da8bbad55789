"""On which days symbols have bars: a bit each, 2 KB a day."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.quality.history import Flags, days_of

_ROOM = 252
"""Days."""

_SPAN = np.dtype([("first", "i4"), ("last", "i4"), ("bars", "u4")])


class Presence:
    """Of every day which symbols have a bar.

    In one piece: small ones, left behind day by day, would keep the memory between them in pieces.
    """

    def __init__(self) -> None:
        self._days: dict[date, int] = {}
        """Where in `_bits` each is."""
        self._bits = np.zeros((0, 0), np.uint8)
        self._categories = pl.Series(dtype=pl.Categorical())
        """Empty; while it lives, so do the codes of the symbols."""

    def add(self, lines: pl.DataFrame) -> None:
        """Add bars, lined up; they are in the order of their dates, and after those before."""
        self._categories = lines["symbol"].clear()
        coded = lines["symbol"].to_physical().to_numpy()
        for day, rows in days_of(lines):
            has_bar = np.zeros(int(coded.max()) + 1, np.bool_)
            has_bar[coded[rows]] = True
            packed = np.packbits(has_bar)
            self._make_room(len(packed))
            self._bits[len(self._days), : len(packed)] = packed
            self._days[day] = len(self._days)

    def _make_room(self, symbols: int) -> None:
        """For one more day, and for so many bytes of symbols."""
        days, room = self._bits.shape
        more_days = _ROOM if days == len(self._days) else 0
        more_symbols = max(0, symbols - room)
        if more_days or more_symbols:
            self._bits = np.pad(self._bits, ((0, more_days), (0, more_symbols)))

    def of(self, days: Sequence[date]) -> tuple[pl.Series, Flags]:
        """The symbols with a bar on one of these days, and for each on which of them it has one."""
        has_bar = np.unpackbits(self._bits[[self._days[day] for day in days]], axis=1)
        coded = np.flatnonzero(has_bar.any(axis=0))
        return self._names(coded), has_bar[:, coded].T.astype(np.bool_)

    def spans(self) -> pl.DataFrame:
        """Of every symbol (`symbol`) its `first` and `last` day and its number of `bars`."""
        spans = np.zeros(8 * self._bits.shape[1], _SPAN)
        for day, place in self._days.items():
            has_bar = np.unpackbits(self._bits[place]).astype(np.bool_)
            number = np.datetime64(day, "D").astype("i4")
            spans["first"][has_bar & (spans["bars"] == 0)] = number
            spans["last"][has_bar] = number
            spans["bars"] += has_bar
        coded = np.flatnonzero(spans["bars"])
        found = {name: np.ascontiguousarray(spans[name][coded]) for name in _SPAN.names or ()}
        frame = pl.DataFrame({"symbol": self._names(coded), **found})
        return frame.cast({"first": pl.Date, "last": pl.Date})

    def _names(self, coded: npt.NDArray[np.intp]) -> pl.Series:
        return pl.Series(coded, dtype=pl.UInt32).cat.to(self._categories.dtype).cast(pl.String)
