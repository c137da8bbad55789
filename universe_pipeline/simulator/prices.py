"""What a security trades at: any session's numbers, computed from its traits and the day alone.

A price is the security's own level times slow swings times a day's noise, so that no day needs the
days before it. Splits are steps of the level, which every price comes from: it is the level of a
share of today, times how many of those one share of that day became.

Arrays of securities and of days broadcast: many securities on one day, or one over many days. The
same security on the same day has the same numbers either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from universe_pipeline.simulator.listings import Listing
from universe_pipeline.simulator.noise import Floats, Seeds, growth, seed_of, seeds, uniform, wave
from universe_pipeline.simulator.splits import Days

FRACTIONAL_SINCE = date(2026, 2, 23).toordinal()
"""From this session on the consolidated tape reports fractions of a share."""

TICKS = 10_000.0
"""Ticks in a dollar: prices have at most four decimals."""
_CENT = 100.0
_SHARE_PARTS = 1e6
"""Volumes have at most six decimals."""

_THIN_TYPES = frozenset({"PFD", "WARRANT", "UNIT", "RIGHT", "SP", "ADRP"})

_Distribution: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""Cumulated fractions of the cases, and their values there; straight lines between."""

_PRICES: _Distribution = (
    (0, 0.08, 0.3, 0.5, 0.7, 0.9, 0.99, 1),
    (0.4, 3, 10, 20, 35, 100, 400, 2_000),
)
_VOLUMES: _Distribution = ((0, 0.2, 0.5, 0.75, 0.95, 1), (800, 20e3, 150e3, 700e3, 5e6, 4e7))
_RESTLESSNESS: _Distribution = ((0, 0.5, 0.9, 1), (0.004, 0.02, 0.05, 0.12))
_BUSY_DAYS: _Distribution = ((0, 0.1, 0.5, 0.9, 0.99, 1), (0.35, 0.6, 1, 1.7, 3.5, 8))
_SWINGS = ((0.40, 4001.0), (0.18, 857.0), (0.07, 163.0))
"""Amplitude (as a rate of growth) and period in days of the slow swings of a price."""

_CENTS_TYPES = frozenset({"WARRANT", "RIGHT"})
_RESTLESS_CENTS: _Distribution = ((0, 0.5, 0.9, 1), (0.02, 0.1, 0.4, 3))
_RESTLESS_PRESENCE: _Distribution = ((0, 0.3, 1), (0.03, 0.3, 0.9))
"""The fraction of sessions in which a thin name trades."""
_RESTLESS_MOVES: _Distribution = ((0, 0.5, 0.9, 1), (0.01, 0.035, 0.09, 0.2))
_JUMPS: _Distribution = (
    (0, 0.02, 0.08, 0.4, 0.6, 0.92, 0.98, 1),
    (-0.9, -0.3, -0.12, -0.03, 0.03, 0.12, 0.3, 0.9),
)
"""What news does to a price until the next news, as a rate of growth."""
_LIQUID_JUMPS = 0.25
_NEWS_EVERY = (15.0, 120.0)
"""Days from news to news, by security."""
_NEWS_OVERNIGHT = 0.7
"""The fraction of news between two sessions; all others come within one."""
_NEWS_UNTRADED = 0.15
"""The fraction of news that bring no more volume than usual."""
_NEWS_VOLUME = (2.0, 9.0)
_SPIKES, _SPIKE_SIZE, _LOWEST_SPIKE = 0.001, 8.0, 0.4
"""The fraction of closes with so many times their usual noise, which the next one lacks; the
lowest, as a fraction of the price."""

_TRADES_DAILY = 50_000.0
"""USD a session from which on a symbol has a bar in each: a real one lacks it only when halted."""

_OUTSIDE_VWAP = 0.065
"""The fraction of vwaps outside [low, high]: they include odd lots and extended hours, which OHLC
does not: 6.5 % of a real session."""
_OUTSIDE_ABOVE = 0.5
_OFF_CENTS = 0.125
_WHOLE_SHARES = 0.2


