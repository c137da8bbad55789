"""The bars of a session or of a ticker, over the listings that have them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.sessions import NEW_YORK, all_sessions
from universe_pipeline.simulator.dividends import Dividends, Places
from universe_pipeline.simulator.listings import Fate, Listing
from universe_pipeline.simulator.noise import seed_of, seeds, uniform
from universe_pipeline.simulator.prices import (
    TICKS,
    Cash,
    Traits,
    close_in_ticks,
    has_bar,
    ohlc_bars,
    restless_traits,
)
from universe_pipeline.simulator.splits import Days, Splits

_NEW_YORK = ZoneInfo(NEW_YORK)
_EPOCH = date(1970, 1, 1).toordinal()
_REGULAR_CLOSE = time(16)


def milliseconds(day: date, clock: time = time.min) -> int:
    """Unix milliseconds of a wall clock time in New York."""
    return round(datetime.combine(day, clock, _NEW_YORK).timestamp() * 1000)


class Market:
    """All bars of all listings.

    A frame of bars has the vendor's columns: `T` (the ticker), `v` (shares), `vw`, `o`, `c`, `h`,
    `l` (USD), `t` (Unix milliseconds), `n`, `otc`; `vw` and `n` are null where nothing traded.
    They are as traded, or, where a day is given, in the shares of its end. Restless ones jump,
    trade seldom where they are thin, and have warrants at cents.
    """

    def __init__(self, listings: Iterable[Listing], *, restless: bool = False) -> None:
        # The vendor's order means nothing: a scattered order keeps clients from relying on it.
        traded = sorted(
            (listing for listing in listings if listing.traded),
            key=lambda listing: seed_of(listing.path),
        )
        self._traits = restless_traits(traded) if restless else Traits.of(traded)
        self._splits = Splits(traded)
        self._dividends = Dividends(traded, self._traits.price, self._traits.seed, self._splits)
        self._ticker = pl.Series("T", [listing.ticker for listing in traded])
        self._first = np.array([listing.first for listing in traded])
        self._end = np.array([listing.end for listing in traded])
        self._otc = np.array([listing.fate is Fate.OTC for listing in traded])
        halts = [listing.halted or (0, 0) for listing in traded]
        self._halted_first, self._halted_end = np.array(halts).T
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, listing in enumerate(traded):
            self._places[listing.ticker].append(place)
        self._days = np.array([session.toordinal() for session in all_sessions()])
        self._before = np.concatenate([self._days[:1] - 1, self._days[:-1]])
        self._midnights = np.array([milliseconds(session) for session in all_sessions()])

    def session(
        self, session: date, *, include_otc: bool = False, in_shares_of: date | None = None
    ) -> pl.DataFrame:
        """Every bar of `session` (an NYSE session), stamped 16:00 New York."""
        day = np.array([session.toordinal()])
        listed = (self._first <= day) & (day < self._end) & (include_otc | ~self._otc)
        present = listed & has_bar(self._traits, day) & ~self._is_halted(slice(None), day)
        places = np.flatnonzero(present)
        stamp = np.array([milliseconds(session, _REGULAR_CLOSE)])
        before = self._before[np.searchsorted(self._days, day)]
        return self._bars(places, day, before, stamp, in_shares_of)

    def ticker(
        self, ticker: str, start: date, end: date, *, in_shares_of: date | None = None
    ) -> pl.DataFrame:
        """The bars of `ticker` from `start` to `end`, in order, stamped 00:00 New York.

        Bars belong to the ticker, whichever securities had it.
        """
        within = (start.toordinal() <= self._days) & (self._days <= end.toordinal())
        pairs = [(np.empty(0, np.intp), np.empty(0, np.intp))]
        for place in self._places.get(ticker, ()):
            listed = within & (self._first[place] <= self._days) & (self._days < self._end[place])
            when = np.flatnonzero(listed)
            pairs.append((np.full(len(when), place), when))
        places, when = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        present = has_bar(self._traits.at(places), self._days[when])
        present &= ~self._is_halted(places, self._days[when])
        places, when = places[present], when[present]
        day, before, stamp = self._days[when], self._before[when], self._midnights[when]
        return self._bars(places, day, before, stamp, in_shares_of).sort("t")

    def _is_halted(self, places: Places | slice, day: Days) -> npt.NDArray[np.bool_]:
        return (self._halted_first[places] <= day) & (day < self._halted_end[places])

    def dividends(self, today: date) -> pl.DataFrame:
        """Every dividend that the list ever has, by ticker and ex-date.

        Returns:
            `ticker`, `ex_dividend_date`, `cash_amount` (a share of that day), `frequency`,
            `distribution_type`, `split_adjusted_cash_amount` (a share of `today`), `currency`,
            `kept` (the fraction of the last close that the cash leaves; 1 after `today`), `draw`
            (a number in [0, 1) of the row's own), `listed_from` and `listed_until` (see
            `splits.Action`).
        """
        found = self._dividends.listed()
        place, ex_day = found.place, found.ex_day
        listed = (self._first[place] <= ex_day) & (ex_day < self._end[place])
        until = today.toordinal()
        before = self._before[np.searchsorted(self._days, ex_day)]
        became = self._splits.became(place, before)
        premium = self._dividends.premium(place, before)
        close = close_in_ticks(self._traits.at(place), before, became, premium) / TICKS
        shares = self._splits.became(place, ex_day, until)
        frame = {
            "ticker": self._ticker.gather(place),
            "ex_dividend_date": pl.from_epoch(pl.Series(ex_day - _EPOCH), time_unit="d"),
            "cash_amount": found.cash,
            "frequency": found.frequency,
            "distribution_type": found.type,
            "split_adjusted_cash_amount": np.round(found.cash / shares, 6),
            "currency": found.currency,
            "kept": np.where(ex_day <= until, np.maximum(0.0, 1 - found.cash / close), 1.0),
            "draw": uniform(self._traits.seed[place] ^ seeds(ex_day), 31),
            "listed_from": pl.Series(found.listed_from, dtype=pl.Int64),
            "listed_until": found.listed_until,
        }
        return (
            pl.DataFrame(frame)
            .filter(pl.Series(listed))
            .sort("ticker", "ex_dividend_date", "cash_amount")
        )

    def _bars(
        self,
        places: Places,
        day: Days,
        before: Days,
        stamp: npt.NDArray[np.int64],
        in_shares_of: date | None,
    ) -> pl.DataFrame:
        became = self._splits.became(places, day)
        cash = Cash(
            premium_before=self._dividends.premium(places, before),
            paid=self._dividends.paid(places, before, day),
            premium=self._dividends.premium(places, day),
        )
        found = ohlc_bars(self._traits.at(places), day, before, became, cash)
        if in_shares_of is not None:
            until = in_shares_of.toordinal()
            found = found.in_shares(self._splits.became(places, day, until))
        return pl.DataFrame(
            {
                "T": self._ticker.gather(places),
                "v": found.volume,
                "vw": found.vwap,
                "o": found.open,
                "c": found.close,
                "h": found.high,
                "l": found.low,
                "t": np.broadcast_to(stamp, places.shape),
                "n": found.transactions,
                "otc": self._otc[places],
            }
        ).with_columns(pl.col("vw").fill_nan(None), pl.col("n").fill_nan(None).cast(pl.Int64))
