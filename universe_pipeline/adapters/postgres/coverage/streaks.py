"""The unbroken runs of sessions in which symbols have a bar: what coverage is made of.

Where the load itself does not know it, the server sets a bit for every bar of a quarter, in
parallel, which is all that it has to do bar by bar; where the runs begin and end is found here, for
all symbols of the quarter at once.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.bars.quarters import quarter_of
from universe_pipeline.adapters.postgres.packing import texts

# A quarter has more days than a number has bits: two numbers, since all that would leave out the
# weekends takes longer. The sessions are named one by one because the planner, which knows nothing
# of bars that were just loaded, expects few of a range of dates, and takes an index and no workers.
_READ = """
SELECT string_agg(textsend(symbol), '\\x00'::bytea),
       string_agg(int8send(coalesce(late, 0)) || int8send(coalesce(early, 0)), '')
FROM (
    SELECT symbol,
        bit_or(1::bigint << date - %(start)s) FILTER (WHERE date < %(start)s + 64) AS early,
        bit_or(1::bigint << date - %(start)s - 64) FILTER (WHERE date >= %(start)s + 64) AS late
    FROM daily_bars WHERE date = ANY (%(sessions)s)
    GROUP BY symbol
) symbols
"""

_Session: TypeAlias = tuple[date, date]
"""A session and the next one."""

Bars: TypeAlias = tuple[pl.Series, npt.NDArray[np.bool_]]
"""Symbols, and for each on which of some sessions it has a bar."""


def in_quarters(
    connection: psycopg.Connection,
    sessions: Sequence[date],
    bars_of: Callable[[Sequence[date]], Bars],
) -> Iterator[pl.DataFrame]:
    """Quarter by quarter, the runs among `sessions`: `symbol`, `days` (the text of a daterange).

    A run reaches until the session after its last, so that those of two quarters join. The text of
    all quarters at once would take most of the memory of a load.

    Args:
        connection: for the calendar.
        sessions: in any order.
        bars_of: the bars of sessions of one quarter, in order.
    """
    known = set(sessions)
    for _, quarter in groupby(_calendar(connection, sessions), lambda day: quarter_of(day[0])):
        calendar = list(quarter)
        wanted = [day for day, _ in calendar if day in known]
        if wanted:  # sessions that are years apart leave many quarters out
            runs = _runs(calendar, wanted, bars_of(wanted))
            yield runs.select("symbol", days=pl.format("[{},{})", "first", "until"))


def _calendar(connection: psycopg.Connection, sessions: Sequence[date]) -> list[_Session]:
    if not sessions:
        return []
    return connection.execute(
        "SELECT date, until FROM nyse_sessions WHERE date BETWEEN %s AND %s ORDER BY date",
        (min(sessions), max(sessions)),
    ).fetchall()


def stored_bars(connection: psycopg.Connection, sessions: Sequence[date]) -> Bars:
    """The bars that are stored of some sessions of one quarter."""
    start = sessions[0]
    with connection.cursor(binary=True) as cursor:
        # A prepared plan, for any dates, would know neither the partition nor that workers pay.
        cursor.execute(_READ, {"start": start, "sessions": list(sessions)}, prepare=False)
        symbols, bits = cursor.fetchall()[0]
    if symbols is None:
        return pl.Series(dtype=pl.String), np.zeros((0, len(sessions)), np.bool_)
    days = np.unpackbits(np.frombuffer(bits, "u1").reshape(-1, 16), axis=1)[:, ::-1]
    return texts(symbols), days[:, [(day - start).days for day in sessions]].astype(np.bool_)


def _runs(calendar: Sequence[_Session], sessions: Sequence[date], bars: Bars) -> pl.DataFrame:
    symbols, there = bars
    days, until = map(list, zip(*calendar, strict=True))
    # One session without a bar before and after all: what changes there begins or ends a run.
    on_days = np.zeros((len(symbols), len(days) + 2), "i1")
    on_days[:, [1 + days.index(day) for day in sessions]] = there
    changes = np.diff(on_days, axis=1)
    symbol, first = np.nonzero(changes == 1)
    _, after = np.nonzero(changes == -1)
    return pl.DataFrame(
        {
            "symbol": symbols.gather(symbol),
            "first": pl.Series(days).gather(first),
            "until": pl.Series(until).gather(after - 1),
        }
    )
