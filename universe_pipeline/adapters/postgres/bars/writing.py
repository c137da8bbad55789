"""Writing bars: a session's answer, or a symbol's, in one transaction with its load's record.

A session without stored rows gets a plain COPY. One that has some is compared with the new answer:
only what differs is written, and the old values go to `bar_revisions`. Of two writers of one bar
the later request wins, in any order of arrival. Writers of sessions exclude each other a
session at a time; a writer of a symbol, which touches many sessions, excludes them all for its
short transaction, so that no two of them can wait for each other in a circle.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.types.multirange import Multirange
from psycopg.types.range import DateRange

from universe_pipeline.adapters.postgres.bars import copy_binary, rejected
from universe_pipeline.adapters.postgres.bars.quarters import quarter_of
from universe_pipeline.adapters.postgres.bars.rejected import Origin
from universe_pipeline.adapters.postgres.columns import listed, replaced
from universe_pipeline.adapters.postgres.connection import commit_or_rollback
from universe_pipeline.adapters.postgres.ledger import refused_answers, session_loads, trailing
from universe_pipeline.adapters.postgres.ledger.session_loads import StoredAnswer
from universe_pipeline.adapters.postgres.locks import ALL_SESSIONS_LOCK, SESSION_LOCKS
from universe_pipeline.domain.bars import BAR_VALUES, RejectedRow
from universe_pipeline.domain.quality.rules import CONTENTS_KEPT, COUNTS_KEPT
from universe_pipeline.domain.session_state import (
    TRANSITIONS,
    Event,
    LoadRecord,
    Occurrence,
    SessionStatus,
    resolve,
)

COLUMNS = listed(copy_binary.COLUMNS)


@dataclass(frozen=True, slots=True)
class EncodedSession:
    """One session's validated answer, ready to be written."""

    session: date
    rows: int
    buffers: Sequence[Buffer]
    """The rows in COPY BINARY, without header and trailer."""
    content_hash: str
    rejected: Sequence[RejectedRow]
    requested_at: datetime
    final_by_age: bool
    """Old enough that the vendor no longer corrects it."""


@dataclass(frozen=True, slots=True)
class EncodedSymbol:
    """One symbol's validated answer over `sessions` (bar or none), ready to be written."""

    symbol: str
    sessions: Sequence[date]
    asked: Sequence[tuple[date, date]]
    """The sessions as unbroken runs: first session, day after the last."""
    buffers: Sequence[Buffer]
    rejected: Sequence[RejectedRow]
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Write:
    """What writing an answer did. `collapsed` and `superseded` ones changed nothing."""

    stored: int
    """Bars that the answer gave and that stand in the table now."""
    rejected: int = 0
    revised: int = 0
    """Bars whose old values went to `bar_revisions`: changed or removed."""
    added: int = 0
    collapsed: bool = False
    """The answer is short of the rows that are stored, and was not believed."""
    superseded: bool = False
    """A later request has been stored in the meantime."""
    overtaken: int = field(default=0, compare=False)
    """Bars of the answer that are not stored, because a later request for them has been."""
    status: SessionStatus | None = None
    """The session's, where the answer was recorded."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of a session when it is locked."""

    stored: int
    """Bars of the answer that is stored, if one is."""
    content_hash: str | None
    fetched_at: datetime | None
    status: SessionStatus | None
    """None: it was never requested."""
    is_refusing: bool
    """Whether short answers were refused since the stored one."""
    answered: int
    """Usable rows of the answer that is stored, or the bars of it that are: whichever are more."""
    holds_bars: bool
    """Whether the table holds bars of it, from any source."""
    usual_rows: float | None
    """The `trailing_median`."""

    @property
    def record(self) -> LoadRecord:
        """By what the state machine decides; a hash of altered bars is not part of it."""
        return LoadRecord(
            self.status, self.stored, self.answered, self.fetched_at, self.content_hash
        )

    @property
    def measure(self) -> int:
        """The rows that a later answer must hold."""
        return self.record.measure


@contextmanager
def locked_session(
    connection: psycopg.Connection,
    session: date,
    committed: AbstractContextManager[None] | None = None,
) -> Generator[Standing]:
    """The session for the block, a transaction in which no other writer of it can be.

    All with one round trip: each one more is a wait for the threads that decode. `committed` ends
    the transaction; None: `commit_or_rollback`.
    """
    with committed or commit_or_rollback(connection):
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(
                "SELECT pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s, %s)",
                (ALL_SESSIONS_LOCK, SESSION_LOCKS, session.toordinal()),
            )
            load = connection.execute(_LOCK_LOAD, (_ALTERED, session))
            held = connection.execute("SELECT FROM daily_bars WHERE date = %s LIMIT 1", (session,))
            median = trailing.trailing_median(connection, session)
        known: tuple[Any, ...] = load.fetchone() or (0, None, None, None, False, 0)
        standing = Standing(*known, holds_bars=bool(held.rowcount), usual_rows=median())
        yield replace(standing, status=standing.status and SessionStatus(standing.status))


