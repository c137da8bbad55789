"""Bars lined up: each with what is remembered of the ones before it of its symbol.

What is remembered is a record a symbol, however many bars have been: its last bar and how that
came about, and of its last twenty what says what is usual. A day's bars are looked up all at once.
"""

from collections.abc import Iterator, Sequence
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

_LINE = {
    **dict.fromkeys(("move", "there", "usual_move", "usual_size", "spread"), np.float64),
    **dict.fromkeys(("before", "close_there", "size"), np.float64),
    **dict.fromkeys(("date_before", "date_there", "at", "at_before", "missing"), np.int32),
    **dict.fromkeys(("bars", "run"), np.int32),
    **dict.fromkeys(("adjoins", "repeated", "unbroken"), np.bool_),
}
_KNOWN_FROM = {
    **dict.fromkeys(("before", "move", "date_before", "at_before", "missing"), 1),
    **dict.fromkeys(("there", "close_there", "date_there"), 2),
    **dict.fromkeys(("usual_move", "usual_size", "spread"), USUAL),
}
"""So many bars must be remembered for what is otherwise null."""


class Histories:
    """What is remembered of every symbol; bars are given in the order of their dates."""

    def __init__(self, loaded: Sequence[date]) -> None:
        """A symbol without a bar in one of the sessions `loaded`, in order, misses it."""
        self._loaded = np.array(loaded, "M8[D]").astype(np.int32)
        # While this lives, a symbol keeps its code.
        self._symbols = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        self.reset()

    def reset(self) -> None:
        """Remember nothing."""
        self._days: list[tuple[int, Codes]] = []
        self._records: _Records = np.zeros(0, _RECORD)
        self._moves, self._sizes = np.zeros((2, USUAL, 0))

    def line_up(self, bars: pl.DataFrame) -> pl.DataFrame:
        """The bars (`DATED_BAR_SCHEMA`), symbols as categories, with what was before each.

        `row` is its place among them, `at` the number of loaded sessions up to its date, `bars`
        how many of its symbol are remembered. Of the last of those are `before` (its close),
        `date_before` and `at_before`; `missing` are the loaded sessions in between, `move` is the
        logarithm of how the close moved since, `adjoins` says that it is of the day before, and
        `repeated` that it has trades and is the same. `there`, `close_there` and `date_there` are
        of that bar what `move`, `before` and `date_before` are of this one.

        `run` bars in a row have this close. `unbroken` says that of the twenty before none follows
        on a gap. `size` is the logarithm of the volume, `usual_size` its mean over the twenty
        before and `spread` its deviation, where the size is far off. `usual_move` is the mean of
        how far the twenty moved, where this one moves far. What needs more bars than are
        remembered is null.
        """
        symbols = bars["symbol"].cast(self._symbols.dtype)
        coded = codes(symbols)
        self._make_room(int(coded.max(initial=0)) + 1)
        values = {name: bars[name].to_numpy() for name in _VALUES}
        lines = {name: np.zeros(bars.height, kind) for name, kind in _LINE.items()}
        for day, rows in days_of(bars):
            self._line_up(
                day,
                coded[rows],
                {name: column[rows] for name, column in values.items()},
                {name: column[rows] for name, column in lines.items()},
            )
        columns = bars.with_columns(
            symbols,
            *(pl.Series(*column) for column in lines.items()),
            row=pl.int_range(pl.len(), dtype=pl.Int32),
        )
        return columns.with_columns(
            pl.when(pl.col("bars") >= least).then(name) for name, least in _KNOWN_FROM.items()
        ).with_columns(pl.col("date_before", "date_there").cast(pl.Date))

    def _make_room(self, symbols: int) -> None:
        if symbols > len(self._records):
            more = symbols - len(self._records) + _ROOM
            self._records = np.append(self._records, np.full(more, _UNKNOWN))
            wider = ((0, 0), (0, more))
            self._moves, self._sizes = np.pad(self._moves, wider), np.pad(self._sizes, wider)

    def _line_up(
        self, day: date, codes: Codes, values: dict[str, Numbers], lines: dict[str, Any]
    ) -> None:
        """Look up what is remembered for the bars of a day, and remember them."""
        number = _number(day)
        then = self._records.take(codes)
        at = int(np.searchsorted(self._loaded, number, side="right"))
        is_loaded = at > 0 and self._loaded[at - 1] == number
        yesterday = self._days[-1][0] if self._days else None
        bars, close = then["bars"], values["close"]
        is_known = bars > 0
        with np.errstate(all="ignore"):  # stored values may be anything
            move = np.where(is_known, np.log(close / then["close"]), 0.0)
            size = np.log1p(np.maximum(values["volume"], 0.0))
            self._compare(codes, bars, move, size, lines)
        still = is_known & _equal(close, then["close"])
        adjoins = is_known & (then["date"] == yesterday)
        missing = at - is_loaded - then["at"]
        whole, is_gap = then["whole"] + 1, is_known & (missing > 0)
        run = np.where(still, then["run"] + 1, 1)
        lines["before"][:], lines["move"][:] = then["close"], move
        lines["there"][:], lines["close_there"][:] = then["move"], then["before"]
        lines["date_before"][:], lines["date_there"][:] = then["date"], then["date_before"]
        lines["at"][:], lines["at_before"][:], lines["missing"][:] = at, then["at"], missing
        lines["bars"][:], lines["run"][:], lines["size"][:] = bars, run, size
        lines["adjoins"][:], lines["unbroken"][:] = adjoins, whole > USUAL
        alike = np.flatnonzero(adjoins & still & (values["volume"] > 0))
        lines["repeated"][alike] = np.logical_and.reduce(
            [_equal(values[name][alike], then[name][alike]) for name in _VALUES]
        )
        place = then["place"]
        self._moves[place, codes], self._sizes[place, codes] = np.abs(move), size
        then["before"], then["move"], then["date_before"] = then["close"], move, then["date"]
        then["gap"] = np.where(is_gap, then["date"], then["gap"])
        then["whole"] = np.where(is_gap, 0, whole)
        then["date"], then["at"], then["run"] = number, at, run
        then["bars"] += 1
        then["place"] = (place + 1) % USUAL
        for name in _VALUES:
            then[name] = values[name]
        self._records.view(_BYTES)[codes] = then.view(_BYTES)
        self._days.append((number, codes))

    def _compare(
        self,
        codes: Codes,
        bars: npt.NDArray[np.int32],
        move: Numbers,
        size: Numbers,
        lines: dict[str, Any],
    ) -> None:
        """Moves and sizes with the twenty before: what costs much only where it is needed."""
        usual = self._sizes.mean(axis=0)[codes]
        lines["usual_size"][:] = usual
        far = np.flatnonzero((bars >= USUAL) & ~(np.abs(size - usual) <= FAR))
        lines["spread"][far] = self._sizes[:, codes[far]].std(axis=0, ddof=1)
        far = np.flatnonzero((bars >= USUAL) & ~(np.abs(move) <= LARGE))
        moved = np.where(bars[far] == USUAL, USUAL - 1, USUAL)  # the first of all did not
        lines["usual_move"][far] = self._moves[:, codes[far]].sum(axis=0) / moved

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


def codes(symbols: pl.Series) -> Codes:
    """The numbers that stand for symbols that are categories."""
    return symbols.to_physical().to_numpy().astype(np.intp)


def days_of(bars: pl.DataFrame) -> Iterator[tuple[date, slice]]:
    """Each day of bars that are in the order of their dates, and where its own are."""
    start = 0
    for run in bars["date"].rle():
        yield run["value"], slice(start, start + run["len"])
        start += run["len"]


def where(lines: pl.DataFrame, predicate: pl.Expr) -> pl.DataFrame:
    """`lines` that are few among many: quicker than to filter every column."""
    return lines[lines.select(predicate).to_series().arg_true()]


def _number(day: date) -> int:
    return (day - _EPOCH).days


_EPOCH = date(1970, 1, 1)


def _equal(values: Numbers, others: Numbers) -> Flags:
    """As SQL and Polars compare: what is not a number equals itself."""
    return (values == others) | (np.isnan(values) & np.isnan(others))
