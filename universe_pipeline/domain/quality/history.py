"""Bars, each joined with what is remembered of its symbol's earlier bars.

There is one record a symbol, for any number of earlier bars: the last bar, how it came about, and
what the last twenty bars say about the usual values. A day's bars are joined in one step.

A session is a hole for a symbol if it is not loaded and the per-symbol endpoint was not asked for
it either: whether the symbol traded there is not known. Two decisions follow, for
holes of any size, for symbols here and for sessions in `sessions`:

    neighbours   A bar has no bar before it across a hole: no move, gap, standstill, split, repeat.
    usual        Twenty bars, or sessions, of the last `TRAILING_DAYS` say what is usual, also
                 across a hole. So one failed session costs a symbol nothing of its usual, and what
                 lies before a hole of two months says nothing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.domain.sessions import all_sessions, is_session, sessions_between
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS

USUAL = TRAILING
"""So many bars before one say what is usual for its symbol."""

LARGE = log(1.25)
"""Smaller moves are not looked at, on a log scale: a day's trading may do that."""

FAR_MOVE = log(3)
"""A price that moves so far, on a log scale, and comes back soon, was one of something else."""

RETURN = 5
"""So many sessions after a far move its return is looked for."""

WICK = 2.0
"""High and low nearer to each other than this factor are not looked at."""

_REST = 1 / 3
"""The part of a far move that may be left of it when it counts as returned."""

_WEEK = 5
"""So many bars before one say how much its symbol has traded lately."""

_DIGITS = 6
"""Of volumes that are remembered as logarithms; the vendor's have no more."""

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
        ("date_before", "i4"),  # that close's, or none
        ("session_index", "i4"),  # sessions up to it
        ("place", "i4"),  # where among the last twenty the next bar is kept
        ("bars", "i4"),  # so many are remembered
        ("run", "i4"),  # bars in a row with this close
        ("bars_since_gap", "i4"),  # bars since the last one that follows on a gap
        ("gap", "i4"),  # date of the bar before that gap
    ]
)
_BYTES = f"V{_RECORD.itemsize}"  # records are written at once as bytes, else value by value
_NEVER = 2**30
_NONE = 0  # no date: none is so early
_UNKNOWN = np.zeros((), _RECORD)
_UNKNOWN["bars_since_gap"] = _NEVER
_ROOM = 1_000

_LEFT = {"close": np.float64, "far": np.float64, "session_index": np.int32}
"""The close before a symbol's last far move that no split explains, that move, and its session."""

NOT_ASKED = pl.DataFrame(schema={"symbol": pl.String, "first": pl.Date, "last": pl.Date})
"""That the per-symbol endpoint was asked for nothing."""

_CANDIDATE = np.dtype(
    [
        *((name, "f8") for name in ("before", "move_before", "close_two_before")),
        *((name, "f8") for name in ("size", "usual_size", "size_deviation", "usual_move")),
        *((name, "f8") for name in ("volume_before", "volume_two_before")),
        *((name, "f8") for name in ("volume_lately", "moved_lately")),
        *((name, "i4") for name in ("date_before", "date_two_before", "session_index", "missing")),
        *((name, "i4") for name in ("row", "bars", "run", "traded_run", "left_index")),
        *((name, "?") for name in ("unbroken", "returned", "follows")),
    ]
)
_NO_CANDIDATES = np.zeros(0, _CANDIDATE)
_MOVES = {"move": np.float64, "adjoins": np.bool_, "repeated": np.bool_, "excess": np.float64}


@dataclass(frozen=True, slots=True)
class Lagged:
    """Bars (`DATED_BAR_SCHEMA`, symbols as categories), joined with what came before them.

    A bar's `move` is the logarithm of how the close moved since the one before, `adjoins` says
    that that is of the session before, and `repeated` that this one has trades and is the same.
    Its `excess` is the logarithm of its volume over the usual one (20 bars; else not a number).
    """

    bars: pl.DataFrame
    """All, with these four columns."""
    candidates: pl.DataFrame
    """Those that a rule may be about, with all columns.

    | column | of what |
    | --- | --- |
    | `row` | the place among all bars |
    | `session_index` | the number of NYSE sessions up to the date |
    | `bars` | how many bars of the symbol are remembered |
    | `follows` | whether the bar follows on one, and not on a hole |
    | `before`, `volume_before`, `date_before`, `move_before` | the bar before: close, volume … |
    | `close_two_before`, `volume_two_before`, `date_two_before` | the bar before that one |
    | `missing` | the sessions between the bar and the one before |
    | `run`, `traded_run` | bars in a row with this close, and with it and trades |
    | `unbroken` | none of the twenty bars before follows on a gap |
    | `returned`, `left_index` | the close is back from a move over threefold, of that session |
    | `volume_lately` | the median volume of the five bars before |
    | `moved_lately` | the mean move of the remembered bars, without the farthest |
    | `size` | the logarithm of the volume |
    | `usual_size`, `size_deviation` | its mean and its standard deviation over the twenty before |
    | `usual_move` | the mean size of their moves |

    Columns of the bar before are null or zero after a hole, and columns that need more bars than
    are remembered are null.
    """


