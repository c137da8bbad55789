"""`session_loads`: in which state every session is, and what a range still needs.

The only module that writes the table. `domain/session_state.py` says which event changes which
state into which.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.errors import ACCESS_KINDS, FailureKind
from universe_pipeline.domain.session_state import (
    COMMITTED,
    EMPTY_CONFIRMATIONS,
    Event,
    SessionStatus,
    sources_of,
)
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS


@dataclass(frozen=True, slots=True)
class SessionState:
    """A row of `session_loads`."""

    session: date
    status: SessionStatus
    received: int
    stored: int
    rejected: int
    revised: int
    final: bool
    fetched_at: datetime
    run_id: str | None


def _state(session: date, status: str, *others: Any) -> SessionState:
    return SessionState(session, SessionStatus(status), *others)


def states(connection: psycopg.Connection, sessions: Sequence[date]) -> dict[date, SessionState]:
    """What is known of `sessions`; one that was never asked for is absent."""
    rows = connection.execute(
        "SELECT date, status, received, stored, rejected, revised, final, fetched_at, run_id"
        " FROM session_loads WHERE date = ANY (%s)",
        (list(sessions),),
    )
    return {row[0]: _state(*row) for row in rows}


def added_since(
    connection: psycopg.Connection, sessions: Sequence[date], at: datetime
) -> dict[date, int]:
    """Bars that came in after `at` by re-fetches, by session; one without such a bar is absent."""
    rows = connection.execute(
        "SELECT date, count(*) FROM bar_additions WHERE date = ANY (%s) AND added_at >= %s"
        " GROUP BY date",
        (list(sessions), at),
    )
    return dict(rows.fetchall())


def all_committed(connection: psycopg.Connection) -> list[SessionState]:
    """Every committed session, in order."""
    rows = connection.execute(
        "SELECT date, status, received, stored, rejected, revised, final, fetched_at, run_id"
        " FROM session_loads WHERE status = ANY (%s) ORDER BY date",
        (list(COMMITTED),),
    )
    return [_state(*row) for row in rows]


def committed(
    connection: psycopg.Connection, sessions: Sequence[date], since: datetime | None = None
) -> set[date]:
    """Those of `sessions` that are committed (and were fetched after `since`)."""
    rows = connection.execute(
        "SELECT date FROM session_loads WHERE date = ANY (%s) AND status = ANY (%s)"
        " AND (%s::timestamptz IS NULL OR fetched_at >= %s)",
        (list(sessions), list(COMMITTED), since, since),
    )
    return {row[0] for row in rows}


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


def with_status(connection: psycopg.Connection, statuses: Sequence[SessionStatus]) -> set[date]:
    """Every session that has one of `statuses`."""
    rows = connection.execute(
        "SELECT date FROM session_loads WHERE status = ANY (%s)", (list(statuses),)
    )
    return {row[0] for row in rows}


def quarantined(connection: psycopg.Connection, sessions: Sequence[date]) -> set[date]:
    """Those of `sessions` that are stored and kept from readers."""
    known = states(connection, sessions)
    return {day for day, state in known.items() if state.status is SessionStatus.QUARANTINED}


def trailing_median(connection: psycopg.Connection, session: date) -> Callable[[], float | None]:
    """Ask how many rows the twenty loaded sessions before usually hold; None with fewer of them.

    What is returned gives the answer: it can be asked for together with others in a pipeline.
    """
    asked = connection.execute(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY rows) FROM (
            SELECT greatest(answered, stored) AS rows FROM session_loads
            WHERE date < %(session)s AND date > %(session)s - %(days)s AND status = 'loaded'
            ORDER BY date DESC LIMIT %(sessions)s
        ) before
        HAVING count(*) = %(sessions)s
        """,
        {"session": session, "days": TRAILING_DAYS, "sessions": TRAILING},
    )

    def median() -> float | None:
        row = asked.fetchone()
        return None if row is None else float(row[0])

    return median


