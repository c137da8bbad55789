"""Rules for one session, compared with the loaded sessions before it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from universe_pipeline.domain.quality.figures import Figures
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rows import FRACTIONS_SINCE
from universe_pipeline.domain.quality.rules import (
    BENCHMARKS_PRESENT,
    EXCHANGES_PRESENT,
    MOVES_USUAL,
    NO_REPEAT,
    REJECTS_USUAL,
    ROW_COUNT_PLAUSIBLE,
    ROW_COUNT_USUAL,
    VOLUME_FRACTIONAL,
    Rule,
)
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS, Thresholds

ENOUGH_ROWS = 1_000
"""Of fewer rows, equal or whole ones may be chance."""

_FEWEST_MISSING = 20
_REJECTED_MORE = 0.001
_LEAST_FRACTIONAL = 0.1
_ENOUGH_RETURNS = 100
_DEVIATIONS = 8.0
_LEAST_DEVIATION = 0.005
_TIMES = 4.0
_UNCHANGED_MORE = 0.2
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the load of a session says of it."""

    session: date
    loaded: bool
    """Whether it is given to readers, and says what is usual."""
    received: int
    rejected: int

    @property
    def rows(self) -> int:
        """Rows of the answer that were stored."""
        return self.received - self.rejected

    @property
    def rejected_fraction(self) -> float:
        """The fraction of the answer that was not stored."""
        return self.rejected / max(1, self.received)


@dataclass(frozen=True, slots=True)
class Judged:
    """A session, and the loaded ones before it: twenty, or none."""

    figures: Figures
    stored: Stored
    loads: Sequence[Stored]
    before: Sequence[Figures]
    """Those of the loads, where all of them have bars."""

    def usual(self, figure: Callable[[Figures], float]) -> float:
        """The median of a figure over the sessions before."""
        return median(map(figure, self.before))


def is_off(rows: int, usual: float, fraction: float) -> bool:
    """Whether a session has fewer or more rows than usual, by more than `fraction`."""
    return abs(rows - usual) > fraction * usual


def is_repeat(repeated: int, traded: int, thresholds: Thresholds) -> bool:
    """Whether so many of the rows with trades are the session before's that it is sent again."""
    return traded >= ENOUGH_ROWS and repeated > thresholds.repeated * traded


def cases_of(
    figures: Mapping[date, Figures], stored: Mapping[date, Stored], judged: Sequence[date]
) -> list[Judged]:
    """The sessions `judged` that are stored, each with the loaded ones before it."""
    return [_case(figures, stored, session) for session in judged if session in stored]


def judge_sessions(
    cases: Sequence[Judged], thresholds: Thresholds, shifted: Collection[date] = ()
) -> list[Finding]:
    """Judge sessions; of those that are `shifted` as a whole it is known that they move oddly."""
    return [
        listed(
            rule,
            (
                Violation(case.stored.session, None, detail, weight)
                for case in cases
                if rule is not MOVES_USUAL or case.stored.session not in shifted
                for detail, weight in judge(case, thresholds)
            ),
        )
        for rule, judge in _JUDGES.items()
    ]


def _case(figures: Mapping[date, Figures], stored: Mapping[date, Stored], session: date) -> Judged:
    since = session - timedelta(days=TRAILING_DAYS)
    within = sessions_between(since + _A_DAY, session - _A_DAY)
    days = [day for day in within if day in stored and stored[day].loaded]
    days = days[-TRAILING:] if len(days) >= TRAILING else []
    return Judged(
        figures.get(session, Figures(session)),
        stored[session],
        [stored[day] for day in days],
        [figures[day] for day in days] if all(day in figures for day in days) else (),
    )


Details = Iterator[tuple[str, float]]
"""What is wrong, in words, and how much."""


def _row_count(case: Judged, fraction: float) -> Details:
    rows = case.stored.rows
    if case.loads:
        usual = median(each.rows for each in case.loads)
        if is_off(rows, usual, fraction):
            yield f"{rows:,} bars, usually {usual:,.0f}", abs(rows - usual) / max(1, usual)


def _row_count_plausible(case: Judged, thresholds: Thresholds) -> Details:
    return _row_count(case, thresholds.rows_error)


