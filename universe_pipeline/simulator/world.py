"""All listings of a world of some size, and its reference lists on any day."""

from datetime import date
from functools import cached_property

import msgspec
import numpy as np

from universe_pipeline.simulator.listings import STILL_LISTED, WELL_KNOWN, Fate, Listing
from universe_pipeline.simulator.planted import planted
from universe_pipeline.simulator.population import population, unreferenced
from universe_pipeline.simulator.truth import TrueListing, Truth

DEFAULT_SYMBOLS = 14_000
FEWEST_SYMBOLS = 50
MOST_SYMBOLS = 30_000
"""Codes of three letters run out beyond that."""

_TYPED_SINCE = date(2016, 10, 25)
"""Where cases are planted, the lists of earlier days have no types, as the vendor's."""

_UNREFERENCED_FRACTION = 0.017
_OTC_FRACTION = 0.02


class World:
    """All listings: the well-known ones and as many invented ones as the size asks for.

    Both reference lists together hold exactly `symbols` rows from 2026-11-20 on (delisted rows
    included, counting a ticker as often as it is listed); earlier days have fewer.

    Args:
        symbols: from `FEWEST_SYMBOLS` to `MOST_SYMBOLS`.
        planted_until: the day up to which the cases of `planted` lie, whose listings come on top
            of `symbols`; None: without them.
    """

    def __init__(
        self, symbols: int = DEFAULT_SYMBOLS, *, planted_until: date | None = None
    ) -> None:
        if not FEWEST_SYMBOLS <= symbols <= MOST_SYMBOLS:
            raise ValueError(
                f"a simulated vendor has {FEWEST_SYMBOLS} to {MOST_SYMBOLS} symbols, not {symbols}"
            )
        known = frozenset(listing.ticker for listing in WELL_KNOWN)
        referenced = sum(listing.fate is Fate.DELISTED for listing in WELL_KNOWN)
        self._planted = planted(planted_until) if planted_until else None
        everything = (
            *WELL_KNOWN,
            *(self._planted.listings if self._planted else ()),
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
        found = (self.listings[place] for place in np.flatnonzero(wanted).tolist())
        listed = [
            listing
            for listing in found
            if not any(start <= today < end for start, end in listing.absences)
        ]
        if self._planted is None or day >= _TYPED_SINCE:
            return listed
        return [msgspec.structs.replace(listing, type=None) for listing in listed]

    @property
    def errs(self) -> bool:
        """Whether the lists err in the cases of `planted`."""
        return self._planted is not None

    @cached_property
    def truth(self) -> Truth:
        """What is true of all listings, and of the planted splits and dividends."""
        return Truth(
            listings=tuple(map(_true_listing, filter(lambda each: each.traded, self.listings))),
            splits=self._planted.splits if self._planted else (),
            dividends=self._planted.dividends if self._planted else (),
        )


def _true_listing(listing: Listing) -> TrueListing:
    return TrueListing(
        symbol=listing.ticker,
        security=listing.identity,
        name=listing.name,
        first=date.fromordinal(listing.first),
        end=None if listing.end == STILL_LISTED else date.fromordinal(listing.end),
        case=listing.case,
    )