def trailing_sessions(connection: psycopg.Connection, session: date) -> list[date]:
    """The up to twenty loaded sessions before that say what is usual, the newest first."""
    rows = connection.execute(
        "SELECT date FROM session_loads"
        " WHERE date < %(session)s AND date > %(session)s - %(days)s AND status = 'loaded'"
        " ORDER BY date DESC LIMIT %(sessions)s",
        {"session": session, "days": TRAILING_DAYS, "sessions": TRAILING},
    )
    return [row[0] for row in rows]


def given_up(
    connection: psycopg.Connection, sessions: Sequence[date], since: datetime | None = None
) -> set[date]:
    """Those of `sessions` that failed for good (after `since`): only `retry` asks for them again.

    With a session outside the plan go all before it. One that was refused to a key is none of
    these: the key is at fault.
    """
    rows = connection.execute(
        """
        WITH lost AS (
            SELECT date, kind FROM data_fetch_errors
            WHERE symbol IS NULL AND resolved_at IS NULL AND NOT retryable
              AND kind <> ALL (%(access)s)
              AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
        )
        SELECT day FROM unnest(%(sessions)s::date[]) AS asked (day)
        WHERE day IN (SELECT date FROM lost)
           OR day <= (SELECT max(date) FROM lost WHERE kind = %(outside)s)
        """,
        {
            "sessions": list(sessions),
            "since": since,
            "access": [kind.value for kind in ACCESS_KINDS],
            "outside": FailureKind.OUTSIDE_PLAN.value,
        },
    )
    return {row[0] for row in rows}


def outside_plan_until(
    connection: psycopg.Connection, since: datetime | None = None
) -> date | None:
    """The newest session that is known (since then) to lie outside the plan, with all before it."""
    row = connection.execute(
        "SELECT max(date) FROM data_fetch_errors WHERE resolved_at IS NULL AND kind = %s"
        " AND (%s::timestamptz IS NULL OR occurred_at >= %s)",
        (FailureKind.OUTSIDE_PLAN.value, since, since),
    ).fetchone()
    return row[0] if row else None


def symbols_given_up(
    connection: psycopg.Connection, symbols: Sequence[str], since: datetime | None = None
) -> list[str]:
    """Those of `symbols` that failed for good (after `since`): only `retry` asks for them again."""
    rows = connection.execute(
        """
        SELECT DISTINCT symbol FROM data_fetch_errors
        WHERE symbol = ANY (%(symbols)s) AND resolved_at IS NULL AND NOT retryable
          AND kind <> ALL (%(access)s)
          AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
        ORDER BY symbol
        """,
        {
            "symbols": list(symbols),
            "since": since,
            "access": [kind.value for kind in ACCESS_KINDS],
        },
    )
    return [row[0] for row in rows]


def revisitable(connection: psycopg.Connection, sessions: Sequence[date]) -> list[date]:
    """Those of `sessions` that are loaded and not final, in order."""
    rows = connection.execute(
        "SELECT date FROM session_loads"
        " WHERE date = ANY (%s) AND status = 'loaded' AND NOT final ORDER BY date",
        (list(sessions),),
    )
    return [row[0] for row in rows]


def sessions_unasked(
    connection: psycopg.Connection,
    symbol: str,
    sessions: Sequence[date],
    since: datetime | None = None,
) -> list[date]:
    """Those of `sessions` that neither endpoint was asked for (after `since`) for `symbol`."""
    rows = connection.execute(
        """
        SELECT day FROM unnest(%(sessions)s::date[]) AS asked (day)
        WHERE NOT (
            SELECT coalesce(range_agg(a.loaded), '{}') FROM symbol_requests a
            WHERE a.symbol = %(symbol)s
                AND (%(since)s::timestamptz IS NULL OR a.fetched_at >= %(since)s)) @> day
          AND NOT EXISTS (
            SELECT FROM session_loads l
            WHERE l.date = day AND l.status IN ('loaded', 'quarantined')
                AND (%(since)s::timestamptz IS NULL OR l.fetched_at >= %(since)s))
        ORDER BY day
        """,
        {"symbol": symbol, "sessions": list(sessions), "since": since},
    )
    return [row[0] for row in rows]