class RollingState:
    """What is remembered of every symbol; bars are given in the order of their dates."""

    def __init__(self, splits: pl.DataFrame, asked: pl.DataFrame | None = None) -> None:
        """Line up with the splits, since bars around them are looked at.

        Args:
            splits: `symbol`, `execution_date`.
            asked: `symbol`, `first`, `last`: what the per-symbol endpoint was asked for.
        """
        # While this lives, a symbol keeps its code.
        self._symbols = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        by_date = splits.sort("execution_date")
        self._split_codes = codes(by_date["symbol"].cast(self._symbols.dtype))
        self._split_dates = by_date["execution_date"].cast(pl.Int32).to_numpy()
        known = NOT_ASKED if asked is None else asked
        self._asked = codes(known["symbol"].cast(self._symbols.dtype))
        self._asked_from, self._asked_to = (
            known[end].cast(pl.Int32).to_numpy() for end in ("first", "last")
        )
        self.reset()

    def coded(self, symbols: pl.Series) -> pl.Series:
        """Symbols as the categories that they are in lined-up bars; any thread may ask."""
        return symbols.cast(self._symbols.dtype)

    def reset(self) -> None:
        """Remember nothing."""
        self._days: list[tuple[int, Codes]] = []
        self._last: date | None = None
        self._holes = np.full(0, _NONE, np.int32)
        self._records: _Records = np.zeros(0, _RECORD)
        self._left = {name: np.zeros(0, kind) for name, kind in _LEFT.items()}
        self._moves, self._sizes = np.zeros((2, USUAL, 0))
        self._make_room(
            1 + max(int(each.max(initial=0)) for each in (self._split_codes, self._asked))
        )

    def line_up(self, bars: pl.DataFrame, loaded: Sequence[date]) -> Lagged:
        """Line up bars with what is remembered, and remember them.

        Args:
            bars: `DATED_BAR_SCHEMA`, later than those before.
            loaded: sessions, in order; a symbol without a bar in one misses it. Others are holes.
        """
        symbols = self.coded(bars["symbol"])
        coded = codes(symbols)
        self._make_room(int(coded.max(initial=0)) + 1)
        values = {name: bars[name].to_numpy() for name in _VALUES}
        moves = {name: np.zeros(bars.height, kind) for name, kind in _MOVES.items()}
        found = [_NO_CANDIDATES]
        for day, rows in days_of(bars):
            of_day = {name: column[rows] for name, column in values.items()}
            to_fill = {name: column[rows] for name, column in moves.items()}
            self._pass(day, loaded)
            candidates = self._line_up(day, coded[rows], of_day, to_fill)
            candidates["row"] += rows.start
            found.append(candidates)
        lined = bars.hstack([pl.Series(*column) for column in moves.items()])
        lined.replace_column(lined.get_column_index("symbol"), symbols)
        return Lagged(lined, _joined(lined, np.concatenate(found)))

    def _make_room(self, symbols: int) -> None:
        if symbols > len(self._records):
            more = symbols - len(self._records) + _ROOM
            self._records = np.append(self._records, np.full(more, _UNKNOWN))
            self._holes = np.append(self._holes, np.full(more, _NONE, np.int32))
            wider = ((0, 0), (0, more))
            self._moves, self._sizes = np.pad(self._moves, wider), np.pad(self._sizes, wider)
            for name, of_symbols in self._left.items():
                self._left[name] = np.append(of_symbols, np.full(more, -_NEVER, of_symbols.dtype))

    def _pass(self, day: date, loaded: Sequence[date]) -> None:
        """Go on to a day: past holes, of which the newest of each symbol is kept."""
        if self._last is not None:
            for session in sessions_between(self._last, day - _A_DAY):
                if not _holds(loaded, session):
                    self._note_hole(_number(session))
        self._last = day
        if self._days and self._days[0][0] <= _number(day) - TRAILING_DAYS:  # never without holes
            self.forget(day - timedelta(days=TRAILING_DAYS - 1))

    def _note_hole(self, session: int) -> None:
        asked = self._asked[(self._asked_from <= session) & (session <= self._asked_to)]
        before, left = self._holes[asked], self._left["session_index"][asked]
        self._holes[:], self._left["session_index"][:] = session, -_NEVER
        self._holes[asked], self._left["session_index"][asked] = before, left

    def _line_up(
        self,
        session: date,
        codes: Codes,
        values: dict[str, Numbers],
        moves: dict[str, Any],
    ) -> _Records:
        """Fill in the `moves` of a day's bars, remember them, and return the candidates."""
        then = self._records.take(codes)
        day, index = _number(session), bisect_right(all_sessions(), session)
        close, volume, is_known = values["close"], values["volume"], then["bars"] > 0
        follows = is_known & (then["date"] >= self._holes[codes])
        with np.errstate(all="ignore"):  # stored values may be anything
            move = np.where(follows, np.log(close / then["close"]), 0.0)
            size = np.log1p(np.maximum(volume, 0.0))
            usual_size = self._sizes.mean(axis=0)[codes]
            excess = np.where(then["bars"] < USUAL, np.nan, size - usual_size)
            is_near = ~(np.abs(excess) > FAR)  # also where nothing is usual
        still = follows & _equal(close, then["close"])
        run = np.where(still, then["run"] + 1, 1)
        missing = np.where(follows, index - is_session(session) - then["session_index"], 0)
        adjoins = follows & (missing == 0)
        moves["move"][:], moves["adjoins"][:], moves["excess"][:] = move, adjoins, excess
        alike = np.flatnonzero(adjoins & still & (volume > 0))
        moves["repeated"][alike] = np.logical_and.reduce(
            [_equal(values[name][alike], then[name][alike]) for name in _VALUES]
        )
        moved = np.abs(move)
        is_calm = (moved <= LARGE) & (np.abs(then["move"]) <= LARGE) & (volume != 0)
        is_split = self._last_splits(day)[codes] > then["date"]
        returned, is_wide = (
            self._returned(codes, close, index),
            values["high"] > WICK * values["low"],
        )
        is_usual = is_calm & is_near & ~is_split & ~still & (missing <= 0) & ~returned & ~is_wide
        rows = np.flatnonzero(is_known & ~is_usual)
        candidates = self._candidates(rows, codes[rows], then.take(rows))
        candidates["follows"] = follows[rows]
        candidates["session_index"], candidates["missing"] = index, missing[rows]
        candidates["size"], candidates["usual_size"] = size[rows], usual_size[rows]
        candidates["run"] = run[rows]
        candidates["traded_run"] *= volume[rows] > 0
        np.minimum(candidates["traded_run"], run[rows], out=candidates["traded_run"])
        candidates["returned"], candidates["left_index"] = (
            returned[rows],
            self._left["session_index"][codes[rows]],
        )
        far = np.flatnonzero((moved > FAR_MOVE) & ~is_split)
        self._leave(codes[far], then["close"][far], moved[far], index)
        self._moves[then["place"], codes] = np.where(follows, moved, np.nan)
        self._sizes[then["place"], codes] = size
        self._begin_again(then, np.flatnonzero(is_known & ~follows), day)
        is_gap = missing > 0
        then["gap"][is_gap] = then["date"][is_gap]
        then["bars_since_gap"] += 1
        then["bars_since_gap"][is_gap] = 0
        then["before"], then["move"] = then["close"], move
        then["date_before"] = np.where(follows, then["date"], _NONE)
        then["date"], then["session_index"], then["run"] = day, index, run
        then["bars"] += 1
        then["place"] = (then["place"] + 1) % USUAL
        for name in _VALUES:
            then[name] = values[name]
        self._records.view(_BYTES)[codes] = then.view(_BYTES)
        self._days.append((day, codes))
        return candidates

    def _leave(self, codes: Codes, before: Numbers, moved: Numbers, index: int) -> None:
        """Keep where prices were before far moves."""
        self._left["close"][codes], self._left["far"][codes] = before, moved
        self._left["session_index"][codes] = index

    def _returned(self, codes: Codes, close: Numbers, index: int) -> Flags:
        """Whether closes are back where they were before a far move not long ago."""
        found = np.zeros(len(close), np.bool_)
        rows = np.flatnonzero(index - self._left["session_index"][codes] <= RETURN)  # mostly none
        left, far = self._left["close"][codes[rows]], self._left["far"][codes[rows]]
        with np.errstate(all="ignore"):  # stored values may be anything
            found[rows] = np.abs(np.log(close[rows] / left)) < _REST * far
        return found

    @staticmethod
    def _begin_again(then: _Records, rows: Codes, day: int) -> None:
        """After a hole a series is unbroken only if the bars say so that are still remembered."""
        then["bars_since_gap"][rows] = np.minimum(then["bars_since_gap"][rows], then["bars"][rows])
        then["gap"][rows] = day

    def _last_splits(self, day: int) -> npt.NDArray[np.int32]:
        """The date of every symbol's last split up to a day."""
        found = np.zeros(len(self._records), np.int32)
        until = int(np.searchsorted(self._split_dates, day, side="right"))
        found[self._split_codes[:until]] = self._split_dates[:until]  # in order: the last one stays
        return found

    def _candidates(self, rows: Codes, codes: Codes, then: _Records) -> _Records:
        """What is remembered for some bars."""
        found = np.zeros(len(rows), _CANDIDATE)
        found["row"], found["bars"] = rows, then["bars"]
        found["before"], found["date_before"] = then["close"], then["date"]
        found["unbroken"] = then["bars_since_gap"] >= USUAL
        found["move_before"], found["close_two_before"] = then["move"], then["before"]
        found["date_two_before"], found["volume_before"] = then["date_before"], then["volume"]
        ago = (then["place"] - 1 - np.arange(USUAL)[:, np.newaxis]) % USUAL  # the last bar first
        moves, sizes = self._moves[ago, codes], self._sizes[ago, codes]
        is_known = np.arange(USUAL)[:, np.newaxis] < then["bars"]
        has_moved = ~np.isnan(moves)  # all but the first, and those after a hole
        with np.errstate(all="ignore"):  # stored values may be anything
            found["usual_move"] = moves.sum(axis=0, where=has_moved) / has_moved.sum(axis=0).clip(1)
            known = np.where(is_known & has_moved, moves, 0.0)
            others = (is_known & has_moved).sum(axis=0) - 1
            found["moved_lately"] = (known.sum(axis=0) - known.max(axis=0)) / others.clip(1)
            found["size_deviation"] = sizes.std(axis=0, ddof=1)
            found["volume_two_before"] = np.expm1(sizes[1]).round(_DIGITS)
            lately = _medians(sizes[:_WEEK], then["bars"].clip(1, _WEEK))
            found["volume_lately"] = np.expm1(lately).round(_DIGITS)
        found["traded_run"] = 1 + np.logical_and.accumulate(is_known & (sizes > 0)).sum(axis=0)
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
        self._moves[(places[fewer] - held[fewer]) % USUAL, fewer] = np.nan
        self._records["bars"] = np.minimum(bars, held)
        self._records["bars_since_gap"][self._records["gap"] < first] = _NEVER


