"""All rules for bars, over windows of them in date order.

Kept between two windows: a record for every symbol, the figures of the last twenty loaded
sessions, a bit for every symbol and session (2 KB a session), and what can only be judged at the
end.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from universe_pipeline.domain.quality.figures import Figures, figures
from universe_pipeline.domain.quality.findings import Finding, Violation, joined, listed
from universe_pipeline.domain.quality.history import NOT_ASKED, RollingState, days_of
from universe_pipeline.domain.quality.moves import Moves, judge_moves, judge_returns, judge_splits
from universe_pipeline.domain.quality.presence import Presence
from universe_pipeline.domain.quality.rows import judge_rows
from universe_pipeline.domain.quality.rules import ON_SESSIONS, SHIFTED, SPLITS_SHOWN, Rule
from universe_pipeline.domain.quality.series import judge_series
from universe_pipeline.domain.quality.sessions import Stored, cases_of, judge_sessions
from universe_pipeline.domain.quality.shifts import Shift, Usual, shift_of
from universe_pipeline.domain.quality.universe import judge_spans
from universe_pipeline.domain.sessions import all_sessions, is_session
from universe_pipeline.domain.thresholds import TRAILING, Thresholds

_MANY = 20_000
"""How many candidates are judged at once."""

_FORGET_EVERY = 12
"""Sessions after which the bars are forgotten that no longer say what is usual."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What bars are compared with."""

    stored: Mapping[date, Stored]
    """Every session whose rows are stored."""
    symbols: pl.DataFrame
    """`symbol`, `active`, `delisted_date`, `exchange`, `chosen` (of the universe's types)."""
    splits: pl.DataFrame
    """`symbol`, `execution_date`, `split_from`, `split_to`."""
    rejected: pl.DataFrame
    """`date` and `symbol` of rows that were not stored."""
    asked: pl.DataFrame = field(default_factory=NOT_ASKED.clone)
    """`symbol`, `first`, `last`: what the per-symbol endpoint was asked for, bar or none."""

    @property
    def exchanges(self) -> pl.DataFrame:
        """`symbol` and `exchange` of the universe's types."""
        return self.symbols.filter("chosen").select("symbol", "exchange").drop_nulls()


