"""Bars lined up: each with what is remembered of the ones before it of its symbol.

What is remembered is a record a symbol, however many bars have been: its last bar and how that
came about, and of its last twenty what says what is usual. A day's bars are looked up all at once.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.thresholds import TRAILING

USUAL = TRAILING
"""So many bars before one say what is usual for its symbol."""

LARGE = log(1.25)
"""Smaller moves are not looked at, on a log scale: a day's trading may do that."""

FAR = 3.0
"""Volumes nearer to their usual are not looked at, on a log scale: they cannot be wild."""

Codes = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_Records = npt.NDArray[Any]

_VALUES = ("open", "high", "low", "close", "volume")

_RECORD = np.dtype(
    [
        *((name, "f8") for name in _VALUES),
        ("before", "f8"),  # the close before this one
        ("move", "f8"),  # from there
        ("date", "i4"),
        ("date_before", "i4"),
        ("at", "i4"),  # loaded sessions up to it
        ("place", "i4"),  # where among the last twenty the next bar is kept
        ("bars", "i4"),  # so many are remembered
        ("run", "i4"),  # bars in a row with this close
        ("whole", "i4"),  # bars since the last one that follows on a gap
        ("gap", "i4"),  # date of the bar before that gap
    ]
)
_BYTES = f"V{_RECORD.itemsize}"  # records are written at once as bytes, else value by value
_NEVER = 2**30
_UNKNOWN = np.zeros((), _RECORD)
_UNKNOWN["whole"] = _NEVER
_ROOM = 1_000

_STRIKING = np.dtype(
    [
        *((name, "f8") for name in ("before", "there", "close_there")),
        *((name, "f8") for name in ("size", "usual_size", "spread", "usual_move")),
        *((name, "i4") for name in ("date_before", "date_there", "at", "at_before", "missing")),
        *((name, "i4") for name in ("row", "bars", "run")),
        ("unbroken", "?"),
    ]
)
_NOTHING_STRIKING = np.zeros(0, _STRIKING)
_MOVES = {"move": np.float64, "adjoins": np.bool_, "repeated": np.bool_}


@dataclass(frozen=True, slots=True)
class Lines:
    """Bars (`DATED_BAR_SCHEMA`, symbols as categories) beside what came before them.

    A bar's `move` is the logarithm of how the close moved since the one before, `adjoins` says
    that that is of the day before, and `repeated` that this one has trades and is the same.
    """

    bars: pl.DataFrame
    """All, with these three columns."""
    striking: pl.DataFrame
    """Those that a rule may be about, with all columns.

    `row` is the place among all bars, `at` the number of loaded sessions up to the date, `bars`
    how many of the symbol are remembered. Of the last of those are `before` (its close),
    `date_before` and `at_before`; `missing` are the loaded sessions in between. `there`,
    `close_there` and `date_there` are of that bar what `move`, `before` and `date_before` are of
    this one. `run` bars in a row have this close. `unbroken` says that of the twenty before none
    follows on a gap. `size` is the logarithm of the volume, `usual_size` its mean over the twenty
    before, `spread` its deviation, and `usual_move` the mean of how far they moved. What needs
    more bars than are remembered is null.
    """


