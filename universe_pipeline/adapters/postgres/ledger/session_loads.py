"""`session_loads`: in which state every session is.

The only module that writes the table; `session_states.py` reads it. `domain/session_state.py` says
which event changes which state into which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.errors import ACCESS_KINDS
from universe_pipeline.domain.session_state import (
    EMPTY_CONFIRMATIONS,
    Event,
    SessionStatus,
    sources_of,
)


def record_unstored(
    connection: psycopg.Connection,
    session: date,
    status: SessionStatus,
    requested_at: datetime,
    run_id: str | None,
) -> None:
    """Note that a session is `failed` or `pending`; one whose rows are stored stays as it is."""
    connection.execute(
        """
        INSERT INTO session_loads AS l (date, status, fetched_at, run_id, covered)
        VALUES (%(session)s, %(status)s, %(at)s, %(run_id)s, true)
        ON CONFLICT (date) DO UPDATE SET
            status = excluded.status, fetched_at = excluded.fetched_at, run_id = excluded.run_id
        WHERE l.status = ANY (%(sources)s)
          AND (l.fetched_at <= excluded.fetched_at OR l.fetched_at > clock_timestamp())
        """,
        {
            "session": session,
            "status": status,
            "at": requested_at,
            "run_id": run_id,
            "sources": sources_of(Event.FAILED),
        },
    )


def record_empty_answer(
    connection: psycopg.Connection, session: date, requested_at: datetime, run_id: str | None
) -> bool:
    """Note an answer with no row on a session; whether that confirms the session as empty.

    Stored rows stay: an empty answer replaces nothing.
    """
    with connection.transaction():
        record_unstored(connection, session, SessionStatus.FAILED, requested_at, run_id)
        row = connection.execute(
            """
            UPDATE session_loads SET
                empty_on = ARRAY(SELECT DISTINCT unnest(empty_on || %(day)s::date) ORDER BY 1)
            WHERE date = %(session)s AND status IN ('failed', 'empty')
            RETURNING cardinality(empty_on)
            """,
            {"session": session, "day": requested_at.date()},
        ).fetchone()
        confirmed = row is not None and row[0] >= EMPTY_CONFIRMATIONS
        if confirmed:
            connection.execute(
                "UPDATE session_loads SET status = 'empty' WHERE date = %s", (session,)
            )
            connection.execute(
                "UPDATE data_fetch_errors SET resolved_at = now()"
                " WHERE date = %s AND symbol IS NULL AND resolved_at IS NULL",
                (session,),
            )
    return confirmed


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A grouped answer whose rows have been stored, and what it makes of its session."""

    session: date
    status: SessionStatus
    stored: int
    """Bars of it that stand in the table."""
    answered: int
    """Its usable rows."""
    rejected: int
    revised: int
    content_hash: str | None
    """None: the stored bars are not exactly those of the answer."""
    final_by_age: bool
    """Old enough that the vendor no longer corrects the session."""
    requested_at: datetime
    run_id: str | None


def record_stored(connection: psycopg.Connection, answer: StoredAnswer) -> None:
    """Record the answer of a session, in one statement: each one more is a round trip a session.

    A session is final when it is old enough, or when two fetches on different days agreed. An
    answer also shows that a refused key is good again, and the rules that its session broke with
    other rows no longer count.
    """
    access = [kind.value for kind in ACCESS_KINDS]
    connection.execute(_RECORD_STORED, {**_fields(answer), "access": access})


def _fields(answer: StoredAnswer) -> dict[str, Any]:
    return {each.name: getattr(answer, each.name) for each in fields(answer)}


_RECORD_STORED = """
    WITH forgotten AS (
        DELETE FROM rejected_bars WHERE date = %(session)s AND source = 'grouped'
    ), unbroken AS (
        DELETE FROM broken_rules WHERE date = %(session)s
    ), resolved AS (
        UPDATE data_fetch_errors SET resolved_at = now()
        WHERE symbol IS NULL AND resolved_at IS NULL
          AND (date = %(session)s OR date IS NOT NULL AND kind = ANY (%(access)s))
    )
    INSERT INTO session_loads AS l
        (date, status, received, stored, answered, rejected, revised, content_hash, final,
         source, fetched_at, run_id, first_fetched_at)
    VALUES (%(session)s, %(status)s, %(stored)s + %(rejected)s, %(stored)s, %(answered)s,
            %(rejected)s, %(revised)s, %(content_hash)s, %(final_by_age)s, 'grouped',
            %(requested_at)s, %(run_id)s, %(requested_at)s)
    ON CONFLICT (date) DO UPDATE SET
        status = excluded.status, received = excluded.received, stored = excluded.stored,
        answered = excluded.answered,
        rejected = excluded.rejected, revised = excluded.revised, source = excluded.source,
        final = l.final OR excluded.final OR coalesce(
            l.content_hash = excluded.content_hash
            AND (l.fetched_at AT TIME ZONE 'UTC')::date
                <> (excluded.fetched_at AT TIME ZONE 'UTC')::date, false),
        covered = l.covered AND l.status = 'loaded' AND excluded.status = 'loaded'
            AND coalesce(l.content_hash = excluded.content_hash, false),
        content_hash = excluded.content_hash, fetched_at = excluded.fetched_at,
        run_id = excluded.run_id, empty_on = '{}',
        first_fetched_at = coalesce(l.first_fetched_at, excluded.first_fetched_at)
    """