def write_locked(
    connection: psycopg.Connection,
    standing: Standing,
    answer: EncodedSession,
    run_id: str | None,
    *,
    quarantined: bool = False,
    believed: bool = False,
) -> Write:
    """Store the answer of a `locked_session`, and its `session_loads` row.

    Args:
        connection: in the session's transaction.
        standing: what stands of the session.
        answer: what it becomes.
        run_id: the run that asked.
        quarantined: store it, and keep it from readers.
        believed: store it also where it is short.
    """
    occurrence = _occurrence(answer, quarantined=quarantined, believed=believed)
    event = resolve(standing.record, occurrence)
    if event is Event.SUPERSEDED:
        return Write(standing.stored, superseded=True)
    if event is Event.SHORT:
        return Write(standing.stored, collapsed=True)
    if standing.content_hash == answer.content_hash:
        write = Write(answer.rows, len(answer.rejected))
    else:
        write = _write_session_bars(connection, answer, run_id, merged=standing.holds_bars)
    status = TRANSITIONS[standing.status, event].status
    write = replace(write, status=status)
    _record_session(connection, answer, write, status, run_id)
    rejected.insert(connection, answer.session, answer.rejected, _origin(answer, run_id))
    if standing.is_refusing:
        refused_answers.close(connection, refused_answers.of_session(answer.session))
    return write


def _occurrence(answer: EncodedSession, *, quarantined: bool, believed: bool) -> Occurrence:
    return Occurrence(
        Event.DOUBTED if quarantined else Event.STORED,
        at=answer.requested_at,
        rows=answer.rows,
        content_hash=answer.content_hash,
        is_final_by_age=answer.final_by_age,
        is_believed=believed,
    )


def record_rejected(
    connection: psycopg.Connection, standing: Standing, answer: EncodedSession, run_id: str | None
) -> None:
    """Keep the rejected rows of an answer without a usable one, unless its session has bars."""
    if not standing.stored:
        rejected.forget_session(connection, answer.session)
        rejected.insert(connection, answer.session, answer.rejected, _origin(answer, run_id))


def _origin(answer: EncodedSession, run_id: str | None) -> Origin:
    return Origin("grouped", answer.requested_at, run_id)


_ALTERED = [COUNTS_KEPT.name, CONTENTS_KEPT.name]

_LOCK_LOAD = """
    SELECT stored, CASE WHEN NOT EXISTS (
               SELECT FROM broken_rules r WHERE r.date = l.date AND r.rule = ANY (%s)
           ) THEN content_hash END,
           CASE WHEN fetched_at <= clock_timestamp() THEN fetched_at END, status, EXISTS (
               SELECT FROM refused_answers a
               WHERE a.dataset = 'session' AND a.date = l.date AND a.stored_at IS NULL),
           greatest(answered, stored)
    FROM session_loads l WHERE date = %s FOR UPDATE
    """
"""Bars that were altered are not those of the fingerprint: an equal answer is written, too.

A moment of the future is not one: a request that it outranked would never be stored.
"""


def _write_session_bars(
    connection: psycopg.Connection, answer: EncodedSession, run_id: str | None, *, merged: bool
) -> Write:
    refused = len(answer.rejected)
    if not merged:
        stored = copy_in(connection, quarter_of(answer.session)[0], answer.buffers)
        return Write(stored, refused, added=stored)
    staged = _stage(connection, answer.buffers)
    overtaken = connection.execute(_DROP_OVERTAKEN, (answer.requested_at,)).rowcount
    scope = _Scope(sql.SQL("b.date = %(day)s"), {"day": answer.session})
    revised, added = _merge(connection, scope, "grouped", run_id)
    return Write(staged - overtaken, refused, revised, added, overtaken=overtaken)