class Scan:
    """Judges bars window by window; the findings are complete after the last one."""

    def __init__(self, reference: Reference, thresholds: Thresholds) -> None:
        self._reference, self._thresholds = reference, thresholds
        self.presence = Presence()
        """Of all bars that were judged."""
        self._stored, self._rejected = dict(reference.stored), [reference.rejected]
        self._loaded = sorted(day for day, each in self._stored.items() if each.loaded)
        self._findings: dict[Rule, Finding] = {}
        self._histories = RollingState(reference.splits, reference.asked)
        self._exchanges = self.coded(reference.exchanges)
        self._figures: dict[date, Figures] = {}
        self._candidates: list[pl.DataFrame] = []
        self._rows = 0
        self._unshown: list[pl.DataFrame] = []
        self._unexplained: list[pl.DataFrame] = []
        self._far: list[pl.DataFrame] = []
        self._returns: list[pl.DataFrame] = []
        self._judged: list[date] = []
        self._since_forgotten = 0
        self._shifts: dict[date, Shift] = {}
        self._follow: Counter[date] = Counter()
        """Findings that follow from the shift of a session."""

    def include(self, stored: Stored, rejected: pl.DataFrame) -> None:
        """Know a session that has been stored since, later than all that were judged.

        Args:
            stored: what its load says.
            rejected: `date` and `symbol` of the rows that were not stored.
        """
        self._stored[stored.session] = stored
        if rejected.height:
            self._rejected.append(rejected)
        if stored.loaded:
            insort(self._loaded, stored.session)

    def coded(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with its `symbol` as categories, as which it is judged; any thread may ask."""
        return frame.with_columns(self._histories.coded(frame["symbol"]))

    def remember(self, bars: pl.DataFrame) -> None:
        """Compare later bars with these, as `judge` takes them: what came before the first."""
        self._histories.reset()
        self._since_forgotten = 0
        self._figures = self._known(self._histories.line_up(bars, self._loaded).bars)
        self._note_shifts(Usual(each, ()) for each in self._figures.values())

    def judge(self, bars: pl.DataFrame, sessions: Sequence[date]) -> None:
        """Judge the bars (`DATED_BAR_SCHEMA`, in the order of their dates) of some days.

        Args:
            bars: all bars from one day to another.
            sessions: the stored sessions of that time, also one that has lost its bars.
        """
        lines = self._histories.line_up(bars, self._loaded)
        self._figures |= self._known(lines.bars)
        thresholds = self._thresholds
        self._add(listed(ON_SESSIONS, _on_closed_days(bars)))
        cases = cases_of(self._figures, self._stored, sessions)
        self._note_shifts(Usual(case.figures, case.before) for case in cases)
        self._add(*judge_sessions(cases, thresholds, self._shifts))
        self._judge_rows(lines.bars)
        self._candidates.append(lines.candidates.with_columns(pl.col("row") + self._rows))
        self._rows += bars.height
        if sum(each.height for each in self._candidates) >= _MANY:
            self._judge_candidates()
        self._judged += sessions
        self.presence.add(lines.bars)
        self._since_forgotten += len(sessions)
        if self._since_forgotten >= _FORGET_EVERY:
            self._since_forgotten = 0
            self._forget(bars)

    def _note_shifts(self, sessions: Iterable[Usual]) -> None:
        for given in sessions:
            if shift := shift_of(given, self._shifts):
                self._shifts.setdefault(shift.session, shift)

    def _judge_candidates(self) -> None:
        """Judge what has come together: to judge few rows takes nearly as long."""
        lines = pl.concat(self._candidates)
        self._candidates.clear()
        for shift in self._shifts.values():
            explained = lines.filter(shift.explains)
            if explained.height:
                lines = lines.filter(~shift.explains)
                self._judge_explained(explained, shift)
        series, moves = self._judged_lines(lines)
        self._add(*series, *moves.findings)
        self._keep(moves)

    def _keep(self, moves: Moves) -> None:
        """Keep what can only be judged at the end."""
        self._unshown.append(moves.unshown)
        self._unexplained.append(moves.unexplained)
        self._far.append(moves.far)
        self._returns.append(moves.returns)

    def _judge_explained(self, lines: pl.DataFrame, shift: Shift) -> None:
        """Judge lines that differ no more than their session does."""
        series, moves = self._judged_lines(lines)
        self._add_beyond(shift, *series, *moves.findings)
        if SPLITS_SHOWN in shift.consequences:
            self._follow[shift.session] += moves.unshown.height + moves.far.height
        else:
            self._keep(moves)

    def _judged_lines(self, lines: pl.DataFrame) -> tuple[list[Finding], Moves]:
        rejected = pl.concat(self._rejected)
        series = judge_series(lines, all_sessions(), rejected, self._thresholds)
        return series, judge_moves(lines, self._reference.splits, self._thresholds)

    def _judge_rows(self, lines: pl.DataFrame) -> None:
        """Judge all rows, those of each session apart that differs as a whole."""
        for day in lines["date"].unique() if self._shifts else ():
            if day in self._shifts:
                of_day = lines.filter(pl.col("date") == day)
                lines = lines.filter(pl.col("date") != day)
                self._add_beyond(self._shifts[day], *judge_rows(of_day, self._thresholds))
        self._add(*judge_rows(lines, self._thresholds))

    def _add_beyond(self, shift: Shift, *findings: Finding) -> None:
        """Add what does not follow from a session's shift, and count what does."""
        consequences = shift.consequences
        self._add(*(Finding(one.rule) if one.rule in consequences else one for one in findings))
        self._follow[shift.session] += sum(
            one.count for one in findings if one.rule in consequences
        )

    def _shifted(self) -> Iterator[Violation]:
        """The judged sessions that differ as a whole, and others that judged bars are back from."""
        judged = set(self._judged)
        for day, shift in self._shifts.items():
            count = self._follow[day]
            if shift.details and (count or day in judged):
                follow = f"{count:,} findings of symbols follow from it"
                yield Violation(day, None, f"{' and '.join(shift.details)}; {follow}", count)

    def _known(self, lines: pl.DataFrame) -> dict[date, Figures]:
        return figures(lines, self._exchanges, self._thresholds.benchmarks)

    def _forget(self, bars: pl.DataFrame) -> None:
        """All but the last twenty loaded sessions: no others say what is usual."""
        last = bars["date"].max()
        loaded = [day for day in self._loaded if isinstance(last, date) and day <= last]
        if len(loaded) >= TRAILING:
            since = loaded[-TRAILING]
            self._histories.forget(since)
            self._figures = {day: one for day, one in self._figures.items() if day >= since}

    def _add(self, *findings: Finding) -> None:
        for one in findings:
            before = self._findings.get(one.rule, Finding(one.rule))
            self._findings[one.rule] = joined(one.rule, [before, one])

    def findings(self) -> list[Finding]:
        """What every rule found."""
        if self._candidates:
            self._judge_candidates()
        if self._far:
            self._add(*judge_returns(self._far, self._returns))
            self._far.clear()
        loaded = [day for day in self._judged if self._stored[day].loaded]
        newest = bool(loaded and loaded[-1] == self._loaded[-1])
        spans, symbols = self.presence.spans(), self._reference.symbols
        at_the_end = judge_spans(spans, symbols, loaded, newest=newest)
        at_the_end.append(listed(SHIFTED, self._shifted()))
        if self._unshown:
            at_the_end.append(judge_splits(pl.concat(self._unshown), pl.concat(self._unexplained)))
        return [*self._findings.values(), *at_the_end]


def _on_closed_days(bars: pl.DataFrame) -> Iterator[Violation]:
    for day, rows in days_of(bars):
        if not is_session(day):
            count = rows.stop - rows.start
            yield Violation(day, None, f"{count:,} bars", count)