def recount(connection: psycopg.Connection, sessions: Sequence[date]) -> None:
    """Count the grouped bars again, and forget the hash where their number has changed."""
    connection.execute(
        """
        UPDATE session_loads l
        SET content_hash = NULL, stored = c.stored, received = c.stored + l.rejected
        FROM (
            SELECT date, count(*) FILTER (WHERE source = 'grouped') AS stored
            FROM daily_bars WHERE date = ANY (%(days)s) GROUP BY date
        ) c
        WHERE l.date = c.date AND l.stored <> c.stored
        """,
        {"days": list(sessions)},
    )


def quarantine(connection: psycopg.Connection, sessions: Sequence[date]) -> list[date]:
    """Hide those of `sessions` from readers that are loaded; which ones, in order."""
    rows = connection.execute(
        "UPDATE session_loads SET status = %s, covered = false"
        " WHERE date = ANY (%s) AND status = ANY (%s) RETURNING date",
        (SessionStatus.QUARANTINED, list(sessions), sources_of(Event.CONDEMNED)),
    )
    return sorted(row[0] for row in rows)


def approve(connection: psycopg.Connection, session: date, content_hash: str) -> None:
    """Give a quarantined session with this content to readers."""
    connection.execute(
        "UPDATE session_loads SET status = %s, covered = false, content_hash = %s"
        " WHERE date = %s AND status = ANY (%s)",
        (SessionStatus.LOADED, content_hash, session, sources_of(Event.APPROVED)),
    )


def mark_covered(connection: psycopg.Connection, sessions: Sequence[date]) -> None:
    """Record that `data_coverage` knows `sessions` as they are stored."""
    connection.execute(
        "UPDATE session_loads SET covered = true WHERE date = ANY (%s)", (list(sessions),)
    )


def renew_fingerprints(
    connection: psycopg.Connection, changes: Mapping[date, tuple[str, str]]
) -> None:
    """Replace fingerprints of another version: by session the stored one and that of its bars.

    A session that was written in the meantime keeps the fingerprint that it has since. Approvals of
    the stored content follow it.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            _RENEW,
            [{"date": day, "old": old, "new": new} for day, (old, new) in sorted(changes.items())],
        )


_RENEW = """
    WITH renewed AS (
        UPDATE session_loads SET content_hash = %(new)s
        WHERE date = %(date)s AND content_hash = %(old)s RETURNING date
    )
    UPDATE session_approvals a SET content_hash = %(new)s FROM renewed
    WHERE a.date = renewed.date AND a.content_hash = %(old)s AND NOT EXISTS (
        SELECT FROM session_approvals b WHERE b.date = a.date AND b.content_hash = %(new)s)
    """


def pull_back(connection: psycopg.Connection, now: datetime, corrected_from: date) -> None:
    """Let no stored moment lie after `now`, the database's time.

    Sessions from `corrected_from` on that a fast clock declared final are not final.
    """
    connection.execute(
        """
        UPDATE session_loads SET
            fetched_at = least(fetched_at, %(now)s),
            first_fetched_at = least(first_fetched_at, %(now)s),
            final = final AND NOT (fetched_at > %(now)s AND date >= %(corrected)s),
            empty_on = ARRAY(SELECT day FROM unnest(empty_on) AS day
                             WHERE day <= (%(now)s AT TIME ZONE 'UTC')::date ORDER BY 1)
        WHERE greatest(fetched_at, first_fetched_at) > %(now)s
           OR (%(now)s AT TIME ZONE 'UTC')::date < ANY (empty_on)
        """,
        {"now": now, "corrected": corrected_from},
    )


def forget_all(connection: psycopg.Connection) -> None:
    """Forget every session: another vendor fills the database, and nothing is stored."""
    connection.execute("DELETE FROM session_loads")
