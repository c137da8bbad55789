"""Sessions that differ as a whole, and the findings of their symbols that only follow from that.

A fault of a whole session (all volumes doubled, all prices a hundredfold, half of the bars mere
placeholders) breaks a rule for each of its symbols. It is one finding of the session, which counts
those that follow from it. What a symbol does beyond that remains its own finding.

The thresholds leave real days alone:

    prices         The median close of a session never moved by a quarter since 2003 (12 % on
                   2020-03-16).
    volumes        The median volume of a session may be over twice its usual in a crash, or half
                   of it before holidays. So under a factor of 5 moves must be as small as usual,
                   volumes must lie as closely together as usual (expiries and rebalancings concern
                   some names only), and, where transactions are known, the size of a trade must
                   have changed along: busy days have more trades, not larger ones. Early closes
                   and the days around the year's end are never too quiet.
    placeholders   A fifth more of the bars than usual have one price and a fifth of their volume.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, log
from statistics import median
from typing import NamedTuple

import polars as pl

from universe_pipeline.domain.quality.figures import TINY, Figures
from universe_pipeline.domain.quality.history import FAR, LARGE
from universe_pipeline.domain.quality.rules import (
    CLOSES_CHANGE,
    CLOSES_MOVE,
    CLOSES_NEAR,
    EARLY_VOLUME_WHOLE,
    JUMPS_EXPLAINED,
    NO_SPIKES,
    ONE_COMPANY,
    PLACEHOLDERS_CARRY,
    PRICES_USUAL,
    SCALE_KEPT,
    SPLITS_KNOWN,
    SPLITS_SHOWN,
    TRANSACTIONS_AGREE,
    VOLUME_USUAL,
    VWAP_NEAR,
    Rule,
)
from universe_pipeline.domain.sessions import is_early_close, sessions_before

_ENOUGH = 100
"""Of fewer bars a median may be chance."""

_PLACEHOLDERS_MORE = 0.2
_VOLUMES_SHIFTED = 0.5  # on a log scale: by a factor of 1.65
_BEYOND_MARKETS = log(5)
_MORE_RESTLESS, _WIDER = 1.5, 1.25
_ALONG = 0.5
"""The part of the shift that the size of a trade must show."""

_OF_MOVES = frozenset(
    {CLOSES_NEAR, JUMPS_EXPLAINED, NO_SPIKES, ONE_COMPANY, SCALE_KEPT, SPLITS_KNOWN, SPLITS_SHOWN}
)


@dataclass(frozen=True, slots=True)
class Shift:
    """How a session differs as a whole; logarithms, 0 where it does not."""

    session: date
    prices: float = 0.0
    volumes: float = 0.0
    placeholders: bool = False
    details: tuple[str, ...] = ()
    """What is found, in words; nothing of a session that is back from a shift."""

    @property
    def consequences(self) -> frozenset[Rule]:
        """The rules that symbols may break because of it."""
        rules = frozenset[Rule]()
        if self.prices:
            rules |= _OF_MOVES | {PLACEHOLDERS_CARRY, PRICES_USUAL, VWAP_NEAR}
        if self.volumes:
            rules |= {VOLUME_USUAL, EARLY_VOLUME_WHOLE}
        if self.placeholders:
            rules |= _OF_MOVES | {CLOSES_CHANGE, CLOSES_MOVE, PLACEHOLDERS_CARRY, VOLUME_USUAL}
            rules |= {TRANSACTIONS_AGREE, VWAP_NEAR}
        return rules

    @property
    def explains(self) -> pl.Expr:
        """Which candidates differ no more than the session does, also those back from it."""
        is_of_it, is_after = pl.col("date") == self.session, pl.col("date_before") == self.session
        move, excess = pl.col("move"), pl.col("size") - pl.col("usual_size")
        causes = [pl.lit(value=False)]
        if self.prices:
            causes += [is_of_it & ((move - self.prices).abs() <= LARGE)]
            causes += [is_after & ((move + self.prices).abs() <= LARGE)]
        if self.volumes:
            causes += [is_of_it & ((excess - self.volumes).abs() <= FAR)]
        if self.placeholders:
            is_hardly_any = (pl.col("volume") == 0) | (excess < -TINY)
            causes += [is_of_it & (pl.col("high") == pl.col("low")) & is_hardly_any]
            causes += [is_after & ((pl.col("move_before") + move).abs() <= LARGE)]
        return pl.any_horizontal(causes).fill_null(value=False)


class Usual(NamedTuple):
    """A session's figures, and those of the twenty loaded sessions before it, or none."""

    figures: Figures
    before: Sequence[Figures]

    def median(self, name: str) -> float | None:
        """The median of a figure over the sessions before of which it is known."""
        known = [value for each in self.before if (value := getattr(each, name)) is not None]
        return median(known) if known else None


