"""Which security bore a symbol on a day, looked up as fast as bars are read."""

from collections.abc import Collection
from datetime import date

import numpy as np
import polars as pl

from universe_pipeline.adapters.postgres.packing import Numbers
from universe_pipeline.adapters.postgres.reference.holdings import Holders
from universe_pipeline.research.factors import day_number

NO_HOLDER = -1


class SessionHolders:
    """The holder of every symbol on a day, for days that are asked for in order."""

    def __init__(self, of: Holders, types: Collection[str] | None = None) -> None:
        """Take the listings of `types`, or all of them."""
        is_chosen = np.array([types is None or one in types for one in of.types], bool)
        symbols = of.symbols.filter(pl.Series(is_chosen, dtype=pl.Boolean))
        self._known = pl.Enum(symbols.unique(maintain_order=True))
        codes = symbols.cast(self._known).to_physical().to_numpy()
        first, until, ids = of.first[is_chosen], of.until[is_chosen], of.ids[is_chosen]
        days = np.concatenate([until, first])
        order = np.argsort(days, kind="stable")  # on a day, one listing ends before another begins
        self._days = days[order]
        self._codes = np.concatenate([codes, codes])[order]
        self._begun = np.concatenate([np.full(len(ids), NO_HOLDER), ids])[order]
        self._passed = 0
        self._ids = np.full(len(self._known.categories) + 1, NO_HOLDER)

    def codes(self, symbols: pl.Series) -> Numbers:
        """What `on` takes for each of `symbols`."""
        codes = symbols.cast(self._known, strict=False).to_physical()
        return codes.fill_null(len(self._ids) - 1).to_numpy()

    def on(self, day: date, codes: Numbers) -> Numbers:
        """The security id of each symbol; 0: it is not known which, NO_HOLDER: none."""
        after = int(np.searchsorted(self._days, day_number(day), "right"))
        passed = slice(self._passed, after)
        self._ids[self._codes[passed]] = self._begun[passed]  # of a symbol the last one stays
        self._passed = after
        return self._ids[codes]