def _row_count_usual(case: Judged, thresholds: Thresholds) -> Details:
    return _row_count(case, thresholds.rows_warn)


def _no_repeat(case: Judged, thresholds: Thresholds) -> Details:
    repeated, traded = case.figures.repeated, case.figures.traded
    if is_repeat(repeated, traded, thresholds):
        yield f"{repeated:,} of {traded:,} bars are those of the session before", repeated / traded


def _benchmarks(case: Judged, thresholds: Thresholds) -> Details:
    held = [each.benchmarks for each in case.before]
    expected = frozenset(thresholds.benchmarks).intersection(*held) if held else frozenset[str]()
    absent = sorted(expected - case.figures.benchmarks)
    if absent:
        yield f"no bar with trades of {', '.join(absent)}", len(absent)


def _exchanges(case: Judged, thresholds: Thresholds) -> Details:
    names = {name for each in case.before for name in each.by_exchange}
    for name in sorted(names):
        usual = case.usual(lambda figures, name=name: figures.by_exchange.get(name, 0))
        missing = usual - case.figures.by_exchange.get(name, 0)
        if missing >= _FEWEST_MISSING and missing > thresholds.rows_error * usual:
            yield f"{name} has {usual - missing:,.0f} bars, usually {usual:,.0f}", missing / usual


def _rejected(case: Judged, _: Thresholds) -> Details:
    if case.loads:
        usual = median(each.rejected_fraction for each in case.loads)
        more = case.stored.rejected_fraction - usual
        if more > _REJECTED_MORE:
            fraction = case.stored.rejected_fraction
            yield f"{fraction:.2%} of the rows rejected, usually {usual:.2%}", more


def _moves(case: Judged, _: Thresholds) -> Details:
    unusual = list(_unusual_moves(case)) if case.before else []
    if unusual and case.figures.returns >= _ENOUGH_RETURNS:
        yield ", ".join(unusual), len(unusual)


def _unusual_moves(case: Judged) -> Iterator[str]:
    figures = case.figures
    returns = [each.median_return or 0.0 for each in case.before]
    middle, mine = median(returns), figures.median_return or 0.0
    deviation = max(median(abs(each - middle) for each in returns), _LEAST_DEVIATION)
    if abs(mine - middle) > _DEVIATIONS * deviation:
        yield f"median return {mine:.1%}"
    usual = case.usual(lambda each: each.mean_abs_return or 0.0)
    if _is_other(figures.mean_abs_return or 0.0, usual):
        yield f"mean move {figures.mean_abs_return or 0.0:.1%}, usually {usual:.1%}"
    usual = case.usual(lambda each: each.dollar_volume)
    if _is_other(figures.dollar_volume, usual):
        yield f"turnover {figures.dollar_volume:,.0f} USD, usually {usual:,.0f}"
    usual = case.usual(_unchanged_fraction)
    if _unchanged_fraction(figures) - usual > _UNCHANGED_MORE:
        yield f"{_unchanged_fraction(figures):.0%} of the closes unchanged, usually {usual:.0%}"


def _is_other(value: float, usual: float) -> bool:
    return value * _TIMES < usual or value > usual * _TIMES


def _unchanged_fraction(figures: Figures) -> float:
    return figures.unchanged / max(1, figures.returns)


def _fractional(case: Judged, _: Thresholds) -> Details:
    fractional, traded = case.figures.fractional, case.figures.traded
    is_late = case.stored.session >= FRACTIONS_SINCE and traded >= ENOUGH_ROWS
    if is_late and fractional < _LEAST_FRACTIONAL * traded:
        yield f"{fractional:,} of {traded:,} volumes are fractional", 1 - fractional / traded


_JUDGES: dict[Rule, Callable[[Judged, Thresholds], Details]] = {
    ROW_COUNT_PLAUSIBLE: _row_count_plausible,
    NO_REPEAT: _no_repeat,
    BENCHMARKS_PRESENT: _benchmarks,
    ROW_COUNT_USUAL: _row_count_usual,
    EXCHANGES_PRESENT: _exchanges,
    REJECTS_USUAL: _rejected,
    MOVES_USUAL: _moves,
    VOLUME_FRACTIONAL: _fractional,
}
