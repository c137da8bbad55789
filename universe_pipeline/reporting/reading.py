"""What the report is about: one look at the database."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked
from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure, open_failures
from universe_pipeline.adapters.postgres.quality.rule_results import RecordedResult, newest_results
from universe_pipeline.adapters.postgres.summaries import overview
from universe_pipeline.adapters.postgres.summaries.figures import Figures, figures
from universe_pipeline.adapters.postgres.summaries.overview import Broken
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import closed_range, newest_closed
from universe_pipeline.domain.thresholds import TRAILING_DAYS, Thresholds
from universe_pipeline.reporting.tables import WORST

JUDGEMENTS = 60
"""The newest loads and verifications that are shown: some two months of daily updates."""

_BEFORE = timedelta(days=TRAILING_DAYS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the report is to be about."""

    now: datetime
    """Timezone-aware."""
    start: date | None
    """None: from the first session on that is stored or was asked for."""
    end: date | None
    """None: to the last one."""
    types: Sequence[str]
    """The vendor's type codes that count as the universe."""
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds, as it stood at one moment."""

    numbers: Figures
    days: Sequence[date]
    """Every closed session of the report, in order."""
    before: pl.DataFrame
    """Sessions (`SESSION_SCHEMA`) with those before the report that say what is usual."""
    broken: Sequence[Broken]
    spans: pl.DataFrame
    judgements: Sequence[RecordedResult]
    failures: Sequence[OpenFailure]
    newest_closed: date

    @property
    def sessions(self) -> pl.DataFrame:
        """The sessions of the report: `SESSION_SCHEMA`, `quarantined` a condition of its own."""
        kept_away = pl.col("status") == SessionStatus.QUARANTINED
        condition = pl.when(kept_away).then(pl.lit("quarantined")).otherwise("condition")
        return self.before.filter(pl.col("date") >= self.days[0]).with_columns(condition=condition)

    @property
    def conditions(self) -> dict[str, int]:
        """Sessions by condition."""
        return dict(Counter(self.sessions["condition"].to_list()))


def read(connection: Connection, wanted: Wanted) -> Stored | None:
    """Read what the report is about; None where nothing is stored.

    Raises:
        RangeError: the range is reversed, or holds no closed session.
    """
    with overview.one_moment(connection):
        asked = ever_asked(connection, newest_closed(wanted.now)).sessions
        ends = [*(overview.stored_range(connection) or ()), *asked[:1], *asked[-1:]]
        if not ends:
            return None
        days = closed_range(wanted.start or min(ends), wanted.end or max(ends), wanted.now)
        start, end = days[0], days[-1]
        return Stored(
            numbers=figures(connection),
            days=days,
            before=overview.session_states(connection, start - _BEFORE, end),
            broken=overview.broken_rules(connection, start, end),
            spans=overview.symbol_spans(connection),
            judgements=newest_results(connection, start, end, JUDGEMENTS, WORST),
            failures=open_failures(connection),
            newest_closed=newest_closed(wanted.now),
        )
