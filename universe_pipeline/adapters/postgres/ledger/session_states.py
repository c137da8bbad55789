"""What `session_loads` and the open failures say of sessions, and what a range still needs.

Only reads; `session_loads.py` writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.errors import ACCESS_KINDS, FailureKind
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus


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


def all_committed(connection: psycopg.Connection) -> list[SessionState]:
    """Every committed session, in order."""
    rows = connection.execute(
        "SELECT date, status, received, stored, rejected, revised, final, fetched_at, run_id"
        " FROM session_loads WHERE status = ANY (%s) ORDER BY date",
        (list(COMMITTED),),
    )
    return [_state(*row) for row in rows]


def with_status(connection: psycopg.Connection, statuses: Sequence[SessionStatus]) -> set[date]:
    """Every session that has one of `statuses`."""
    rows = connection.execute(
        "SELECT date FROM session_loads WHERE status = ANY (%s)", (list(statuses),)
    )
    return {row[0] for row in rows}


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


def quarantined(connection: psycopg.Connection, sessions: Sequence[date]) -> set[date]:
    """Those of `sessions` that are stored and kept from readers."""
    known = states(connection, sessions)
    return {day for day, state in known.items() if state.status is SessionStatus.QUARANTINED}


def revisitable(connection: psycopg.Connection, sessions: Sequence[date]) -> list[date]:
    """Those of `sessions` that are loaded and not final, in order."""
    rows = connection.execute(
        "SELECT date FROM session_loads"
        " WHERE date = ANY (%s) AND status = 'loaded' AND NOT final ORDER BY date",
        (list(sessions),),
    )
    return [row[0] for row in rows]


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
