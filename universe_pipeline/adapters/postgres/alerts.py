"""`alerts`, `alert_deliveries` and `heartbeats`: what is open, and what was sent of it.

Moments come from the caller. Only leases go by the database's clock: all hosts then agree on them.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import psycopg

from universe_pipeline.adapters.postgres.locks import ALERTS_LOCK, hold_until_commit
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.alerts import Alert, Condition, Delivery, News, distance

LEASE = timedelta(minutes=5)
"""Longer than any message takes to send. After a crash no process sends it for so long."""


def wait_for_turn(connection: psycopg.Connection) -> None:
    """Let one transaction at a time compare the alerts with what is so."""
    hold_until_commit(connection, ALERTS_LOCK)


def open_keys(connection: psycopg.Connection) -> frozenset[str]:
    """The keys of the alerts that are open."""
    found = connection.execute("SELECT key FROM alerts WHERE closed_at IS NULL")
    return frozenset(row[0] for row in found)


def reconcile(connection: psycopg.Connection, found: Sequence[Condition], now: datetime) -> None:
    """Let the open alerts be those of `found`: open what is new, close what is over."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO alerts AS a
                (key, kind, severity, level, opened_at, last_seen_at, text, repair, page)
            VALUES (%(key)s, %(kind)s, %(severity)s, %(level)s, %(now)s, %(now)s, %(text)s,
                    %(repair)s, %(page)s)
            ON CONFLICT (key) WHERE closed_at IS NULL DO UPDATE SET
                severity = excluded.severity, level = excluded.level,
                last_seen_at = excluded.last_seen_at, text = excluded.text,
                repair = excluded.repair, page = excluded.page
            """,
            [
                {
                    "key": storable(one.key),
                    "kind": one.kind,
                    "severity": one.severity,
                    "level": one.level,
                    "now": now,
                    "text": storable(one.text),
                    "repair": storable(one.repair),
                    "page": storable(one.page),
                }
                for one in found
            ],
        )
        cursor.execute(
            "UPDATE alerts SET closed_at = %s WHERE closed_at IS NULL AND key <> ALL (%s)",
            (now, [storable(one.key) for one in found]),
        )


def to_report(connection: psycopg.Connection, way: str) -> Iterator[tuple[Alert, Delivery]]:
    """Alerts that are open, or whose end a way out has not sent yet, each with what it has sent."""
    rows = connection.execute(
        """
        SELECT a.id, key, severity, a.level, opened_at, closed_at, text, repair, page,
               coalesce(d.level, 0), d.sent_at, d.resolved_at
        FROM alerts a LEFT JOIN alert_deliveries d ON d.alert_id = a.id AND d.way = %s
        WHERE closed_at IS NULL OR (d.sent_at IS NOT NULL AND d.resolved_at IS NULL)
        ORDER BY a.id
        """,
        (way,),
    )
    for row in rows.fetchall():
        yield Alert(*row[:9]), Delivery(*row[9:])


def rests(connection: psycopg.Connection, way: str, now: datetime) -> bool:
    """Whether a way out has failed so lately that it is not tried now."""
    failures, failed_at = connection.execute(
        "SELECT max(failures), max(failed_at) FROM alert_deliveries"
        " WHERE way = %s AND failures > 0",
        (way,),
    ).fetchall()[0]
    return failures is not None and failed_at <= now < failed_at + distance(failures)


def lease(connection: psycopg.Connection, alert: Alert, way: str) -> Delivery | None:
    """Let this process alone send the alert by a way out, for `LEASE`; None: another one does.

    Returns:
        What the way has sent by now.
    """
    row = connection.execute(
        """
        INSERT INTO alert_deliveries AS d (alert_id, way, level, failures, leased_until)
        VALUES (%s, %s, 0, 0, now() + %s)
        ON CONFLICT (alert_id, way) DO UPDATE SET leased_until = excluded.leased_until
            WHERE d.leased_until IS NULL OR d.leased_until < now()
        RETURNING level, sent_at, resolved_at
        """,
        (alert.id, way, LEASE),
    ).fetchone()
    return None if row is None else Delivery(*row)


def give_back(connection: psycopg.Connection, alert: Alert, way: str) -> None:
    """End the lease, with nothing sent."""
    connection.execute(
        "UPDATE alert_deliveries SET leased_until = NULL WHERE alert_id = %s AND way = %s",
        (alert.id, way),
    )


def record_sent(
    connection: psycopg.Connection, alert: Alert, way: str, news: News, now: datetime
) -> None:
    """Record that a way out has sent an alert, which ends the lease; the way works again."""
    with connection.transaction():
        connection.execute(
            """
            UPDATE alert_deliveries SET leased_until = NULL, failures = 0, level = %(level)s,
                sent_at = CASE WHEN %(ended)s THEN sent_at ELSE %(now)s END,
                resolved_at = CASE WHEN %(ended)s THEN %(now)s END
            WHERE alert_id = %(id)s AND way = %(way)s
            """,
            {
                "level": alert.level,
                "ended": news is News.RESOLVED,
                "now": now,
                "id": alert.id,
                "way": way,
            },
        )
        connection.execute(
            "UPDATE alert_deliveries SET failures = 0 WHERE way = %s AND failures > 0", (way,)
        )
        connection.execute("UPDATE alerts SET sent_at = %s WHERE id = %s", (now, alert.id))


def record_failed(connection: psycopg.Connection, alert: Alert, way: str, now: datetime) -> None:
    """Record that a way out has failed, which ends the lease."""
    connection.execute(
        "UPDATE alert_deliveries SET leased_until = NULL, failures = failures + 1, failed_at = %s"
        " WHERE alert_id = %s AND way = %s",
        (now, alert.id, way),
    )


def lease_heartbeat(connection: psycopg.Connection, session: date, now: datetime) -> bool:
    """Let this process alone report a good evening; False: it is reported, or not to be now."""
    row = connection.execute(
        """
        INSERT INTO heartbeats AS h (date, failures, leased_until) VALUES (%s, 0, now() + %s)
        ON CONFLICT (date) DO UPDATE SET leased_until = excluded.leased_until
            WHERE h.sent_at IS NULL AND (h.leased_until IS NULL OR h.leased_until < now())
        RETURNING failures, failed_at
        """,
        (session, LEASE),
    ).fetchone()
    if row is None:
        return False
    failures, failed_at = row
    if failures and failed_at <= now < failed_at + distance(failures):
        connection.execute("UPDATE heartbeats SET leased_until = NULL WHERE date = %s", (session,))
        return False
    return True


def end_heartbeat(
    connection: psycopg.Connection, session: date, now: datetime, *, sent: bool
) -> None:
    """Record whether a good evening was reported, which ends the lease."""
    connection.execute(
        """
        UPDATE heartbeats SET leased_until = NULL,
            sent_at = CASE WHEN %(sent)s THEN %(now)s END,
            failures = failures + CASE WHEN %(sent)s THEN 0 ELSE 1 END,
            failed_at = CASE WHEN %(sent)s THEN failed_at ELSE %(now)s END
        WHERE date = %(session)s
        """,
        {"sent": sent, "now": now, "session": session},
    )


def awaits_heartbeat(connection: psycopg.Connection, session: date) -> bool:
    """Whether a session is loaded, judged since it was fetched, and not reported yet."""
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM session_loads l JOIN rule_results r
                ON l.date BETWEEN r.first_date AND r.last_date AND r.judged_at >= l.fetched_at
            WHERE l.date = %s AND l.status = 'loaded' AND NOT EXISTS (
                SELECT FROM heartbeats h WHERE h.date = l.date AND h.sent_at IS NOT NULL))
        """,
        (session,),
    ).fetchone()
    return bool(row and row[0])