@dataclass(frozen=True, slots=True)
class Traits:
    """What stays the same about securities, as arrays of equal length."""

    seed: Seeds
    price: Floats
    shares: Floats
    restlessness: Floats
    """How far a day's noise moves the price, as a share of it."""
    swing: Floats
    """1, or 0 where the price never moves."""
    presence: Floats
    """The share of sessions with a bar."""
    idleness: Floats
    """The share of bars that are carried over without a trade, where the one before has trades."""
    jumps: Floats | None
    """How large news are, as a factor; None: there are none, and no spikes either."""

    @classmethod
    def of(cls, listings: Sequence[Listing]) -> "Traits":
        """The traits of `listings`; those with the same path have the same prices."""
        seed = seeds(np.array([seed_of(each.path) >> 1 for each in listings]))
        frozen = np.array([each.frozen for each in listings])
        liquid = np.array([each.price is not None for each in listings])
        thin_type = np.array([each.type in _THIN_TYPES for each in listings])
        thin = ~liquid & (uniform(seed, 4) < np.where(thin_type, 0.35, 0.06))
        price = _given_or([each.price for each in listings], seed, 1, _PRICES)
        shares = _given_or([each.shares for each in listings], seed, 2, _VOLUMES)
        shares = np.where(thin, np.minimum(0.02 * shares, _TRADES_DAILY / 2 / price), shares)
        is_daily = liquid | (price * shares >= _TRADES_DAILY)
        return cls(
            seed=seed,
            price=price,
            shares=shares,
            restlessness=np.where(
                frozen,
                0.0,
                _given_or([each.restlessness for each in listings], seed, 3, _RESTLESSNESS),
            ),
            swing=np.where(frozen, 0.0, 1.0),
            presence=np.where(is_daily, 1.0, np.where(thin, 0.66, 0.998)),
            idleness=np.where(frozen, 1.0, np.where(thin, 0.16, 0.0)),
            jumps=None,
        )

    def at(self, places: npt.NDArray[np.intp]) -> "Traits":
        """The traits of the securities at `places`."""
        return Traits(
            seed=self.seed[places],
            price=self.price[places],
            shares=self.shares[places],
            restlessness=self.restlessness[places],
            swing=self.swing[places],
            presence=self.presence[places],
            idleness=self.idleness[places],
            jumps=None if self.jumps is None else self.jumps[places],
        )


def restless_traits(listings: Sequence[Listing]) -> Traits:
    """Traits as of real securities, with news, spikes, cents and many days without a trade."""
    calm = Traits.of(listings)
    is_given = np.array([each.price is not None for each in listings])
    at_cents = np.array([each.type in _CENTS_TYPES for each in listings]) & ~is_given
    cents = np.interp(uniform(calm.seed, 1), *_RESTLESS_CENTS)
    presence = np.interp(uniform(calm.seed, 22), *_RESTLESS_PRESENCE)
    moves = np.interp(uniform(calm.seed, 3), *_RESTLESS_MOVES)
    return replace(
        calm,
        price=np.where(at_cents, cents, calm.price),
        restlessness=np.where(is_given | (calm.swing == 0), calm.restlessness, moves),
        presence=np.where(calm.presence == 1.0, 1.0, presence),
        jumps=calm.swing * np.where(is_given, _LIQUID_JUMPS, 1.0),
    )


@dataclass(frozen=True, slots=True)
class OhlcBars:
    """Sessions of securities: USD a share and shares, as traded; NaN where the vendor says nothing.

    Rows with volume 0 have neither vwap nor transactions, and one price: the last close.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    transactions: Floats

    def in_shares(self, became: Floats) -> "OhlcBars":
        """The same, adjusted for the splits by which a share `became` so many."""

        def adjusted(price: Floats) -> Floats:
            return np.maximum(1.0, np.rint(price / became * TICKS)) / TICKS

        return OhlcBars(
            open=adjusted(self.open),
            high=adjusted(self.high),
            low=adjusted(self.low),
            close=adjusted(self.close),
            volume=np.rint(self.volume * became * _SHARE_PARTS) / _SHARE_PARTS,
            vwap=adjusted(self.vwap),
            transactions=self.transactions,
        )


class Cash(NamedTuple):
    """What dividends do to prices, in USD a share of today."""

    premium_before: Floats
    """Part of the last session's close, for the dividends to come."""
    paid: Floats
    """Gone since that close."""
    premium: Floats
    """Part of this session's close."""


def has_bar(traits: Traits, day: Days) -> npt.NDArray[np.bool_]:
    """Whether the securities appear at all in the sessions."""
    return uniform(_daily(traits, day), 20) < traits.presence


def ohlc_bars(traits: Traits, day: Days, before: Days, became: Floats, cash: Cash) -> OhlcBars:
    """The sessions on `day`, each with the session `before` it, in the shares of `day`.

    One of those shares `became` so many of today's.
    """
    daily = _daily(traits, day)
    carried = close_in_ticks(traits, before, became, cash.premium_before)
    idle = _is_idle(traits, day, before)
    gap = traits.restlessness * (uniform(daily, 4) - 0.5) * 0.6
    without = carried - became * cash.paid * TICKS
    expected = without * (1 + gap) * _overnight(traits, day, before)
    opened = np.where(idle, carried, _quoted(expected, uniform(daily, 5)))
    closed = np.where(idle, carried, close_in_ticks(traits, day, became, cash.premium))
    top, bottom = np.maximum(opened, closed), np.minimum(opened, closed)
    up = top * (1 + 0.5 * traits.restlessness * uniform(daily, 6))
    down = bottom * (1 - 0.5 * traits.restlessness * uniform(daily, 8))
    high = np.where(idle, carried, np.maximum(top, _quoted(up, uniform(daily, 7))))
    low = np.where(idle, carried, np.minimum(bottom, _quoted(down, uniform(daily, 9))))
    shares = traits.shares / became * _news_volume(traits, day, before)
    volume = _volume(shares, daily, day)
    transactions = np.maximum(1.0, np.floor(volume / (40 + 160 * uniform(daily, 16))))
    return OhlcBars(
        open=opened / TICKS,
        high=high / TICKS,
        low=low / TICKS,
        close=closed / TICKS,
        volume=np.where(idle, 0.0, volume),
        vwap=np.where(idle, np.nan, _vwap(daily, high, low) / TICKS),
        transactions=np.where(idle, np.nan, transactions),
    )


