"""What a split is, which invented listings have one and when, and what a share became.

About one invented stock or fund in eight has one split in its life: at full size some 60 a year.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.simulator.noise import Floats, Seeds, uniform

Days = npt.NDArray[np.int64]
"""Proleptic ordinals."""

_SPLITTING = 0.125
_RIPE = 30
"""Days from the first day of a listing to its earliest split."""
_LAST = date(2027, 6, 30).toordinal()

_NEVER_SPLIT = frozenset({"PFD", "WARRANT", "UNIT", "RIGHT", "SP", "BOND", "ADRP"})


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """How the vendor's list and the prices know a split or a dividend."""

    happens: bool = True
    """False: a row of the list that prices know nothing of."""
    is_listed: bool = True
    """False: prices know it, and the list does not."""
    listed_from: int | None = None
    """Proleptic ordinal of the first day with the row; None: as usual."""
    listed_until: int = date.max.toordinal()
    """Ordinal of the first day without it again."""


class Split(Action, frozen=True):
    """From the open of `day` on, `split_from` shares are `split_to`."""

    day: int
    """Proleptic ordinal of the execution date."""
    split_from: float
    split_to: float
    type: str
    listed_as: str | None = None
    """The ticker in the list; None: the listing's."""
    is_spin_off: bool = False
    """Whether it stands for a spin-off: the list's id then begins with `P`."""

    @property
    def ratio(self) -> float:
        """How many shares one becomes."""
        return self.split_to / self.split_from


def _split(day: str, split_from: float, split_to: float, type_: str) -> Split:
    return Split(date.fromisoformat(day).toordinal(), split_from, split_to, type_)


WELL_KNOWN_SPLITS = {
    "AAPL": (
        _split("2014-06-09", 1, 7, "forward_split"),
        _split("2020-08-31", 1, 4, "forward_split"),
    ),
    "BRK.B": (_split("2010-01-21", 1, 50, "forward_split"),),
    "A": (_split("2027-02-01", 1, 2, "forward_split"),),
    "NA": (_split("2023-05-15", 30, 1, "reverse_split"),),
    "NAN": (_split("2018-03-15", 1, 1.0056, "stock_dividend"),),
    "TRUE": (_split("2012-08-06", 8, 1, "reverse_split"),),
    "BCPC": (
        _split("2006-01-23", 2, 3, "forward_split"),
        _split("2024-08-15", 1, 2, "forward_split"),
    ),
    "TPC": (_split("2024-06-10", 1, 10, "forward_split"),),
}
"""By ticker. Apple's and Berkshire's are the true ones."""

_KINDS = (
    (0.30, (1, 2, "forward_split")),
    (0.40, (2, 3, "forward_split")),
    (0.47, (1, 3, "forward_split")),
    (0.52, (1, 4, "forward_split")),
    (0.56, (1, 10, "forward_split")),
    (0.70, (10, 1, "reverse_split")),
    (0.76, (8, 1, "reverse_split")),
    (0.82, (20, 1, "reverse_split")),
    (0.87, (30, 1, "reverse_split")),
    (0.94, (1, 1.05, "stock_dividend")),
    (1.00, (1, 1.0056, "stock_dividend")),
)
"""The share of splits up to which one is of this kind."""


def drawn_splits(
    seed: Seeds, types: Sequence[str | None], spans: Sequence[tuple[int, int]]
) -> list[tuple[Split, ...]]:
    """The splits of invented listings, each listed from its first day to before its end."""
    sessions = [session.toordinal() for session in all_sessions()]
    draws = zip(*(uniform(seed, salt).tolist() for salt in (11, 12, 13)), strict=True)
    found: list[tuple[Split, ...]] = []
    for type_, (first, end), (whether, when, kind) in zip(types, spans, draws, strict=True):
        low = bisect_left(sessions, first + _RIPE)
        high = bisect_left(sessions, min(end, _LAST))
        if whether >= _SPLITTING or type_ in _NEVER_SPLIT or high <= low:
            found.append(())
            continue
        sides = next(sides for until, sides in _KINDS if kind < until)
        found.append((Split(sessions[low + int(when * (high - low))], *sides),))
    return found


class _Splitting(Protocol):
    @property
    def splits(self) -> tuple[Split, ...]: ...


class Splits:
    """The splits of listings, which are named by their places in the order given here."""

    def __init__(self, listings: Sequence[_Splitting]) -> None:
        real = [[each for each in listing.splits if each.happens] for listing in listings]
        most = max(map(len, real), default=0)
        self._days = np.zeros((most, len(listings)), np.int64)
        self._ratios = np.ones((most, len(listings)))
        for place, splits in enumerate(real):
            for layer, split in enumerate(splits):
                self._days[layer, place] = split.day
                self._ratios[layer, place] = split.ratio

    def became(self, places: npt.NDArray[np.intp], day: Days, until: int | None = None) -> Floats:
        """How many shares one of `day` had become by the end of `until`; None: of all time."""
        shares = np.ones(places.shape)
        for days, ratios in zip(self._days, self._ratios, strict=True):
            executed = days[places]
            counts = day < executed
            if until is not None:
                counts &= executed <= until
            shares *= np.where(counts, ratios[places], 1.0)
        return shares