def _medians(values: Numbers, counts: Codes) -> Numbers:
    """The median of the first `counts` values of every column."""
    is_counted = np.arange(len(values))[:, np.newaxis] < counts
    ordered = np.sort(np.where(is_counted, values, np.inf), axis=0)
    middle = np.stack([(counts - 1) // 2, counts // 2])
    return np.take_along_axis(ordered, middle, axis=0).mean(axis=0)


def _joined(bars: pl.DataFrame, candidates: _Records) -> pl.DataFrame:
    """The candidates, as bars with all columns."""
    columns = {name: np.ascontiguousarray(candidates[name]) for name in _CANDIDATE.names or ()}
    return (
        bars[columns["row"]]
        .with_columns(**{name: pl.Series(column) for name, column in columns.items()})
        .with_columns(
            pl.col("date_before", "date_two_before").cast(pl.Date),
            pl.when("follows").then(pl.col("before", "volume_before", "move_before")),
            pl.when(pl.col("bars") >= USUAL).then(
                pl.col("usual_size", "usual_move", "size_deviation")
            ),
        )
        .with_columns(
            pl.when("follows").then("date_before").alias("date_before"),
            pl.when((pl.col("bars") > 1) & (pl.col("date_two_before") > _EPOCH))
            .then("move_before")
            .alias("move_before"),
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


def _holds(sessions: Sequence[date], day: date) -> bool:
    place = bisect_left(sessions, day)
    return place < len(sessions) and sessions[place] == day


def _number(day: date) -> int:
    return (day - _EPOCH).days


_EPOCH = date(1970, 1, 1)
_A_DAY = timedelta(days=1)


def _equal(values: Numbers, others: Numbers) -> Flags:
    """As SQL and Polars compare: what is not a number equals itself."""
    return (values == others) | (np.isnan(values) & np.isnan(others))
