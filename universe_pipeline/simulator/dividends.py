"""What a dividend is, which listings pay, and what the dividends do to prices.

At full size about 4,500 listings pay some 24,000 dividends a year. A regular payment follows from
the payer and its number alone, so that no day needs the days before it. A price rises by the cash
in the 30 days before the ex-date, and the open of the ex-date is lower by it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from universe_pipeline.domain.sessions import FIRST_SESSION, all_sessions
from universe_pipeline.simulator.noise import Floats, Seeds, uniform
from universe_pipeline.simulator.splits import Action, Days, Splits

Places = npt.NDArray[np.intp]

_ORIGIN = FIRST_SESSION.toordinal()
_NEVER = date.max.toordinal()
_DAYS_A_YEAR = 365.25
_RISE = 30
"""Days before an ex-date in which a price rises by the cash."""
_SPECIAL_RATE = 0.05
"""A special dividend without a given cash, as a fraction of the usual price."""
_CASH_PARTS, _FUND_CASH_PARTS = 1e4, 1e6
"""Declared amounts have four decimals, those of funds six."""
_LEAST_CASH = 0.0001
_TYPED_SINCE = date(2013, 1, 1).toordinal()
"""Older regular dividends are listed with frequency 0 and type `unknown`."""


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing pays again and again, with ex-dates after `since` and before `until`."""

    frequency: int
    """Payments a year, from 1 to 12."""
    phase: float
    """Where in a period an ex-date lies, from 0 to 1."""
    rate: float
    """A year's cash as a fraction of the usual price."""
    varies: bool = False
    """Whether each payment differs, as those of funds do."""
    is_regular: bool = True
    """False: the list calls it irregular, and gives no frequency."""
    since: int = _ORIGIN
    """Proleptic ordinal."""
    until: int = _NEVER


class Dividend(Action, frozen=True, kw_only=True):
    """From the open of `day` on, a buyer no longer receives `cash`."""

    day: int
    """Proleptic ordinal of the ex-date."""
    cash: float | None = None
    """A share of that day; None: 5 % of the usual price."""
    type: str = "special"
    frequency: int = 0
    currency: str = "USD"


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


WELL_KNOWN_PAYERS = {
    "AAPL": Payer(frequency=4, phase=0.62, rate=0.006, since=_day("2012-08-01")),
    "MSFT": Payer(frequency=4, phase=0.78, rate=0.009, since=_day("2004-12-01")),
    "SPY": Payer(frequency=4, phase=0.11, rate=0.014, varies=True),
    "QQQ": Payer(frequency=4, phase=0.14, rate=0.006, varies=True),
    "A": Payer(frequency=4, phase=0.25, rate=0.007, since=_day("2012-03-01")),
    "BCPC": Payer(frequency=1, phase=0.29, rate=0.006),
    "BCpC": Payer(frequency=4, phase=0.91, rate=0.064),
    "TpC": Payer(frequency=4, phase=0.55, rate=0.058),
    "PSApS": Payer(frequency=4, phase=0.02, rate=0.06),
}
"""By ticker."""

WELL_KNOWN_DIVIDENDS = {
    "MSFT": (
        Dividend(day=_day("2004-11-15"), cash=3.0),
        Dividend(day=_day("2004-11-15"), cash=0.08, type="recurring", frequency=4),
    ),
}
"""By ticker. Microsoft's are the true ones of a day with two."""


_NO_PAYER = Payer(frequency=1, phase=0.0, rate=0.0)


class _Habit(NamedTuple):
    """How listings of a type pay."""

    fraction: float
    """So many of them do."""
    frequencies: tuple[tuple[float, int], ...]
    """The fraction of payers up to which one pays so often; 0: irregularly."""
    rates: tuple[float, float]
    varies: bool


_STOCK = _Habit(0.3, ((0.86, 4), (0.9, 2), (0.96, 1), (1, 0)), (0.003, 0.04), varies=False)
_RECEIPT = _Habit(0.4, ((0.4, 4), (0.75, 2), (1, 1)), (0.01, 0.05), varies=True)
_ETF = _Habit(0.55, ((0.5, 4), (0.9, 12), (1, 1)), (0.003, 0.06), varies=True)
_FUND = _Habit(0.9, ((0.85, 12), (1, 4)), (0.05, 0.1), varies=True)
_PREFERRED = _Habit(1.0, ((1, 4),), (0.045, 0.08), varies=False)
_HABITS = {
    "CS": _STOCK,
    "ADRC": _RECEIPT,
    "ETF": _ETF,
    "FUND": _FUND,
    "PFD": _PREFERRED,
    "ADRP": _PREFERRED,
    "SP": _PREFERRED,
}
_SPECIALS = 0.04
"""The fraction of stocks with one special dividend in their life."""


