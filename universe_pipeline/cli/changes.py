"""What a daily update did, in one line: to the session that was asked for, and to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from universe_pipeline.adapters.postgres.clock import database_time
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.adapters.postgres.ledger.session_states import SessionState
from universe_pipeline.cli.days import spans
from universe_pipeline.domain.session_state import COMMITTED
from universe_pipeline.domain.sessions import sessions_between


@dataclass(frozen=True, slots=True)
class Before:
    """What stood in the database before a run."""

    at: datetime
    states: Mapping[date, SessionState]


def before(connection: Connection, sessions: Sequence[date]) -> Before:
    """What stands of `sessions` now."""
    return Before(database_time(connection), session_states.states(connection, sessions))


@dataclass(frozen=True, slots=True)
class Changes:
    """Bars of the sessions that a run fetched, by what became of them."""

    sessions: int = 0
    new: int = 0
    revised: int = 0
    """Changed or removed; the old values are in `bar_revisions`."""
    confirmed: int = 0
    """The answer holds them as they are stored."""
    rejected: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        """The sum."""
        return Changes(
            self.sessions + other.sessions,
            self.new + other.new,
            self.revised + other.revised,
            self.confirmed + other.confirmed,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class Update:
    """A daily update of `session` that has ended."""

    session: date
    states: Mapping[date, SessionState]
    known: Mapping[date, SessionState]
    """Before the run."""
    changes: Mapping[date, Changes]
    """Of the sessions that the run has fetched and stored."""

    def line(self, wanted: Sequence[date]) -> str:
        """Say what became of the session and of the other sessions in `wanted`."""
        others = [day for day in wanted if day != self.session]
        missing = [day for day in others if not _is_committed(self.known.get(day))]
        again = [day for day in others if day not in missing]
        total = self._sum(wanted)
        parts = [
            f"{self.session}: {self._asked_for()}",
            self._missing(missing) if missing else "",
            self._revisited(again) if again else "",
            f"{total.rejected:,} rows rejected" if total.rejected else "",
            "" if wanted else "nothing to fetch",
            "" if total.new or total.revised else "nothing new",
        ]
        return "; ".join(filter(None, parts))

    def _sum(self, days: Sequence[date]) -> Changes:
        return sum((self.changes.get(day, Changes()) for day in days), Changes())

    def _asked_for(self) -> str:
        state, changes = self.states.get(self.session), self.changes.get(self.session)
        if changes is not None and _is_committed(self.known.get(self.session)):
            return f"fetched again, {_counts(changes)}"
        if state is not None and changes is not None:
            return f"{state.status}, {_bars(changes.new)} new"
        if state is not None and _is_committed(state):
            return f"{state.status} before"
        return "not loaded"

    def _missing(self, days: Sequence[date]) -> str:
        done = self._sum(days)
        named = spans(days, sessions_between(days[0], days[-1]))
        return f"missing before ({named}): {_of(done, days)} loaded, {_bars(done.new)} new"

    def _revisited(self, days: Sequence[date]) -> str:
        done = self._sum(days)
        return f"revisited {_of(done, days)}: {_counts(done)}"


def _of(done: Changes, days: Sequence[date]) -> str:
    noun = "session" if len(days) == 1 else "sessions"
    count = f"{len(days)}" if done.sessions == len(days) else f"{done.sessions} of {len(days)}"
    return f"{count} {noun}"


def _counts(changes: Changes) -> str:
    new = f"{_bars(changes.new)} new, " if changes.new else ""
    return f"{new}{_bars(changes.revised)} revised, {changes.confirmed:,} confirmed"


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count:,} bars"


def update(
    connection: Connection,
    session: date,
    wanted: Sequence[date],
    known: Before,
    run_id: str | None,
) -> Update:
    """What the run (None: there was none) changed of `wanted`, as the database has it."""
    states = session_states.states(connection, [*wanted, session])
    added = session_states.added_since(connection, wanted, known.at)
    fetched = [day for day in wanted if _is_of_run(states.get(day), run_id)]
    changes = {
        day: _changes(known.states.get(day), states[day], added.get(day, 0)) for day in fetched
    }
    return Update(session, states, known.states, changes)


def _is_of_run(state: SessionState | None, run_id: str | None) -> bool:
    return state is not None and _is_committed(state) and state.run_id == run_id


def _is_committed(state: SessionState | None) -> bool:
    return state is not None and state.status in COMMITTED


def _changes(known: SessionState | None, now: SessionState, added: int) -> Changes:
    if known is None or not _is_committed(known):
        return Changes(1, new=now.stored, rejected=now.rejected)
    removed = max(0, known.stored + added - now.stored)
    changed = now.revised - removed
    confirmed = max(0, now.stored - added - changed)
    return Changes(1, added, now.revised, confirmed, now.rejected)