@contextmanager
def locked_symbol(
    connection: psycopg.Connection, symbol: str, sessions: Sequence[date], requested_at: datetime
) -> Generator[list[date]]:
    """A symbol for the block, a transaction in which no other writer of bars can be.

    Gives those of `sessions` that no later request than the one of `requested_at`, of either
    endpoint, has been stored for: the others keep that one's bar.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (ALL_SESSIONS_LOCK,))
        given = {"days": list(sessions), "symbol": symbol, "at": requested_at}
        overtaken = {row[0] for row in connection.execute(_OVERTAKEN_DAYS, given)}
        yield [day for day in sessions if day not in overtaken]


def write_symbol_locked(
    connection: psycopg.Connection,
    answer: EncodedSymbol,
    writable: Sequence[date],
    run_id: str | None,
) -> Write:
    """Store the answer of a `locked_symbol`, and the record of what was asked for.

    Args:
        connection: in the symbol's transaction.
        answer: what is stored.
        writable: the sessions that no later request has been stored for.
        run_id: the run that asked.
    """
    _stage(connection, answer.buffers)
    given = {"symbol": answer.symbol, "days": sorted(set(writable).intersection(answer.sessions))}
    left_out = connection.execute("DELETE FROM incoming WHERE date <> ALL (%(days)s)", given)
    scope = _Scope(sql.SQL("b.symbol = %(symbol)s AND b.date = ANY (%(days)s)"), given)
    revised, added = _merge(connection, scope, "symbol", run_id)
    count = connection.execute("SELECT count(*) FROM incoming").fetchone()
    session_loads.recount(connection, answer.sessions)
    keep_rejected(connection, answer, run_id)
    _record_symbol(connection, answer)
    stored, overtaken = count[0] if count else 0, left_out.rowcount
    return Write(stored, len(answer.rejected), revised, added, overtaken=overtaken)


def keep_rejected(
    connection: psycopg.Connection, answer: EncodedSymbol, run_id: str | None
) -> None:
    """Keep the rejected rows of a symbol's answer instead of those of earlier ones."""
    rejected.forget_symbol(connection, answer.symbol, answer.sessions)
    origin = Origin("symbol", answer.requested_at, run_id)
    rejected.insert(connection, answer.sessions[0], answer.rejected, origin)


_DROP_OVERTAKEN = """
    DELETE FROM incoming i USING symbol_requests a, daily_bars b
    WHERE a.symbol = i.symbol AND a.loaded @> i.date
      AND a.fetched_at > %s AND a.fetched_at <= clock_timestamp()
      AND b.date = i.date AND b.symbol = i.symbol AND b.source = 'symbol'
    """

_OVERTAKEN_DAYS = """
    SELECT l.date FROM session_loads l JOIN daily_bars b ON b.date = l.date
    WHERE l.date = ANY (%(days)s)
      AND l.fetched_at > %(at)s AND l.fetched_at <= clock_timestamp()
      AND b.symbol = %(symbol)s AND b.source = 'grouped'
    UNION
    SELECT day FROM unnest(%(days)s::date[]) AS asked (day)
    JOIN symbol_requests a ON a.loaded @> day
    WHERE a.symbol = %(symbol)s
      AND a.fetched_at > %(at)s AND a.fetched_at <= clock_timestamp()
    """


def copy_in(connection: psycopg.Connection, table: str, buffers: Iterable[Buffer]) -> int:
    """COPY encoded rows into a table with the columns of `daily_bars`; how many the server took."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), COLUMNS
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(copy_binary.HEADER)
            for buffer in buffers:
                copy.write(buffer)
            copy.write(copy_binary.TRAILER)
        return cursor.rowcount


def _stage(connection: psycopg.Connection, buffers: Iterable[Buffer]) -> int:
    connection.execute("CREATE TEMPORARY TABLE incoming (LIKE daily_bars) ON COMMIT DROP")
    staged = copy_in(connection, "incoming", buffers)
    connection.execute("ANALYZE incoming")
    return staged


_REVISE = sql.SQL(
    """
    INSERT INTO bar_revisions ({columns}, believed_from, replaced_at, run_id)
    SELECT {stored},
           coalesce(
               greatest(
                   (SELECT max(r.replaced_at) FROM bar_revisions r
                    WHERE r.symbol = b.symbol AND r.date = b.date),
                   (SELECT a.added_at FROM bar_additions a
                    WHERE a.symbol = b.symbol AND a.date = b.date)),
               (SELECT l.first_fetched_at FROM session_loads l WHERE l.date = b.date),
               %(now)s),
           %(now)s, %(run_id)s
    FROM daily_bars b
    LEFT JOIN incoming i ON i.date = b.date AND i.symbol = b.symbol
    WHERE {scope}
      AND CASE WHEN i.symbol IS NULL THEN b.source = %(source)s
               ELSE ({stored_values}) IS DISTINCT FROM ({incoming_values}) END
    """
)

_LISTS = {
    "columns": COLUMNS,
    "stored": listed(copy_binary.COLUMNS, "b"),
    "stored_values": listed(BAR_VALUES, "b"),
    "incoming_values": listed(BAR_VALUES, "i"),
}

_REMOVE = sql.SQL(
    """
    DELETE FROM daily_bars b
    WHERE {scope} AND b.source = %(source)s
      AND NOT EXISTS (SELECT FROM incoming i WHERE i.date = b.date AND i.symbol = b.symbol)
    """
)

_NOTE_ADDITIONS = """
    INSERT INTO bar_additions (date, symbol, added_at)
    SELECT i.date, i.symbol, %(now)s FROM incoming i
    WHERE NOT EXISTS (SELECT FROM daily_bars b WHERE b.date = i.date AND b.symbol = i.symbol)
    ON CONFLICT (date, symbol) DO UPDATE SET added_at = excluded.added_at
    """

_BUT_THE_KEY = (*BAR_VALUES, "source")
_UPSERT = sql.SQL(
    """
    INSERT INTO daily_bars AS b
    SELECT * FROM incoming
    ON CONFLICT (date, symbol) DO UPDATE SET {replaced}
    WHERE ({stored}) IS DISTINCT FROM ({given})
    """
).format(
    replaced=replaced(_BUT_THE_KEY),
    stored=listed(_BUT_THE_KEY, "b"),
    given=listed(_BUT_THE_KEY, "excluded"),
)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The bars `b` that an answer speaks for: a condition, and the parameters in it."""

    condition: sql.Composable
    given: Mapping[str, object]


