"""Stored moments that lie in the database's future: they cannot be true, and are pulled back.

A machine with a fast clock stored them under an earlier release, or the database's own clock was
ahead and has been set back. As they stand they would outrank every later request, keep a list fresh
and hold off a retry until that time has come. When they really were is not known: only that it was
before now.
"""

import logging
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.adapters.postgres.locks import ALL_SESSIONS_LOCK
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.moments import FRESH_FOR
from universe_pipeline.domain.sessions import newest_closed, sessions_before

logger = logging.getLogger("universe_pipeline.clock")

TOLERANCE = timedelta(seconds=1)
"""By so much the time that machines have measured may differ."""

STILL_CORRECTED = 10
"""Sessions before the newest of which a fast clock may have said too early that they are final."""


def pull_back(connection: psycopg.Connection, now: datetime) -> bool:
    """Let no stored moment lie after `now`, the database's time; whether any did.

    A role that may only read leaves them to the next process that may write.
    """
    given = {"now": now, "soon": now + TOLERANCE, "today": day_of(now)}
    latest = connection.execute(_LATEST, given).fetchone()
    if latest is None or latest[0] is None:
        return False
    try:
        _pull_back(connection, now)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return False
    logger.warning(
        "the database holds moments of its future, up to %s UTC (a machine's clock, or its own, "
        "was ahead): they count as %s UTC from now on",
        f"{latest[0]:%Y-%m-%d %H:%M:%S}",
        f"{now:%Y-%m-%d %H:%M:%S}",
    )
    return True


_LATEST = """
    SELECT max(at) FROM (
        SELECT max(fetched_at) AS at FROM session_loads
        UNION ALL SELECT max(fetched_at) FROM symbol_requests
        UNION ALL SELECT max(fetched_at) FROM symbol_loads
        UNION ALL SELECT max(taken_at) FROM universe_snapshots
        UNION ALL SELECT max(taken_at) FROM split_snapshots
        UNION ALL SELECT max(taken_at) FROM dividend_snapshots
        UNION ALL SELECT max(greatest(last_updated, fresh_since)) FROM load_jobs
        UNION ALL SELECT max(occurred_at) FROM data_fetch_errors WHERE resolved_at IS NULL
        UNION ALL SELECT max(answered_on) + 1 FROM refused_answers
            WHERE stored_at IS NULL AND answered_on > %(today)s
        UNION ALL SELECT max(day) + 1 FROM session_loads, unnest(empty_on) AS day
            WHERE day > (%(now)s AT TIME ZONE 'UTC')::date
    ) stored WHERE at > %(soon)s
    """


def _pull_back(connection: psycopg.Connection, now: datetime) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (ALL_SESSIONS_LOCK,))
        corrected = sessions_before(newest_closed(now), STILL_CORRECTED)
        session_loads.pull_back(connection, now, corrected[0])
        given = {"now": now, "stale": now - FRESH_FOR, "today": day_of(now)}
        for statement in _REFUSED:
            connection.execute(statement, given)
        for table, column in _PLAIN:
            names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
            connection.execute(_TO_NOW.format(**names), given)
        for table, column, key, until in _KEYS:
            names = {
                "table": sql.Identifier(table),
                "column": sql.Identifier(column),
                "group": key,
                "until": sql.Placeholder(until),
            }
            connection.execute(_IN_ORDER.format(**names), given)


# Days to come are one day, today: of the refused answers about one subject then the newest stays,
# or a person's approval.
_REFUSED = (
    """
    DELETE FROM refused_answers a USING (
        SELECT id, row_number() OVER (
            PARTITION BY dataset, date, symbol, first_date, last_date
            ORDER BY approved_at IS NOT NULL DESC, id DESC) AS place
        FROM refused_answers WHERE stored_at IS NULL AND answered_on >= %(today)s
    ) ranked WHERE ranked.id = a.id AND ranked.place > 1
    """,
    """
    UPDATE refused_answers SET answered_on = least(answered_on, %(today)s),
        refused_at = least(refused_at, %(now)s)
    WHERE stored_at IS NULL AND (answered_on > %(today)s OR refused_at > %(now)s)
    """,
)

_TO_NOW = sql.SQL("UPDATE {table} SET {column} = %(now)s WHERE {column} > %(now)s")

_PLAIN = (
    ("symbol_loads", "fetched_at"),
    ("load_jobs", "last_updated"),
    ("load_jobs", "fresh_since"),
    ("load_jobs", "started_at"),
    ("data_fetch_errors", "occurred_at"),
    ("symbols", "first_seen_at"),
    ("symbols", "last_seen_at"),
    ("splits", "fetched_at"),
    ("splits", "believed_from"),
    ("dividends", "fetched_at"),
    ("dividends", "believed_from"),
    ("rule_results", "judged_at"),
    ("broken_rules", "judged_at"),
    ("session_approvals", "approved_at"),
)

_IN_ORDER = sql.SQL(
    """
    UPDATE {table} t SET {column} = {until} - late.place * interval '1 microsecond'
    FROM (
        SELECT ctid, row_number() OVER (PARTITION BY {group} ORDER BY {column} DESC) AS place
        FROM {table} WHERE {column} > %(now)s
    ) late WHERE late.ctid = t.ctid
    """
)
"""Moments that are keys stay different, and in their order."""

_KEYS = (
    ("symbol_requests", "fetched_at", sql.Identifier("symbol"), "now"),
    # Lists are asked for again: how old they are is not known.
    ("universe_snapshots", "taken_at", sql.SQL("true"), "stale"),
    ("split_snapshots", "taken_at", sql.SQL("true"), "stale"),
    ("dividend_snapshots", "taken_at", sql.SQL("true"), "stale"),
)
