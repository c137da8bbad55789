"""All listings of a world of some size, and its reference lists on any day."""

from datetime import date

import numpy as np

from universe_pipeline.simulator.listings import WELL_KNOWN, Fate, Listing
from universe_pipeline.simulator.population import population, unreferenced

DEFAULT_SYMBOLS = 14_000
FEWEST_SYMBOLS = 50
MOST_SYMBOLS = 30_000
"""Codes of three letters run out beyond that."""

_UNREFERENCED_FRACTION = 0.017
_OTC_FRACTION = 0.02


class World:
    """All listings: the well-known ones and as many invented ones as the size asks for.

    Both reference lists together hold exactly `symbols` rows from 2026-11-20 on (delisted rows
    included, counting a ticker as often as it is listed); earlier days have fewer.

    Args:
        symbols: from `FEWEST_SYMBOLS` to `MOST_SYMBOLS`.
    """

    def __init__(self, symbols: int = DEFAULT_SYMBOLS) -> None:
        if not FEWEST_SYMBOLS <= symbols <= MOST_SYMBOLS:
            raise ValueError(
                f"a simulated vendor has {FEWEST_SYMBOLS} to {MOST_SYMBOLS} symbols, not {symbols}"
            )
        known = frozenset(listing.ticker for listing in WELL_KNOWN)
        referenced = sum(listing.fate is Fate.DELISTED for listing in WELL_KNOWN)
        everything = (
            *WELL_KNOWN,
            *population(symbols - referenced, known),
            *unreferenced(round(symbols * _UNREFERENCED_FRACTION), known, Fate.UNREFERENCED),
            *unreferenced(round(symbols * _OTC_FRACTION), known, Fate.OTC),
        )
        self.listings: tuple[Listing, ...] = tuple(
            sorted(everything, key=lambda listing: (listing.ticker, listing.first))
        )
        """Every listing there ever was, by ticker (bytewise)."""
        self._first = np.array([listing.first for listing in self.listings])
        self._end = np.array([listing.end for listing in self.listings])
        fates = [listing.fate for listing in self.listings]
        self._stays = np.array([fate is Fate.DELISTED for fate in fates])
        self._referenced = self._stays | np.array([fate is Fate.RENAMED for fate in fates])

    def reference(self, day: date, *, active: bool) -> list[Listing]:
        """The rows of the list of active, or of delisted, tickers as of `day`, by ticker."""
        today = day.toordinal()
        if active:
            wanted = self._referenced & (self._first <= today) & (today < self._end)
        else:
            wanted = self._stays & (self._end <= today)
        return [self.listings[place] for place in np.flatnonzero(wanted).tolist()]
