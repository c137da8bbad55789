"""Segments and evidence in few words, and what identity makes of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from universe_pipeline.domain.listings.evidence import Evidence, Source
from universe_pipeline.domain.listings.judging import Known, Override, Security, judge
from universe_pipeline.domain.listings.market import Break, Step
from universe_pipeline.domain.listings.segments import Calendar, Segment
from universe_pipeline.domain.sessions import all_sessions, sessions_between

TODAY = date(2026, 11, 27)
STEADY = Step(0.01, 0.1)


def day(text: str) -> date:
    """A date by its ISO form."""
    return date.fromisoformat(text)


def traded(symbol: str, first: str, last: str = "2026-11-27") -> Segment:
    """A segment."""
    return Segment(symbol, day(first), day(last))


def listed(symbol: str, first: str, last: str | None = None, **said: str | bool) -> Evidence:
    """A row of dated lists."""
    given = {"type": "CS", **said}
    return Evidence(symbol, day(first), day(last or first), Source.DATED_LIST, **given)  # pyright: ignore[reportArgumentType]


def listed_today(symbol: str, first: str = "2026-11-27", **said: str | bool) -> Evidence:
    """A row of the list of active tickers."""
    given = {"type": "CS", **said}
    return Evidence(symbol, day(first), TODAY, Source.DISCOVERY, **given)  # pyright: ignore[reportArgumentType]


def delisted(symbol: str, on: str, **said: str | bool) -> Evidence:
    """A row of the list of delisted tickers."""
    given = {"type": "CS", **said}
    return Evidence(symbol, day(on), day(on), Source.DELISTED_LIST, **given)  # pyright: ignore[reportArgumentType]


@dataclass
class Prices:
    """A market that knows what it was given; otherwise prices go on as they were."""

    changes: dict[str, list[Break]] = field(default_factory=dict[str, list[Break]])
    steps: dict[tuple[str, str], Step | None] = field(
        default_factory=dict[tuple[str, str], Step | None]
    )
    otherwise: Step | None = STEADY

    def breaks(self, symbol: str, after: date, until: date) -> list[Break]:
        """Those of the symbol in that time."""
        return [each for each in self.changes.get(symbol, []) if after < each.session <= until]

    def step(self, ended: tuple[str, date], begun: tuple[str, date]) -> Step | None:
        """That of the two symbols."""
        return self.steps.get((ended[0], begun[0]), self.otherwise)


def calendar(is_loaded: Callable[[date], bool] = lambda _: True) -> Calendar:
    """All sessions, loaded up to today where `is_loaded`."""
    return Calendar(all_sessions(), [each <= TODAY and is_loaded(each) for each in all_sessions()])


def securities(
    segments: Sequence[Segment],
    evidence: Sequence[Evidence] = (),
    overrides: Sequence[Override] = (),
    market: Prices | None = None,
    loaded: Calendar | None = None,
) -> list[Security]:
    """What identity makes of them."""
    known = Known(segments, evidence, overrides, loaded or calendar(), TODAY, TODAY)
    return judge(known, market or Prices())


def described(found: Iterable[Security]) -> list[list[str]]:
    """Each security as `symbol from..to evidence`, in words."""
    return [
        [
            f"{each.symbol} {each.valid_from}..{each.valid_to or ''} {each.evidence}"
            for each in security.listings
        ]
        for security in found
    ]


def next_session(text: str) -> date:
    """The session after a day."""
    return sessions_between(day(text), TODAY)[1]
