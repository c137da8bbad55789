"""All rules for bars, over windows of them in date order, in bounded memory.

Between two windows there stay the bars of the last twenty loaded sessions, the last bar of every
other symbol, and what only the end can tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.figures import figures
from universe_pipeline.domain.quality.findings import Finding, Offender, joined, listed
from universe_pipeline.domain.quality.lines import Window, line_up
from universe_pipeline.domain.quality.moves import judge_moves, judge_splits
from universe_pipeline.domain.quality.rows import judge_rows
from universe_pipeline.domain.quality.rules import ON_SESSIONS, Rule
from universe_pipeline.domain.quality.series import judge_series
from universe_pipeline.domain.quality.sessions import Stored, judge_sessions
from universe_pipeline.domain.quality.universe import judge_spans
from universe_pipeline.domain.sessions import is_session
from universe_pipeline.domain.thresholds import TRAILING, Thresholds


@dataclass(frozen=True, slots=True)
class Reference:
    """What bars are judged beside."""

    stored: Mapping[date, Stored]
    """Every session whose rows are stored."""
    symbols: pl.DataFrame
    """`symbol`, `active`, `delisted_date`, `exchange`, `chosen` (of the universe's types)."""
    splits: pl.DataFrame
    """`symbol`, `execution_date`, `split_from`, `split_to`."""
    rejected: pl.DataFrame
    """`date` and `symbol` of rows that were not stored."""

    @property
    def exchanges(self) -> pl.DataFrame:
        """`symbol` and `exchange` of the universe's types."""
        return self.symbols.filter("chosen").select("symbol", "exchange").drop_nulls()


class Scan:
    """Judges bars window by window; the findings are complete after the last one."""

    def __init__(self, reference: Reference, thresholds: Thresholds) -> None:
        self._reference, self._thresholds = reference, thresholds
        self._loaded = sorted(day for day, each in reference.stored.items() if each.loaded)
        self._findings: dict[Rule, Finding] = {}
        self.before = DATED_BAR_SCHEMA.to_frame()
        """The bars that the next ones are compared with."""
        self._spans = _NO_SPANS
        self._unshown: list[pl.DataFrame] = []
        self._unexplained: list[pl.DataFrame] = []
        self._judged: list[date] = []

    def remember(self, bars: pl.DataFrame) -> None:
        """Compare later bars with these, as `judge` takes them: what came before the first."""
        self.before = bars

    def judge(self, bars: pl.DataFrame, sessions: Sequence[date]) -> None:
        """Judge the bars (`DATED_BAR_SCHEMA`, in the order of their dates) of some days.

        Args:
            bars: all bars from one day to another.
            sessions: the stored sessions of that time, also one that has lost its bars.
        """
        days: list[date] = bars["date"].unique().sort().to_list()
        window = Window(pl.concat([self.before, bars]), days, self._loaded)
        lines = line_up(window)
        thresholds, reference = self._thresholds, self._reference
        known = figures(window, lines, reference.exchanges, thresholds.benchmarks)
        moves = judge_moves(window, lines, reference.splits, thresholds)
        self._add(listed(ON_SESSIONS, _on_closed_days(bars, days)))
        self._add(*judge_rows(bars, thresholds))
        self._add(*judge_sessions(known, reference.stored, sessions, thresholds))
        self._add(*judge_series(window, lines, reference.rejected, thresholds))
        self._add(*moves.findings)
        self._unshown.append(moves.unshown)
        self._unexplained.append(moves.unexplained)
        self._judged += sessions
        self._spans = _spans(pl.concat([self._spans, _spanned(window, lines)]))
        self.before = self._kept(window, lines)

    def _kept(self, window: Window, lines: pl.DataFrame) -> pl.DataFrame:
        """The bars of the last twenty loaded sessions, and the last one of every symbol."""
        days = window.days
        loaded = [day for day in self._loaded if len(days) and day <= days[-1]]
        since = loaded[-TRAILING] if len(loaded) >= TRAILING else date.min
        is_last = np.zeros(window.bars.height, np.bool_)
        is_last[lines.filter("last")["row"].to_numpy()] = True
        return window.bars.filter(pl.Series(is_last) | (window.bars["date"] >= since))

    def _add(self, *findings: Finding) -> None:
        for one in findings:
            before = self._findings.get(one.rule, Finding(one.rule))
            self._findings[one.rule] = joined(one.rule, [before, one])

    def findings(self) -> list[Finding]:
        """What every rule found."""
        loaded = [day for day in self._judged if self._reference.stored[day].loaded]
        newest = bool(loaded and loaded[-1] == self._loaded[-1])
        at_the_end = judge_spans(self._spans, self._reference.symbols, loaded, newest=newest)
        if self._unshown:
            at_the_end.append(judge_splits(pl.concat(self._unshown), pl.concat(self._unexplained)))
        return [*self._findings.values(), *at_the_end]


def _on_closed_days(bars: pl.DataFrame, days: Sequence[date]) -> Iterator[Offender]:
    for day in days:
        if not is_session(day):
            count = bars.filter(pl.col("date") == day).height
            yield Offender(day, None, f"{count:,} bars", count)


_NO_SPANS = pl.DataFrame(
    schema={"symbol": pl.String, "first": pl.Date, "last": pl.Date, "bars": pl.UInt32}
)


def _spanned(window: Window, lines: pl.DataFrame) -> pl.DataFrame:
    """Of every symbol with judged bars the first and last day, and how many."""
    spans = (
        lines.filter("judged")
        .group_by("code")
        .agg(
            pl.col("row").first(),
            pl.col("day").first().alias("first"),
            pl.col("day").last().alias("last"),
            bars=pl.len(),
        )
    )
    days = window.days
    return pl.DataFrame(
        {
            "symbol": window.bars["symbol"][spans["row"]],
            "first": days[spans["first"]],
            "last": days[spans["last"]],
            "bars": spans["bars"],
        }
    )


def _spans(parts: pl.DataFrame) -> pl.DataFrame:
    return parts.group_by("symbol").agg(
        pl.col("first").min(), pl.col("last").max(), pl.col("bars").sum()
    )
