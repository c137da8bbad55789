"""Sessions: the grouped answers of a range, each written in a transaction of its own.

Requests run ahead of the writer in threads of their own; the writer takes the answers in order, one
transaction each. Nothing is raised for a session that fails: it is recorded and reported.
"""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import takewhile
from threading import Event

import numpy as np
import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient, ReceivedAnswer
from universe_pipeline.adapters.postgres.bars import copy_binary, fingerprints, writing
from universe_pipeline.adapters.postgres.bars.writing import EncodedSession, Standing, Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import (
    daily_counters,
    fetch_errors,
    session_loads,
    session_states,
)
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.adapters.postgres.quality.rule_results import Approval
from universe_pipeline.adapters.tally import Stage, Tally
from universe_pipeline.domain import quality
from universe_pipeline.domain.bars import Bars, Failed, Nothing, NotYetPublished
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import (
    AccessError,
    CollapsedError,
    FailureKind,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.moments import Now
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus
from universe_pipeline.domain.sessions import is_final_by_age
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading import row_counts
from universe_pipeline.loading.ahead import in_two_steps
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.before_commit import (
    AnswerFeatures,
    QuarantineReason,
    features,
    quarantine_reasons,
)
from universe_pipeline.loading.read_ahead import ReadAhead

SAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    """One session's answer on its way to the writer."""

    session: date
    requested_at: datetime
    begun: float
    """The same by the monotonic clock, in seconds."""
    answer: "EncodedSession | Nothing | NotYetPublished | Failed"
    sample: pl.DataFrame | None = None
    """The bars with the largest dollar volume, for people."""
    features: AnswerFeatures | None = None
    """By which the bars are judged before they are stored."""
    before: AnswerFeatures | None = None
    """Those of the answer before."""
    bars: pl.DataFrame | None = None
    """What is accepted of them (`BAR_SCHEMA`)."""

    @property
    def now(self) -> datetime:
        """The database's time, as much later than the request as it is."""
        return self.requested_at + timedelta(seconds=time.monotonic() - self.begun)

    @property
    def is_refused(self) -> bool:
        """Whether key or plan forbid all sessions alike."""
        return isinstance(self.answer, Failed) and isinstance(self.answer.error, AccessError)

    @property
    def is_outside_plan(self) -> bool:
        """Whether the plan does not reach back to this session."""
        answer = self.answer
        return isinstance(answer, Failed) and answer.error.kind is FailureKind.OUTSIDE_PLAN


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one session in this load.

    `write` is there when an answer was stored (also an identical one), `error` when the request
    failed. A failed re-fetch of a session that is loaded is `loaded` with an error.
    """

    session: date
    state: SessionStatus
    seconds: float
    write: Write | None = None
    error: VendorError | None = None
    sample: pl.DataFrame | None = None
    is_whole: bool = False
    """Whether the session has no other bars than the answer gave."""

    @property
    def is_superseded(self) -> bool:
        """Whether the answer was not stored, because the answer to a later request is."""
        return self.write is not None and self.write.superseded

    @property
    def committed(self) -> bool:
        """Whether the session's rows (or its confirmed emptiness) stand in the database."""
        return self.state in COMMITTED


@dataclass(frozen=True, slots=True)
class Encoding:
    """How answers are encoded: the trailing sessions that are not final, rows in one buffer."""

    revisit: int = 3
    batch_rows: int | None = None
    thresholds: Thresholds = field(default=Thresholds())


def fetch_sessions(
    client: PolygonClient,
    sessions: Sequence[date],
    encoding: Encoding,
    now: Now,
    worker: DecodingWorker | None = None,
) -> Generator[Fetched]:
    """Ask for `sessions`, in order, as far ahead as the writer needs, and give their answers.

    What waits for the writer is packed; the next ones are encoded already. After an answer that the
    key or plan forbids, no further session is asked for. Where the plan does not reach back to the
    first one, the earliest that it reaches is searched by halves, and none before it is asked for.

    Args:
        client: the vendor.
        sessions: closed ones, at least one.
        encoding: how they are encoded.
        now: says when a request is made, by the database's clock.
        worker: encodes them; None: one of its own. Best `client`'s own.
    """
    before: AnswerFeatures | None = None
    with closing(_fetched(client, sessions, encoding, now, worker or DecodingWorker())) as answers:
        for one in answers:
            yield replace(one, before=before)
            before = one.features


def _fetched(
    client: PolygonClient,
    sessions: Sequence[date],
    encoding: Encoding,
    now: Now,
    worker: DecodingWorker,
) -> Generator[Fetched]:
    refused = Event()

    def receive(day: date) -> _Received:
        if refused.is_set():
            raise CancelledError  # comes after the refused one, which ends the load
        requested_at, begun = now(), time.monotonic()
        answer = client.receive_grouped_daily(day)
        if answer.is_refused:
            refused.set()
        return _Received(day, requested_at, begun, answer)

    def read(received: _Received) -> Fetched:
        return _read(received, encoding, worker, client.tally)

    def fetch(day: date) -> Fetched:
        return read(receive(day))

    first = fetch(sessions[0])  # alone: a fault of key or plan shows at once
    yield first
    rest = sessions[1:]
    if first.is_outside_plan:
        rest = yield from _reached_by_plan(fetch, rest)
    traffic = client.traffic
    writer = ReadAhead(traffic.most, client.spacing, lambda: traffic.round_trip)
    asked = takewhile(lambda _: not refused.is_set(), rest)
    with closing(in_two_steps(receive, read, asked, writer.sessions, traffic.most)) as fetched:
        for one in fetched:
            handed_over = time.monotonic()
            yield one
            writer.wrote(time.monotonic() - handed_over)
            if one.is_refused:
                return


def _reached_by_plan(
    fetch: Callable[[date], Fetched], sessions: Sequence[date]
) -> Generator[Fetched, None, Sequence[date]]:
    """Give the answers that the search takes; return the sessions that are still to be asked."""
    asked: set[date] = set()
    low, high = 0, len(sessions)  # before low the plan does not reach, from high on it does
    while low < high:
        middle = (low + high) // 2
        answer = fetch(sessions[middle])
        asked.add(answer.session)
        yield answer
        if answer.is_refused:
            return ()
        if answer.is_outside_plan:
            low = middle + 1
        else:
            high = middle
    return [day for day in sessions[low:] if day not in asked]


@dataclass(frozen=True, slots=True)
class _Received:
    """One session's answer, packed as it came."""

    session: date
    requested_at: datetime
    begun: float
    answer: ReceivedAnswer


def _read(received: _Received, encoding: Encoding, worker: DecodingWorker, tally: Tally) -> Fetched:
    session, requested_at, begun = received.session, received.requested_at, received.begun
    answer = received.answer.read()
    if not isinstance(answer, Bars):
        return Fetched(session, requested_at, begun, answer)

    def prepared() -> Fetched:
        with tally.seconds(Stage.ENCODE):
            encoded, accepted = encode_session(answer, session, requested_at, encoding)
            sample = _largest(accepted)
            judged = features(accepted, session, encoding.thresholds)
        return Fetched(session, requested_at, begun, encoded, sample, judged, bars=accepted)

    return worker.run(prepared)


def _largest(bars: pl.DataFrame) -> pl.DataFrame:
    with np.errstate(over="ignore"):  # of absurd numbers, which are stored all the same
        dollar_volume = bars["close"].to_numpy() * bars["volume"].to_numpy()
    places = np.arange(bars.height)
    if bars.height > SAMPLE_ROWS:
        places = np.argpartition(dollar_volume, -SAMPLE_ROWS)[-SAMPLE_ROWS:]
    places = places[np.argsort(-dollar_volume[places])]
    return pl.DataFrame([bars.row(place) for place in places], bars.schema, orient="row")


def encode_session(
    answer: Bars, session: date, requested_at: datetime, encoding: Encoding
) -> tuple[EncodedSession, pl.DataFrame]:
    """Validate and encode one session's rows; also the accepted ones as a frame."""
    validated = quality.validate(answer.frame)
    accepted = validated.accepted
    rows = copy_binary.encode(accepted, "grouped", session)
    encoded = EncodedSession(
        session=session,
        rows=len(rows),
        buffers=list(rows.buffers(encoding.batch_rows)),
        content_hash=rows.fingerprint,
        rejected=(*answer.rejected, *validated.rejected),
        requested_at=requested_at,
        final_by_age=is_final_by_age(session, requested_at, encoding.revisit),
    )
    return encoded, accepted


def store(
    connection: Connection, fetched: Fetched, run_id: str | None, tally: Tally | None = None
) -> Outcome:
    """Write one answer, or why there is none, in one transaction; say what became of it.

    The transaction also stores what `tally`, the client's, has counted.
    """
    tally = tally or Tally()
    with tally.seconds(Stage.STORE):
        return _stored(connection, fetched, run_id, tally)


def _stored(connection: Connection, fetched: Fetched, run_id: str | None, tally: Tally) -> Outcome:
    session = fetched.session
    committed = daily_counters.committed_with(connection, tally, fetched.now)
    with writing.locked_session(connection, session, committed) as standing:
        write, error = _store(connection, standing, fetched, run_id)
        if error is not None:
            fetch_errors.record_failure(
                connection,
                error,
                Dataset.DAILY_BARS,
                day=session,
                run_id=run_id,
                at=fetched.now,
            )
        recorded = write and write.status
        state = recorded or session_states.states(connection, [session])[session].status
    seconds = time.monotonic() - fetched.begun
    is_whole = recorded is not None and not standing.holds_bars
    return Outcome(session, state, seconds, write, error, fetched.sample, is_whole)


def _store(
    connection: Connection, standing: Standing, fetched: Fetched, run_id: str | None
) -> tuple[Write | None, VendorError | None]:
    session, at = fetched.session, fetched.requested_at
    match fetched.answer:
        case EncodedSession() as answer:
            return _store_rows(connection, standing, fetched, answer, run_id)
        case Nothing():
            if session_loads.record_empty_answer(connection, session, at, run_id):
                return None, None
            message = "no row on a session"
            return None, RetryableError(FailureKind.EMPTY, f"grouped {session}", message)
        case NotYetPublished():
            session_loads.record_unstored(connection, session, SessionStatus.PENDING, at, run_id)
            return None, None
        case Failed(error):
            session_loads.record_unstored(connection, session, SessionStatus.FAILED, at, run_id)
            return None, error


def _store_rows(
    connection: Connection,
    standing: Standing,
    fetched: Fetched,
    answer: EncodedSession,
    run_id: str | None,
) -> tuple[Write | None, VendorError | None]:
    session, at = answer.session, answer.requested_at
    content = fingerprints.known(connection, session, standing.content_hash)
    standing = replace(standing, content_hash=content)
    if not answer.rows:
        session_loads.record_unstored(connection, session, SessionStatus.FAILED, at, run_id)
        writing.record_rejected(connection, standing, answer, run_id)
        message = f"none of the {len(answer.rejected)} rows is usable"
        return None, RetryableError(FailureKind.EMPTY, f"grouped {session}", message)
    doubted = _doubts(connection, standing, fetched, answer)
    if row_counts.is_disbelieved(connection, standing, answer, doubted):
        session_loads.record_unstored(connection, session, SessionStatus.FAILED, at, run_id)
        return None, _collapsed(answer, "the sessions before hold far more")
    keep = partial(writing.write_locked, connection, standing, answer, run_id)
    write = keep(quarantined=bool(doubted))
    if write.collapsed:
        refusal = row_counts.refusal(connection, standing, answer, fetched.bars, run_id)
        if refusal is not None:
            return write, _collapsed(answer, refusal)
        doubted = [doubt for doubt in doubted if not doubt.collapsed]
        write = keep(quarantined=bool(doubted), believed=True)
        rule_results.keep_approval(
            connection, Approval(session, *_BELIEVED, fetched.now), answer.content_hash, []
        )
    if doubted and not write.superseded:
        broken = [(doubt.rule, doubt.offender) for doubt in doubted]
        rule_results.record_broken(connection, broken, run_id, fetched.now)
    return write, None


_BELIEVED = ("refused_answers: the same on three different days, or approved", "universe")
"""Reason and author of the approval of a smaller answer: so few rows quarantine it no more."""


def _doubts(
    connection: Connection, standing: Standing, fetched: Fetched, answer: EncodedSession
) -> list[QuarantineReason]:
    """What speaks against the answer, unless a person took this very content for right."""
    if fetched.features is None:
        return []
    found = quarantine_reasons(connection, fetched.features, fetched.before, standing.usual_rows)
    approved = found and rule_results.is_approved(connection, answer.session, answer.content_hash)
    return [] if approved else found


def _collapsed(answer: EncodedSession, against: str) -> VendorError:
    return CollapsedError(
        FailureKind.COLLAPSED,
        f"grouped {answer.session}",
        f"the answer holds only {answer.rows:,} usable rows: {against}",
    )
