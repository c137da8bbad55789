"""Is an answer a whole session, and another one than the session before?

Judged before it is stored, by what it holds and by what is stored of the sessions before, so that
no reader ever sees a doubtful session. What takes long (reading the session before, or which
benchmark symbols were there) is done only where it can change the verdict.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.bars.reading import held_by_all
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.trailing import trailing_sessions
from universe_pipeline.domain.quality.findings import Violation
from universe_pipeline.domain.quality.rules import (
    BENCHMARKS_PRESENT,
    NO_REPEAT,
    ROW_COUNT_PLAUSIBLE,
    Rule,
)
from universe_pipeline.domain.quality.sessions import ENOUGH_ROWS, is_off, is_repeat
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.domain.thresholds import TRAILING, Thresholds

RowHashes = npt.NDArray[np.uint64]
"""A number for each bar with trades, of its symbol and values, in order."""

_PRINTED = ("open", "high", "low", "close", "volume")
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads the bits it multiplies


@dataclass(frozen=True, slots=True)
class AnswerFeatures:
    """What is looked at of one session's bars."""

    session: date
    rows: int
    row_hashes: RowHashes
    absent: tuple[str, ...]
    """Benchmark symbols without a bar with trades."""
    thresholds: Thresholds
    """The figures that decide."""


@dataclass(frozen=True, slots=True)
class QuarantineReason:
    """A rule that an answer breaks, and how."""

    rule: Rule
    offender: Violation
    collapsed: bool = False
    """Whether it has far fewer rows than usual, which may be another time when asked again."""


def features(bars: pl.DataFrame, session: date, thresholds: Thresholds) -> AnswerFeatures:
    """What is looked at of `bars` (`BAR_SCHEMA`), which are `session`'s."""
    traded = bars["volume"].to_numpy() > 0
    hashes = _hashes(bars["symbol"])
    named = np.isin(hashes, _hashes(pl.Series(thresholds.benchmarks, dtype=pl.String)))
    present = set(bars["symbol"][np.flatnonzero(named & traded)])
    return AnswerFeatures(
        session,
        bars.height,
        # In a third of numpy's time.
        pl.Series(_row_hashes(hashes, bars)[traded]).sort().to_numpy(),
        tuple(symbol for symbol in thresholds.benchmarks if symbol not in present),
        thresholds,
    )


def _hashes(symbols: pl.Series) -> RowHashes:
    return symbols.hash().to_numpy()


def _row_hashes(hashes: RowHashes, bars: pl.DataFrame) -> RowHashes:
    # Polars' own hash of rows takes three times as long.
    mixed = hashes
    for name in _PRINTED:
        mixed = (mixed ^ bars[name].to_numpy().view(np.uint64)) * _ODD
    return mixed


def quarantine_reasons(
    connection: Connection,
    given: AnswerFeatures,
    before: AnswerFeatures | None,
    usual_rows: float | None,
) -> list[QuarantineReason]:
    """How a session with these features breaks the rules that quarantine.

    Args:
        connection: for what is stored of the sessions before.
        given: the answer's.
        before: those of the answer before, if they are at hand.
        usual_rows: how many rows the sessions before usually hold, if there are enough of them.
    """
    return [
        *_row_count(given, usual_rows),
        *_repeat(connection, given, before),
        *_benchmarks(connection, given),
    ]


def _row_count(given: AnswerFeatures, usual: float | None) -> Iterator[QuarantineReason]:
    if usual is not None and is_off(given.rows, usual, given.thresholds.rows_error):
        violation = Violation(given.session, None, f"{given.rows:,} bars, usually {usual:,.0f}")
        yield QuarantineReason(ROW_COUNT_PLAUSIBLE, violation, collapsed=given.rows < usual)


def _repeat(
    connection: Connection, given: AnswerFeatures, before: AnswerFeatures | None
) -> Iterator[QuarantineReason]:
    traded = len(given.row_hashes)
    session = next(iter(sessions_before(given.session, 1)), None)
    if traded < ENOUGH_ROWS or session is None:
        return
    if before is None or before.session != session:
        bars = packed.read(connection, session, session).bars
        before = features(bars, session, given.thresholds)
    repeated = _in_both(given.row_hashes, before.row_hashes)
    if is_repeat(repeated, traded, given.thresholds):
        text = f"{repeated:,} of {traded:,} bars are those of the session before"
        yield QuarantineReason(NO_REPEAT, Violation(given.session, None, text))


def _in_both(row_hashes: RowHashes, others: RowHashes) -> int:
    if not len(others):
        return 0
    places = np.minimum(np.searchsorted(others, row_hashes), len(others) - 1)
    return int(np.count_nonzero(others[places] == row_hashes))


def _benchmarks(connection: Connection, given: AnswerFeatures) -> Iterator[QuarantineReason]:
    if given.absent:
        sessions = trailing_sessions(connection, given.session)
        absent = held_by_all(connection, given.absent, sessions)
        if absent and len(sessions) == TRAILING:
            text = f"no bar with trades of {', '.join(absent)}"
            yield QuarantineReason(BENCHMARKS_PRESENT, Violation(given.session, None, text))
