"""The life of a load job: it begins, shows that it gets on, and ends; its row in `load_jobs`.

Commands and Dagster's own runs (schedules, sensors, the UI, backfills) go through here alike. A job
of a name that is there already goes on where it was.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger import load_jobs, session_states
from universe_pipeline.adapters.postgres.ledger.session_states import SessionState
from universe_pipeline.adapters.postgres.liveness import Hold
from universe_pipeline.adapters.postgres.reference.symbols import unknown_symbols
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.load_states import plan_symbols

BEAT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class LoadJob:
    """What a load is about."""

    kind: str
    """`historical`, `daily`, `symbols` or `retry`."""
    name: str
    sessions: Sequence[date]
    """In order, at least one."""
    symbols: Sequence[str] = ()
    """Of a load of chosen symbols."""

    @property
    def span(self) -> tuple[date, date]:
        """Its first and last session."""
        return self.sessions[0], self.sessions[-1]

    @property
    def chosen(self) -> Sequence[date] | None:
        """Its sessions, unless they are all of a range."""
        is_range = self.kind in ("historical", "symbols")
        is_whole = tuple(self.sessions) == tuple(sessions_between(*self.span))
        return None if is_range and is_whole else self.sessions


def range_name(start: date, end: date) -> str:
    """The name of a job on a range of days."""
    return f"historical_load_{start}_{end}"


def update_name(session: date) -> str:
    """The name of the daily update of a session."""
    return f"daily_update_{session}"


def is_update(name: str) -> bool:
    """Whether the job of that name is a daily update."""
    return name.startswith("daily_update_")


def session_of_update(name: str) -> date:
    """The session of the daily update of that name."""
    return date.fromisoformat(name.removeprefix("daily_update_"))


def retry_name(sessions: Sequence[date]) -> str:
    """The name of a job that asks again for sessions (in order)."""
    return f"error_retry_{sessions[0]}_{sessions[-1]}"


def repair_name(symbols: Sequence[str], start: date, end: date) -> str:
    """The name of a job that fetches symbols again over a range of days."""
    return f"symbol_repair_{start}_{end}_{_digest(symbols)}"


def is_repair(name: str) -> bool:
    """Whether a job of symbols fetches them again, also where they were asked for."""
    return name.startswith("symbol_repair_")


def symbols_name(symbols: Sequence[str], start: date, end: date) -> str:
    """The name of a job on symbols over a range of days."""
    return f"{range_name(start, end)}_{_digest(symbols)}"


def _digest(symbols: Sequence[str]) -> str:
    return f"symbols_{sha256(','.join(sorted(symbols)).encode()).hexdigest()[:8]}"


@dataclass(slots=True)
class Work:
    """A job in the hands of this process, if `hold` is true; otherwise another one has it."""

    hold: Hold
    connection: Connection
    status: str = "interrupted"
    """How the job ends: what it was left at, where the work broke off."""


@contextmanager
def working(
    database: Database,
    job: LoadJob,
    now: Now,
    *,
    afresh: bool = False,
    at_end: Callable[[Connection], None] = lambda _: None,
) -> Generator[Work]:
    """Begin a job for the block, unless another process works on it, and end it after the block.

    Args:
        database: where its row is.
        job: the job.
        now: the database's clock.
        afresh: what was fetched before does not count for it.
        at_end: called once the job has ended.
    """
    with load_jobs.hold_lock(database, job.name) as hold, database.connect() as connection:
        work = Work(hold, connection)
        if not hold:
            yield work
            return
        begin(connection, job, now(), afresh=afresh)
        try:
            yield work
        finally:
            end(connection, job, work.status if hold else None, now())
            at_end(connection)


def begin(
    connection: Connection,
    job: LoadJob,
    at: datetime,
    *,
    run_id: str | None = None,
    afresh: bool = False,
) -> None:
    """Record that a job is in progress, by the run of that id if it is known yet."""
    load_jobs.begin_job(
        connection,
        job.name,
        job.kind,
        job.span,
        job.symbols or None,
        job.chosen,
        run_id=run_id,
        at=at,
    )
    if afresh:
        load_jobs.start_afresh(connection, job.name, at)


class Heartbeat:
    """Records, now and then, that the job of a run gets on; a run without a job records nothing."""

    def __init__(self, connection: Connection, run_id: str, now: Now) -> None:
        self._connection, self._run_id, self._now = connection, run_id, now
        self._recorded_at = time.monotonic()

    def beat(self) -> None:
        """A piece of work is done."""
        if time.monotonic() - self._recorded_at > BEAT_SECONDS:
            load_jobs.heartbeat(self._connection, self._run_id, self._now())
            self._recorded_at = time.monotonic()


def status(connection: Connection, job: LoadJob, *, failed: bool) -> str:
    """How a job ends whose work is done, and `failed` or not: what is not out yet interrupts it."""
    if failed:
        return "failed"
    if job.kind == "symbols":
        return "interrupted" if unpublished(connection, job) else "completed"
    known = session_states.states(connection, job.sessions)
    since = load_jobs.fresh_since(connection, job.name)
    if since and any(_has_bars(state) and state.fetched_at < since for state in known.values()):
        return "interrupted"  # the checkpoint was cleared, and the run has not fetched them again
    states = {known[day].status if day in known else SessionStatus.PENDING for day in job.sessions}
    if states & {SessionStatus.FAILED, SessionStatus.QUARANTINED}:
        return "failed"
    return "interrupted" if SessionStatus.PENDING in states else "completed"


def _has_bars(state: SessionState) -> bool:
    """Whether a fetch of the session renews its row; an empty session keeps the old moment."""
    return state.status in (SessionStatus.LOADED, SessionStatus.QUARANTINED)


def unpublished(connection: Connection, job: LoadJob) -> dict[str, list[date]]:
    """The sessions that a job's symbols lack: their bars may not be out yet.

    A symbol that no list has and that has no bar is misspelt: it is not waited for.
    """
    since = load_jobs.fresh_since(connection, job.name)
    lacking = plan_symbols(connection, job.symbols, job.sessions, since).wanted
    misspelt = set(unknown_symbols(connection, list(lacking)))
    return {symbol: days for symbol, days in lacking.items() if symbol not in misspelt}


def end(connection: Connection, job: LoadJob, status: str | None, at: datetime) -> None:
    """Record how a job ended, and cover what it committed.

    Args:
        connection: to the database.
        job: the job.
        status: `completed`, `failed` or `interrupted`; None: another process has the job by now.
        at: the database's time.
    """
    cover(connection)  # a run that ended early did not come to its coverage
    if status is not None:
        load_jobs.end_job(connection, job.name, status, at)
    load_jobs.complete_loaded(connection, at, but=job.name)
