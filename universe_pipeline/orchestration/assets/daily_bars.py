"""`daily_bars`: one grouped answer per session, every ticker, as traded."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial

import dagster as dg
import polars as pl
from pydantic import Field

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.bars import quarters
from universe_pipeline.adapters.postgres.bars.reading import sample
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.adapters.postgres.ledger.session_states import SessionState
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus
from universe_pipeline.domain.sessions import sessions_before, sessions_between
from universe_pipeline.loading import plan
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.load_job import Heartbeat
from universe_pipeline.loading.plan import SessionPlan, SessionStates
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.loading.quality.while_loading import StreamingJudge
from universe_pipeline.loading.sessions import SAMPLE_ROWS, Outcome, fetch_sessions, store
from universe_pipeline.orchestration.assets.session_assets import session_asset
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.discovery import discover_if_stale
from universe_pipeline.orchestration.display.metadata import (
    Metadata,
    bar_sample,
    session_links,
    table,
)
from universe_pipeline.orchestration.display.plot import PLOTTED, bars_per_session
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.internals.interrupts import defer_interrupts, interrupted
from universe_pipeline.orchestration.io_manager import Committed, PartitionWriter
from universe_pipeline.orchestration.partitions import as_sessions, closed_sessions, span
from universe_pipeline.orchestration.resources import (
    JudgedResource,
    PolygonResource,
    PostgresResource,
)
from universe_pipeline.orchestration.tags import WAITING

DESCRIPTION = """\
Daily bars as traded (not adjusted), one row a session and symbol, for every ticker of the
vendor's answer: common stocks, funds, preferreds, warrants, delisted names, test tickers.

A partition is one NYSE session, fetched with one request. Sessions that are loaded already are
not fetched again, unless the run is configured with `reload: true`; then what differs is written
and the old values go to `bar_revisions`.