def _is_idle(traits: Traits, day: Days, before: Days) -> npt.NDArray[np.bool_]:
    """Whether nothing trades: never twice in a row, nor after a session without a bar.

    So the price that is carried over is that of the bar before. One that never moves always is.
    """
    drawn, drawn_before = (
        uniform(_daily(traits, each), 21) < traits.idleness for each in (day, before)
    )
    return drawn & ((traits.swing == 0) | (has_bar(traits, before) & ~drawn_before))


def _given_or(given: list[float | None], seed: Seeds, salt: int, drawn: _Distribution) -> Floats:
    """The given values, and where there is none, one drawn from that distribution."""
    known = np.array([np.nan if value is None else value for value in given])
    return np.where(np.isnan(known), np.interp(uniform(seed, salt), *drawn), known)


def _daily(traits: Traits, day: Days) -> Seeds:
    return traits.seed ^ seeds(day)


def _level(traits: Traits, day: Days) -> Floats:
    """Where the price of a share of today would be on a day without noise."""
    rate = sum(
        (
            amplitude * wave(day / period + uniform(traits.seed, salt))
            for salt, (amplitude, period) in enumerate(_SWINGS, start=5)
        ),
        start=np.zeros(1),
    )
    return traits.price * growth(traits.swing * rate) * _jumped(traits, day)


def _jumped(traits: Traits, day: Days) -> Floats:
    """What the news so far have made of the price, as a factor."""
    if traits.jumps is None:
        return np.ones(1)
    drawn = uniform(traits.seed ^ seeds(_news(traits, day)), 41)
    return growth(traits.jumps * np.interp(drawn, *_JUMPS))


def _overnight(traits: Traits, day: Days, before: Days) -> Floats:
    """What the news since the last session make of the open, as a factor."""
    if traits.jumps is None:
        return np.ones(1)
    factor = _jumped(traits, day) / _jumped(traits, before)
    return np.where(uniform(_daily(traits, day), 46) < _NEWS_OVERNIGHT, factor, 1.0)


def _news(traits: Traits, day: Days) -> Days:
    """The number of the news that a price is at: another one each 15 to 120 days."""
    every = np.interp(uniform(traits.seed, 42), (0, 1), _NEWS_EVERY)
    return np.floor(day / every + uniform(traits.seed, 43)).astype(np.int64)


def _news_volume(traits: Traits, day: Days, before: Days) -> Floats:
    """How many times its usual volume a security trades because of news."""
    if traits.jumps is None:
        return np.ones(1)
    draw = uniform(_daily(traits, day), 44)
    is_news = (_news(traits, day) != _news(traits, before)) & (draw >= _NEWS_UNTRADED)
    return np.where(is_news, np.interp(draw, (0, 1), _NEWS_VOLUME), 1.0)


def close_in_ticks(traits: Traits, day: Days, became: Floats, premium: Floats) -> Floats:
    """The close of shares that `became` so many of today's, each of which holds a `premium`."""
    daily = _daily(traits, day)
    noise = uniform(daily, 1) + uniform(daily, 2) - 1
    if traits.jumps is not None:
        noise *= np.where(uniform(daily, 45) < _SPIKES * traits.jumps, _SPIKE_SIZE, 1.0)
    moved = np.maximum(1 + traits.restlessness * noise, _LOWEST_SPIKE)
    level = became * _level(traits, day) * moved
    level += became * premium
    return _quoted(level * TICKS, uniform(daily, 3))


def _quoted(ticks: Floats, draw: Floats) -> Floats:
    """Round to whole cents, and below a dollar or now and then to ticks."""
    step = np.where((ticks >= TICKS) & (draw >= _OFF_CENTS), _CENT, 1.0)
    return np.maximum(1.0, np.rint(ticks / step) * step)


def _vwap(daily: Seeds, high: Floats, low: Floats) -> Floats:
    inside = low + (high - low) * uniform(daily, 10)
    beyond = 1 + high * 0.004 * uniform(daily, 11)
    outside = np.where(uniform(daily, 12) < _OUTSIDE_ABOVE, high + beyond, low - beyond)
    chosen = np.where(uniform(daily, 13) < _OUTSIDE_VWAP, outside, inside)
    return np.maximum(1.0, np.rint(chosen))


def _volume(shares: Floats, daily: Seeds, day: Days) -> Floats:
    """Whole shares, and from `FRACTIONAL_SINCE` on mostly with up to six decimals."""
    busy = np.interp(uniform(daily, 14), *_BUSY_DAYS)
    whole = np.maximum(1.0, np.floor(shares * busy))
    draw = uniform(daily, 15)
    parts = np.rint((draw * 7919.0 % 1.0) * _SHARE_PARTS)
    fractional = (day >= FRACTIONAL_SINCE) & (draw >= _WHOLE_SHARES)
    return np.where(fractional, np.rint(whole * _SHARE_PARTS + parts) / _SHARE_PARTS, whole)