def drawn_payers(
    seed: Seeds, types: Sequence[str | None], spans: Sequence[tuple[int, int]]
) -> list[Payer | None]:
    """The payers among invented listings, each listed from its first day to before its end."""
    draws = zip(*(uniform(seed, salt).tolist() for salt in range(21, 25)), strict=True)
    return [
        _payer(habit, span, *draw) if (habit := _HABITS.get(type_ or "")) else None
        for type_, span, draw in zip(types, spans, draws, strict=True)
    ]


def _payer(
    habit: _Habit, span: tuple[int, int], whether: float, often: float, phase: float, rate: float
) -> Payer | None:
    if whether >= habit.fraction:
        return None
    frequency = next(each for until, each in habit.frequencies if often < until)
    low, high = habit.rates
    return Payer(
        frequency=frequency or 1,
        phase=phase,
        rate=low + (high - low) * rate,
        varies=habit.varies or not frequency,
        is_regular=frequency > 0,
        since=span[0],
        until=span[1],
    )


def drawn_specials(
    seed: Seeds, types: Sequence[str | None], spans: Sequence[tuple[int, int]]
) -> list[tuple[Dividend, ...]]:
    """The special dividends of invented stocks."""
    sessions = _session_days()
    draws = zip(uniform(seed, 25).tolist(), uniform(seed, 26).tolist(), strict=True)
    found: list[tuple[Dividend, ...]] = []
    for type_, (first, end), (whether, when) in zip(types, spans, draws, strict=True):
        low, high = np.searchsorted(sessions, (first + _RISE, end)).tolist()
        has_one = type_ == "CS" and whether < _SPECIALS and low < high
        day = int(sessions[low + int(when * (high - low))]) if has_one else 0
        found.append((Dividend(day=day),) if has_one else ())
    return found


class _Paying(Protocol):
    @property
    def payer(self) -> Payer | None: ...
    @property
    def dividends(self) -> tuple[Dividend, ...]: ...


class Payments(NamedTuple):
    """Rows of the list of dividends, as sequences of equal length."""

    place: Places
    ex_day: Days
    cash: Floats
    """A share of the ex-date."""
    frequency: npt.NDArray[np.int64]
    type: npt.NDArray[np.str_]
    currency: list[str]
    listed_from: list[int | None]
    listed_until: list[int]
    """As in `splits.Action`."""


class _Given(NamedTuple):
    place: int
    dividend: Dividend
    cash: float