class Histories:
    """What is remembered of every symbol; bars are given in the order of their dates."""

    def __init__(self, splits: pl.DataFrame) -> None:
        """Line up with `splits` (`symbol`, `execution_date`): bars around them are looked at."""
        # While this lives, a symbol keeps its code.
        self._symbols = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        by_date = splits.sort("execution_date")
        self._split_codes = codes(by_date["symbol"].cast(self._symbols.dtype))
        self._split_dates = by_date["execution_date"].cast(pl.Int32).to_numpy()
        self.reset()

    def reset(self) -> None:
        """Remember nothing."""
        self._days: list[tuple[int, Codes]] = []
        self._records: _Records = np.zeros(0, _RECORD)
        self._moves, self._sizes = np.zeros((2, USUAL, 0))
        self._make_room(int(self._split_codes.max(initial=0)) + 1)

    def line_up(self, bars: pl.DataFrame, loaded: Sequence[date]) -> Lines:
        """Line up bars with what is remembered, and remember them.

        Args:
            bars: `DATED_BAR_SCHEMA`, later than those before.
            loaded: sessions, in order; a symbol without a bar in one misses it.
        """
        symbols = bars["symbol"].cast(self._symbols.dtype)
        coded = codes(symbols)
        self._make_room(int(coded.max(initial=0)) + 1)
        values = {name: bars[name].to_numpy() for name in _VALUES}
        moves = {name: np.zeros(bars.height, kind) for name, kind in _MOVES.items()}
        found = [_NOTHING_STRIKING]
        for day, rows in days_of(bars):
            of_day = {name: column[rows] for name, column in values.items()}
            to_fill = {name: column[rows] for name, column in moves.items()}
            striking = self._line_up(day, loaded, coded[rows], of_day, to_fill)
            striking["row"] += rows.start
            found.append(striking)
        lined = bars.hstack([pl.Series(*column) for column in moves.items()])
        lined.replace_column(lined.get_column_index("symbol"), symbols)
        return Lines(lined, _beside(lined, np.concatenate(found)))

    def _make_room(self, symbols: int) -> None:
        if symbols > len(self._records):
            more = symbols - len(self._records) + _ROOM
            self._records = np.append(self._records, np.full(more, _UNKNOWN))
            wider = ((0, 0), (0, more))
            self._moves, self._sizes = np.pad(self._moves, wider), np.pad(self._sizes, wider)

    def _line_up(
        self,
        session: date,
        loaded: Sequence[date],
        codes: Codes,
        values: dict[str, Numbers],
        moves: dict[str, Any],
    ) -> _Records:
        """Fill in the `moves` of a day's bars, and remember these; what is striking of them."""
        then = self._records.take(codes)
        day, at = _number(session), bisect_right(loaded, session)
        is_loaded = at > 0 and loaded[at - 1] == session
        yesterday = self._days[-1][0] if self._days else None
        close, volume, is_known = values["close"], values["volume"], then["bars"] > 0
        with np.errstate(all="ignore"):  # stored values may be anything
            move = np.where(is_known, np.log(close / then["close"]), 0.0)
            size = np.log1p(np.maximum(volume, 0.0))
            usual_size = self._sizes.mean(axis=0)[codes]
            is_near = (then["bars"] < USUAL) | (np.abs(size - usual_size) <= FAR)
        still = is_known & _equal(close, then["close"])
        run = np.where(still, then["run"] + 1, 1)
        missing = np.where(is_known, at - is_loaded - then["at"], 0)
        adjoins = is_known & (then["date"] == yesterday)
        moves["move"][:], moves["adjoins"][:] = move, adjoins
        alike = np.flatnonzero(adjoins & still & (volume > 0))
        moves["repeated"][alike] = np.logical_and.reduce(
            [_equal(values[name][alike], then[name][alike]) for name in _VALUES]
        )
        is_calm = (np.abs(move) <= LARGE) & (np.abs(then["move"]) <= LARGE) & (volume != 0)
        is_split = self._last_splits(day)[codes] > then["date"]
        is_usual = is_calm & is_near & ~is_split & ~still & (missing <= 0)
        rows = np.flatnonzero(is_known & ~is_usual)
        striking = self._striking(rows, codes[rows], then.take(rows))
        striking["at"], striking["missing"] = at, missing[rows]
        striking["size"], striking["usual_size"] = size[rows], usual_size[rows]
        striking["run"] = run[rows]
        self._moves[then["place"], codes], self._sizes[then["place"], codes] = np.abs(move), size
        is_gap = missing > 0
        then["gap"][is_gap] = then["date"][is_gap]
        then["whole"] += 1
        then["whole"][is_gap] = 0
        then["before"], then["move"], then["date_before"] = then["close"], move, then["date"]
        then["date"], then["at"], then["run"] = day, at, run
        then["bars"] += 1
        then["place"] = (then["place"] + 1) % USUAL
        for name in _VALUES:
            then[name] = values[name]
        self._records.view(_BYTES)[codes] = then.view(_BYTES)
        self._days.append((day, codes))
        return striking

    def _last_splits(self, day: int) -> npt.NDArray[np.int32]:
        """The date of every symbol's last split up to a day."""
        found = np.zeros(len(self._records), np.int32)
        until = int(np.searchsorted(self._split_dates, day, side="right"))
        found[self._split_codes[:until]] = self._split_dates[:until]  # in order: the last one stays
        return found

    def _striking(self, rows: Codes, codes: Codes, then: _Records) -> _Records:
        """What is remembered for some bars."""
        found = np.zeros(len(rows), _STRIKING)
        found["row"], found["bars"] = rows, then["bars"]
        found["before"], found["date_before"] = then["close"], then["date"]
        found["at_before"], found["unbroken"] = then["at"], then["whole"] >= USUAL
        found["there"], found["close_there"] = then["move"], then["before"]
        found["date_there"] = then["date_before"]
        moved = np.where(then["bars"] == USUAL, USUAL - 1, USUAL)  # the first of all did not
        with np.errstate(all="ignore"):  # stored values may be anything
            found["usual_move"] = self._moves[:, codes].sum(axis=0) / moved
            found["spread"] = self._sizes[:, codes].std(axis=0, ddof=1)
        return found

    def forget(self, since: date) -> None:
        """Remember only bars from `since` on, and the last one of every symbol."""
        first = _number(since)
        self._days = [(day, codes) for day, codes in self._days if day >= first]
        held = np.zeros(len(self._records), np.int32)
        for _, of_day in self._days:
            held[of_day] += 1
        held = held.clip(1)
        bars, places = self._records["bars"], self._records["place"]
        # The first of all did not move: nothing before it is remembered.
        fewer = np.flatnonzero((held < bars) & (held <= USUAL))
        self._moves[(places[fewer] - held[fewer]) % USUAL, fewer] = 0.0
        for name in ("bars", "run"):
            self._records[name] = np.minimum(self._records[name], held)
        self._records["whole"][self._records["gap"] < first] = _NEVER


def _beside(bars: pl.DataFrame, striking: _Records) -> pl.DataFrame:
    """The bars that are striking, with what is."""
    columns = {name: np.ascontiguousarray(striking[name]) for name in _STRIKING.names or ()}
    return (
        bars[columns["row"]]
        .with_columns(**{name: pl.Series(column) for name, column in columns.items()})
        .with_columns(
            pl.col("date_before", "date_there").cast(pl.Date),
            pl.when(pl.col("bars") > 1).then("there").alias("there"),
            pl.when(pl.col("bars") >= USUAL).then(pl.col("usual_size", "usual_move", "spread")),
        )
    )


def codes(symbols: pl.Series) -> Codes:
    """The numbers that stand for symbols that are categories."""
    return symbols.to_physical().to_numpy().astype(np.intp)


def days_of(bars: pl.DataFrame) -> Iterator[tuple[date, slice]]:
    """Each day of bars that are in the order of their dates, and where its own are."""
    start = 0
    for run in bars["date"].rle():
        yield run["value"], slice(start, start + run["len"])
        start += run["len"]


def _number(day: date) -> int:
    return (day - _EPOCH).days


_EPOCH = date(1970, 1, 1)


def _equal(values: Numbers, others: Numbers) -> Flags:
    """As SQL and Polars compare: what is not a number equals itself."""
    return (values == others) | (np.isnan(values) & np.isnan(others))
