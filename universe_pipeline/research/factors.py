"""What bars are multiplied by, looked up as fast as they are read.

The quotients of `domain/adjustment.py`: exactly 1.0 where nothing happened between a bar and the
as-of day. A test compares the two bit by bit.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from universe_pipeline.adapters.postgres.packing import Numbers
from universe_pipeline.adapters.postgres.reference.steps import Steps

PRICES = ("open", "high", "low", "close", "vwap")
_EPOCH = 719_163
"""1970-01-01 as Python counts days."""
_BEFORE_ALL = np.int32(-(2**31))


@dataclass(frozen=True, slots=True)
class Products:
    """The steps of securities up to the as-of day, and their products on that day.

    Each security begins with a step of 1 and 1, before any bar.
    """

    days: Numbers
    """Days since 1970-01-01, ascending."""
    ids: Numbers
    splits: Numbers
    """C from that day on."""
    dividends: Numbers
    """H from that day on; all 1 where only splits are adjusted for."""
    splits_as_of: Numbers
    """C on the as-of day, by security id."""
    dividends_as_of: Numbers
    """H on the as-of day, by security id."""


def products(steps: Steps, as_of: date, *, with_dividends: bool) -> Products:
    """Prepare steps for an as-of day; with the ones of dividends, or of splits alone."""
    counts = steps.days <= day_number(as_of)
    begin = np.unique(steps.ids[counts])
    ones = np.ones(len(begin))
    days = np.concatenate([np.full(len(begin), _BEFORE_ALL), steps.days[counts]])
    order = np.argsort(days, kind="stable")
    ids = np.concatenate([begin, steps.ids[counts]])[order]
    splits = np.concatenate([ones, steps.splits[counts]])[order]
    dividends = np.concatenate([ones, steps.dividends[counts]])[order]
    if not with_dividends:
        dividends = np.ones(len(ids))
    splits_as_of, dividends_as_of = np.ones((2, int(ids.max(initial=0)) + 1))
    splits_as_of[ids], dividends_as_of[ids] = splits, dividends  # of an id the last one stays
    return Products(days[order], ids, splits, dividends, splits_as_of, dividends_as_of)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


class SessionFactors:
    """The factors of all securities on a day, for days that are asked for in order."""

    def __init__(self, of: Products) -> None:
        self._of = of
        self._passed = 0
        self._prices, self._volumes = np.ones((2, len(of.splits_as_of)))

    def on(self, day: date, ids: Numbers) -> tuple[Numbers, Numbers]:
        """The price and the volume factor of each of `ids`; 1 where nothing is known of it."""
        self._pass_steps_until(day)
        known = np.where((ids > 0) & (ids < len(self._prices)), ids, 0)
        return self._prices[known], self._volumes[known]

    def _pass_steps_until(self, day: date) -> None:
        after = int(np.searchsorted(self._of.days, day_number(day), "right"))
        passed = np.arange(self._passed, after)
        ids = self._of.ids[passed]  # of steps of one id the last one stays
        self._prices[ids], self._volumes[ids] = _quotients(self._of, passed)
        self._passed = after


def history(of: Products, security_id: int | None, days: Numbers) -> tuple[Numbers, Numbers]:
    """The price and the volume factor of a security on each of `days`, since 1970-01-01."""
    own = np.flatnonzero(of.ids == security_id)
    if not len(own):
        return np.ones(len(days)), np.ones(len(days))
    return _quotients(of, own[np.searchsorted(of.days[own], days, "right") - 1])


def _quotients(of: Products, steps: Numbers) -> tuple[Numbers, Numbers]:
    """The price and the volume factor from the days of `steps` on."""
    ids = of.ids[steps]
    splits, dividends = of.splits[steps], of.dividends[steps]
    prices = (splits / of.splits_as_of[ids]) * (dividends / of.dividends_as_of[ids])
    return prices, of.splits_as_of[ids] / splits


def multiply(values: MutableMapping[str, Numbers], prices: Numbers, volumes: Numbers) -> None:
    """Adjust raw bars in place, and add their factors."""
    for name in PRICES:
        if name in values:
            values[name] *= prices
    if "volume" in values:
        values["volume"] *= volumes
    values["price_factor"], values["volume_factor"] = prices, volumes