def _merge(
    connection: psycopg.Connection, scope: _Scope, source: str, run_id: str | None
) -> tuple[int, int]:
    """Make the bars of `scope` those of `incoming`; the bars revised and added.

    Removed are only bars of the same source: that the per-symbol endpoint knows a bar which a
    grouped answer lacks does not justify dropping it, nor the other way round.
    """
    # Not now(), the transaction's begin: a writer that had to wait would be replaced before it.
    clock = connection.execute("SELECT clock_timestamp()").fetchone()
    given = {**scope.given, "now": clock and clock[0], "run_id": run_id, "source": source}
    revised = connection.execute(_REVISE.format(scope=scope.condition, **_LISTS), given).rowcount
    connection.execute(_REMOVE.format(scope=scope.condition), given)
    added = connection.execute(_NOTE_ADDITIONS, given).rowcount
    connection.execute(_UPSERT)
    return revised, added


def _record_session(
    connection: psycopg.Connection,
    answer: EncodedSession,
    write: Write,
    status: SessionStatus,
    run_id: str | None,
) -> None:
    session_loads.record_stored(
        connection,
        StoredAnswer(
            session=answer.session,
            status=status,
            stored=write.stored,
            answered=answer.rows,
            rejected=write.rejected,
            revised=write.revised,
            content_hash=answer.content_hash if write.stored == answer.rows else None,
            final_by_age=answer.final_by_age,
            requested_at=answer.requested_at,
            run_id=run_id,
        ),
    )


_TAKE_DAYS = """
    WITH replaced AS (
        DELETE FROM symbol_requests
        WHERE symbol = %(symbol)s AND fetched_at < %(at)s AND loaded <@ %(asked)s
    ), shortened AS (
        UPDATE symbol_requests SET loaded = loaded - %(asked)s
        WHERE symbol = %(symbol)s AND fetched_at < %(at)s
          AND loaded && %(asked)s AND NOT loaded <@ %(asked)s
    ), own (days) AS (
        SELECT %(asked)s - coalesce(range_agg(loaded), '{}') FROM symbol_requests
        WHERE symbol = %(symbol)s AND fetched_at > %(at)s
    )
    INSERT INTO symbol_requests AS r (symbol, fetched_at, loaded)
    SELECT %(symbol)s, %(at)s, days FROM own WHERE NOT isempty(days)
    ON CONFLICT (symbol, fetched_at) DO UPDATE SET loaded = r.loaded + excluded.loaded
    """
"""Each day then belongs to the newest request for it, in any order of writing."""


def _record_symbol(connection: psycopg.Connection, answer: EncodedSymbol) -> None:
    asked = Multirange([DateRange(start, end) for start, end in answer.asked])
    given = {"symbol": answer.symbol, "asked": asked, "at": answer.requested_at}
    connection.execute(_TAKE_DAYS, given)
    connection.execute(
        """
        INSERT INTO symbol_loads AS l (symbol, loaded, fetched_at, covered)
        VALUES (%(symbol)s, %(asked)s, %(at)s, false)
        ON CONFLICT (symbol) DO UPDATE SET
            loaded = l.loaded + excluded.loaded, covered = false,
            fetched_at = greatest(l.fetched_at, excluded.fetched_at)
        """,
        given,
    )