def shift_of(given: Usual, earlier: Mapping[date, Shift]) -> Shift | None:
    """How a session differs as a whole, if it does.

    Args:
        given: its figures and the usual ones.
        earlier: the shifts of sessions before: prices may be back from one.
    """
    session = given.figures.session
    if detail := _placeholders(given):
        return Shift(session, placeholders=True, details=(detail,))
    last = next((earlier[day] for day in sessions_before(session, 1) if day in earlier), None)
    prices, volumes = _prices(given.figures), _volumes(given)
    is_back = last is not None and _is_back(prices, last)
    prices = 0.0 if is_back else prices
    if not (prices or volumes or is_back):
        return None
    names = ((prices, "prices", "those of the session before"), (volumes, "volumes", "usual"))
    details = (f"{name} are {exp(shift):.3g} times {base}" for shift, name, base in names if shift)
    return Shift(session, prices, volumes, details=tuple(details))


def _is_back(prices: float, last: Shift) -> bool:
    """Whether prices that moved by so much are where they were before the last session's shift."""
    is_moved = bool(prices and last.prices)
    return last.placeholders or (is_moved and abs(prices + last.prices) <= LARGE)


def _prices(figures: Figures) -> float:
    """By how much all prices moved, if that cannot be the market."""
    moved = figures.median_return or 0.0
    return moved if figures.returns >= _ENOUGH and abs(moved) > LARGE else 0.0


def _volumes(given: Usual) -> float:
    """By how much all volumes differ from the usual ones, if that cannot be the market."""
    figures, shift = given.figures, given.figures.volume_shift or 0.0
    if figures.measured < _ENOUGH or not abs(shift) > _VOLUMES_SHIFTED:
        return 0.0
    is_custom = shift < 0 and _is_quiet(figures.session)
    is_factor = abs(shift) > _BEYOND_MARKETS or (not is_custom and all(_signs(given, shift)))
    return shift if is_factor else 0.0


def _signs(given: Usual, shift: float) -> Iterator[bool]:
    """What holds where a factor lies on the volumes, and not where a market is busy or quiet."""
    figures = given.figures
    usual, width, trade = map(given.median, ("mean_abs_return", "volume_width", "trade_size"))
    yield usual is not None and (figures.mean_abs_return or 0.0) <= _MORE_RESTLESS * usual
    yield width is not None and (figures.volume_width or 0.0) <= _WIDER * width
    if trade is not None and figures.trade_size is not None:
        yield (figures.trade_size - trade) / shift >= _ALONG


def _is_quiet(session: date) -> bool:
    """Whether little is traded by custom: on early closes, and around the year's end."""
    day = session.month, session.day
    return is_early_close(session) or day >= (12, 23) or day <= (1, 2)


def _placeholders(given: Usual) -> str:
    """In words that far more bars than usual are placeholders, if they are."""
    figures = given.figures
    if figures.measured < _ENOUGH or not given.before:
        return ""
    fraction, usual = _fraction(figures), median(map(_fraction, given.before))
    if fraction - usual <= _PLACEHOLDERS_MORE:
        return ""
    return f"{fraction:.0%} of the bars have one price and hardly any volume, usually {usual:.0%}"


def _fraction(figures: Figures) -> float:
    return figures.placeholders / max(1, figures.measured)
