"""Bars that identity asks for: around a day on which a symbol may have changed hands."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import log

import psycopg

from universe_pipeline.domain.listings.market import JUMP, Break, Step
from universe_pipeline.domain.listings.segments import Calendar

_LOOK_BACK = timedelta(days=45)
"""Before the day after which a break is wanted: the bar before it lies within a halt of it."""

_BARS = """
    SELECT date, open, close FROM daily_bars WHERE symbol = %s AND date BETWEEN %s AND %s
    ORDER BY date
    """

_STEP = """
    SELECT ended.close, ended.close * ended.volume, begun.open, begun.close * begun.volume,
           coalesce((
               SELECT split_to / split_from FROM splits
               WHERE symbol IN (ended.symbol, begun.symbol)
                 AND execution_date > ended.date AND execution_date <= begun.date
               ORDER BY execution_date DESC LIMIT 1
           ), 1)
    FROM daily_bars ended, daily_bars begun
    WHERE (ended.symbol, ended.date) = (%s, %s) AND (begun.symbol, begun.date) = (%s, %s)
    """


@dataclass(frozen=True, slots=True)
class StoredMarket:
    """The market as `daily_bars` has it."""

    connection: psycopg.Connection
    calendar: Calendar

    def breaks(self, symbol: str, after: date, until: date) -> list[Break]:
        """The sessions after one day until another that follow a gap or begin with a jump."""
        rows = self.connection.execute(_BARS, (symbol, after - _LOOK_BACK, until)).fetchall()
        found: list[Break] = []
        for (before, _, close), (day, opened, _) in pairwise(rows):
            missing = self.calendar.loaded_between(before, day)
            jump = log(opened / close) if opened > 0 and close > 0 else 0.0
            if day > after and (missing or abs(jump) >= JUMP):
                found.append(Break(day, missing, jump))
        return found

    def step(self, ended: tuple[str, date], begun: tuple[str, date]) -> Step | None:
        """From a symbol's last session to another one's first; None where a bar lacks a price."""
        row = self.connection.execute(_STEP, (*ended, *begun)).fetchone()
        if row is None or min(row) <= 0:
            return None
        close, turnover, opened, next_turnover, shares = row
        return Step(log(opened * shares / close), log(next_turnover / turnover))