class Dividends:
    """The dividends of listings, which are named by their places in the order given here.

    Args:
        listings: in that order.
        price: what each usually trades at, in USD a share of today.
        seed: of each.
        splits: of the same listings.
    """

    def __init__(
        self, listings: Sequence[_Paying], price: Floats, seed: Seeds, splits: Splits
    ) -> None:
        payers = [listing.payer or _NO_PAYER for listing in listings]
        frequency = np.array([payer.frequency for payer in payers])
        self._seed, self._splits, self._sessions = seed, splits, _session_days()
        self._frequency, self._period = frequency, _DAYS_A_YEAR / frequency
        self._is_regular = np.array([payer.is_regular for payer in payers])
        self._phase = np.array([payer.phase for payer in payers])
        self._usual = price * np.array([payer.rate for payer in payers]) / frequency
        self._varies = np.array([payer.varies for payer in payers])
        self._since = np.array([payer.since for payer in payers])
        self._until = np.array([payer.until for payer in payers])
        self._given = [
            _Given(place, dividend, self._cash_of(dividend, place, price))
            for place, listing in enumerate(listings)
            for dividend in listing.dividends
        ]
        self._layers = self._layered(len(listings))

    def premium(self, places: Places, day: Days) -> Floats:
        """How much of the dividends to come a share of `day` holds, in USD a share of today."""
        premium = np.zeros(places.shape)
        for ex_day, cash in self._next(places, day):
            risen = np.clip(1 - (ex_day - day - 1) / _RISE, 0.0, 1.0)
            premium += np.where(day < ex_day, cash * risen, 0.0)
        return premium

    def paid(self, places: Places, before: Days, day: Days) -> Floats:
        """The cash with ex-dates after `before` and up to `day`, in USD a share of today."""
        paid = np.zeros(places.shape)
        for ex_day, cash in self._next(places, before):
            paid += np.where((before < ex_day) & (ex_day <= day), cash, 0.0)
        return paid

    def listed(self) -> Payments:
        """Every row that the list ever has, of regular payments as far as the calendar reaches."""
        place, ex_day, cash = self._regular()
        is_known = ex_day >= _TYPED_SINCE
        is_regular = self._is_regular[place] & is_known
        frequency = np.where(is_regular, self._frequency[place], 0)
        types = np.where(is_regular, "recurring", np.where(is_known, "irregular", "unknown"))
        given = [each for each in self._given if each.dividend.is_listed]
        named = [each.dividend for each in given]
        count = len(place)
        return Payments(
            place=np.append(place, [each.place for each in given]).astype(np.intp),
            ex_day=np.append(ex_day, [each.day for each in named]).astype(np.int64),
            cash=np.append(cash, [each.cash for each in given]),
            frequency=np.append(frequency, [each.frequency for each in named]).astype(np.int64),
            type=np.append(types, [each.type for each in named]),
            currency=["USD"] * count + [each.currency for each in named],
            listed_from=[None] * count + [each.listed_from for each in named],
            listed_until=[_NEVER] * count + [each.listed_until for each in named],
        )

    def _regular(self) -> tuple[Places, Days, Floats]:
        payers = np.flatnonzero(self._usual)
        last = np.minimum(self._until[payers], self._sessions[-1])
        counts = np.ceil((last - _ORIGIN) / self._period[payers]).astype(np.intp)
        place = np.repeat(payers, counts)
        number = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        ex_day, cash = self._payment(place, number.astype(np.float64))
        real = cash > 0
        return place[real], ex_day[real], cash[real]

    def _next(self, places: Places, day: Days) -> Iterator[tuple[Days, Floats]]:
        """Ex-dates, of the regular ones the next after `day`, and USD a share of today."""
        number = np.ceil((day + 1 - _ORIGIN) / self._period[places] - self._phase[places])
        ex_day, cash = self._payment(places, number)
        yield ex_day, cash / self._splits.became(places, ex_day)
        for ex_days, paid in self._layers:
            yield ex_days[places], paid[places]

    def _payment(self, places: Places, number: Floats) -> tuple[Days, Floats]:
        """Ex-date and USD a share of that day of each payer's payment of that number."""
        planned = np.floor(_ORIGIN + (number + self._phase[places]) * self._period[places])
        at = np.minimum(np.searchsorted(self._sessions, planned), len(self._sessions) - 1)
        ex_day = self._sessions[at]
        varies = self._varies[places]
        drawn = 0.7 + 0.6 * uniform(self._seed[places] + number.astype(np.uint64), 30)
        year = np.floor(number * self._period[places] / _DAYS_A_YEAR)
        grown = np.clip(0.5 + 0.03 * year, 0.5, 1.5)
        parts = np.where(varies, _FUND_CASH_PARTS, _CASH_PARTS)
        cash = self._usual[places] * np.where(varies, drawn, grown)
        declared = np.rint(cash * self._splits.became(places, ex_day) * parts) / parts
        counts = (self._since[places] < ex_day) & (ex_day < self._until[places])
        counts &= self._usual[places] > 0
        return ex_day, np.where(counts, np.maximum(declared, _LEAST_CASH), 0.0)

    def _cash_of(self, dividend: Dividend, place: int, price: Floats) -> float:
        if dividend.cash is not None:
            return dividend.cash
        became = self._splits.became(np.array([place]), np.array([dividend.day]))
        return max(0.01, round(_SPECIAL_RATE * price[place] * became.item(), 2))

    def _layered(self, count: int) -> list[tuple[Days, Floats]]:
        """Each listing's first given dividend, then each one's second, and so on."""
        seen = Counter[int]()
        layers: list[tuple[Days, Floats]] = []
        for place, dividend, cash in self._given:
            if not dividend.happens:
                continue
            if seen[place] == len(layers):
                layers.append((np.zeros(count, np.int64), np.zeros(count)))
            ex_day, paid = layers[seen[place]]
            ex_day[place] = dividend.day
            became = self._splits.became(np.array([place]), np.array([dividend.day]))
            paid[place] = cash / became.item()
            seen[place] += 1
        return layers


def _session_days() -> Days:
    return np.array([session.toordinal() for session in all_sessions()])