Metadata of a partition, in rows: `received` by the last fetch, of these `rejected` as no bars, and
stored bars that it `revised`. `fetched` is false where the run found the session loaded; `seconds`
is the time until its commit. `superseded` stands where the answer was not stored, because the
answer to a later request is; `superseded_bars`, where any, counts such bars of symbols. `sample`
has the five bars of the largest dollar volume.
"""


logger = logging.getLogger("universe_pipeline.loading")

SUPERSEDED = "not stored, because the answer to a later request is stored already"

ASKED_AGAIN = "the daily update asks for it again; if you are in a hurry, materialize it later"


class Load(dg.Config):
    """Which sessions to fetch; without configuration those of the run that are not loaded yet."""

    reload: bool = Field(
        default=False,
        description="Fetch also the sessions that are loaded; what differs is written, and the old "
        "values go to `bar_revisions`.",
    )
    fetch: list[str] | None = Field(
        default=None,
        description="Fetch exactly these of the run's sessions (YYYY-MM-DD), loaded or not; "
        "left out = those that are not loaded yet.",
    )


@dataclass(frozen=True, slots=True)
class SessionLoads:
    """The sessions of one run, on their way into `daily_bars`."""

    context: dg.AssetExecutionContext
    sessions: Sequence[date]
    fetch: Sequence[str] | None
    reload: bool
    polygon: PolygonResource
    postgres: PostgresResource
    judged: JudgedResource

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Commit session by session; what failed or is not published is logged and left out.

        Raises:
            dagster.Failure: nothing was materialized, and nothing else makes the run fail for it.
        """
        any_committed = False
        for committed in self._commit(connection):
            any_committed = True
            yield committed
        if not any_committed:
            self._require_reason(connection)

    def _commit(self, connection: Connection) -> Iterator[Committed]:
        known = session_states.states(connection, self.sessions)
        planned = self._plan(known)
        wanted, skipped = planned.wanted, planned.skipped
        self.context.log.info(
            "%s: %s to fetch, %s loaded already", span(self.sessions), len(wanted), len(skipped)
        )
        # Sessions between those that were named stay as they are shown.
        for session in skipped if self.fetch is None else ():
            yield self._present(connection, known[session])
        quarters.make_quarters(connection, wanted)
        yield from self._fetch(connection, wanted, known)
        self._plot(connection, self.sessions[-1])

    def _require_reason(self, connection: Connection) -> None:
        """Let no run end green that materialized nothing."""
        statuses = {
            state.status for state in session_states.states(connection, self.sessions).values()
        }
        if SessionStatus.FAILED in statuses and self._is_checked():
            return  # the check of the sessions fails for them, and names them
        if statuses == {SessionStatus.PENDING}:
            if WAITING.isdisjoint(self.context.run.tags):
                raise stop(f"{span(self.sessions)}: not published yet; {ASKED_AGAIN}")
            return
        raise stop(f"nothing was loaded of {span(self.sessions)}: the run's log names the reason")

    def _plan(self, known: Mapping[date, SessionState]) -> SessionPlan:
        """What to fetch: a run that names sessions asks also for what failed for good before."""
        committed = {day for day, state in known.items() if state.status in COMMITTED}
        states = SessionStates(committed=committed)
        if self.fetch is not None:
            return plan.of_chosen(self.sessions, as_sessions(self.fetch), states)
        return plan.of_range(self.sessions, plan.UNKNOWN if self.reload else states)

    def _fetch(
        self, connection: Connection, wanted: Sequence[date], known: Mapping[date, SessionState]
    ) -> Iterator[Committed]:
        if not wanted:
            return
        settings, run_id = self.postgres.settings, self.context.run.run_id
        database, run = self.postgres.database, self.context.run
        now, worker = wiring.clock(settings), DecodingWorker()
        encoding = wiring.encoding(settings)
        with (
            self.polygon.client(database, run, connection, worker) as client,
            closing(fetch_sessions(client, wanted, encoding, now, worker)) as fetched,
        ):
            if not self._selects_symbols():
                discover_if_stale(self.context, client, connection, now)
            heartbeat = Heartbeat(connection, run_id, now)
            judge = self._judge(connection, worker, wanted, known)
            report(Step("sessions", 0, len(wanted)))
            failed, superseded = 0, list[date]()
            for tried, answer in enumerate(fetched, start=1):
                heartbeat.beat()
                outcome, stopping = defer_interrupts(
                    partial(store, connection, answer, run_id, client.tally)
                )
                self._log(outcome)
                failed += outcome.error is not None
                if outcome.is_superseded:
                    superseded.append(outcome.session)
                session = str(outcome.session)
                report(Step.tried("sessions", tried, failed, len(wanted), session))
                if outcome.committed:
                    yield Committed(outcome.session.isoformat(), _metadata(outcome, run_id))
                if stopping:
                    _warn_of(superseded)
                    raise interrupted()
                if judge:
                    judge.take(connection, answer, outcome)
            _warn_of(superseded)
            if judge:
                self.judged.keep(judge.judged())

    def _judge(
        self,
        connection: Connection,
        worker: DecodingWorker,
        wanted: Sequence[date],
        known: Mapping[date, SessionState],
    ) -> StreamingJudge | None:
        """For new sessions in a row, if checks follow; others are read by the checks."""
        are_new = not any(state.stored for state in known.values())
        in_a_row = len(sessions_between(wanted[0], wanted[-1])) == len(wanted)
        if not (self._is_checked() and are_new and in_a_row):
            return None
        return StreamingJudge(connection, worker, wanted, self.postgres.settings.thresholds)

    def _is_checked(self) -> bool:
        checks, asset = self.context.run.asset_check_selection, self.context.asset_key
        return checks is None or any(one.asset_key == asset for one in checks)  # None: all

    def _selects_symbols(self) -> bool:
        selected = self.context.run.asset_selection  # None: all of the job, symbols among them
        return selected is None or symbols.key in selected

    def _log(self, outcome: Outcome) -> None:
        log, extra = self.context.log, {"session": str(outcome.session)}
        if outcome.error is not None:
            log.error("session %s failed: %s", outcome.session, outcome.error, extra=extra)
        elif outcome.state is SessionStatus.QUARANTINED:
            log.error("session %s is quarantined: the checks say why", outcome.session, extra=extra)
        elif outcome.state is SessionStatus.PENDING:
            log.warning("session %s is not published yet", outcome.session, extra=extra)
        elif outcome.is_superseded:
            log.warning("session %s: %s", outcome.session, SUPERSEDED, extra=extra)

    def _plot(self, connection: Connection, last: date) -> None:
        """Let the run's last event, which the asset's page shows, carry the plot."""
        trailing = (*sessions_before(last, PLOTTED - 1), last)
        known = session_states.states(connection, trailing)
        bars = {day: known[day].stored if day in known else 0 for day in trailing}
        self.context.add_asset_metadata({"bars_per_session": bars_per_session(bars)})

    def _present(self, connection: Connection, state: SessionState) -> Committed:
        shown = sample(connection, state.session, SAMPLE_ROWS)
        return Committed(
            state.session.isoformat(),
            {
                "dagster/row_count": state.stored,
                "received": state.received,
                "rejected": state.rejected,
                "revised": state.revised,
                "fetched": False,
                "sample": bar_sample(shown),
                **session_links(state.run_id, state.session),
            },
        )


def _warn_of(superseded: Sequence[date]) -> None:
    """Name the sessions whose answers were not stored, once for a load."""
    if superseded:
        logger.warning("%s: %s", span(sorted(superseded)), SUPERSEDED)


def _metadata(outcome: Outcome, run_id: str) -> Metadata:
    write = outcome.write
    shown = outcome.sample if outcome.sample is not None else pl.DataFrame()
    return {
        "dagster/row_count": write.stored if write else 0,
        "received": write.stored + write.rejected if write else 0,
        "rejected": write.rejected if write else 0,
        "revised": write.revised if write else 0,
        "fetched": True,
        "seconds": round(outcome.seconds, 3),
        "sample": bar_sample(shown),
        **_superseded(outcome),
        **session_links(run_id, outcome.session),
    }


def _superseded(outcome: Outcome) -> Metadata:
    """What was not stored, because the answer to a later request is: rare, so shown only then."""
    bars = outcome.write.overtaken if outcome.write else 0
    shown: Metadata = {"superseded": True} if outcome.is_superseded else {}
    return {**shown, "superseded_bars": bars} if bars else shown


@session_asset(
    kinds={"postgres", "polars"},
    description=DESCRIPTION,
    metadata=table("daily_bars"),
)
def daily_bars(
    context: dg.AssetExecutionContext,
    config: Load,
    polygon: PolygonResource,
    postgres: PostgresResource,
    judged: JudgedResource,
) -> PartitionWriter:
    """Load the sessions of the run; the work is done by `postgres_io`."""
    sessions = closed_sessions(context.partition_keys, wiring.now(postgres.settings))
    return SessionLoads(context, sessions, config.fetch, config.reload, polygon, postgres, judged)
