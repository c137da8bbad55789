"""What the rules found: kept for every load and verification, and for every session as it stands.

A session that breaks a rule which quarantines is kept from readers, unless a person approved what
is stored. No verdict ends a quarantine: a reload that keeps the rules does, or an approval.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.quality.findings import SHOWN, Finding, Violation
from universe_pipeline.domain.quality.rules import Rule


@dataclass(frozen=True, slots=True)
class Result:
    """A row of `rule_results`."""

    rule: str
    severity: str
    offenders: int
    examples: list[dict[str, Any]]
    """The worst ones: `date`, `symbol`, `detail`."""


def record_results(
    connection: psycopg.Connection,
    occasion: str,
    findings: Iterable[Finding],
    span: tuple[date, date] | None,
    run_id: str | None,
    at: datetime | None = None,
) -> None:
    """Keep what every rule found in a load or a verification of `span`, judged at `at` or now."""
    first, last = span or (None, None)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rule_results (judged_at, occasion, rule, severity, first_date, last_date,"
            " offenders, examples, run_id)"
            " VALUES (coalesce(%s, now()), %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    at,
                    occasion,
                    each.rule.name,
                    each.rule.severity,
                    first,
                    last,
                    each.count,
                    Json([_example(one) for one in each.worst[:SHOWN]]),
                    run_id,
                )
                for each in findings
            ],
        )


def _example(offender: Violation) -> dict[str, str | None]:
    return {
        "date": None if offender.day is None else offender.day.isoformat(),
        "symbol": None if offender.symbol is None else storable(offender.symbol),
        "detail": storable(offender.detail),
    }


def results_of(connection: psycopg.Connection, run_id: str) -> list[Result]:
    """What the rules found in a run, in the order in which it was recorded."""
    rows = connection.execute(
        "SELECT rule, severity, offenders, examples FROM rule_results"
        " WHERE run_id = %s ORDER BY id",
        (run_id,),
    )
    return [Result(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """What a rule found in one load or verification."""

    run: str
    """Identifies the judgement: the run, or the row where a result was recorded without one."""
    judged_at: datetime
    """When the run last judged; the same for all its rules."""
    occasion: str
    result: Result


def newest_results(
    connection: psycopg.Connection, start: date, end: date, runs: int, examples: int
) -> list[RecordedResult]:
    """What the rules found in the last `runs` judgements of a session from `start` to `end`.

    Oldest first. Judgements of the reference list are of no session, and always among them. Each
    result has up to `examples` offenders.
    """
    rows = connection.execute(
        """
        WITH matching AS (
            SELECT *, coalesce(run_id, id::text) AS run FROM rule_results
            WHERE first_date IS NULL OR (first_date <= %(end)s AND last_date >= %(start)s)
        ), newest AS (
            SELECT run, max(judged_at) AS judged_at FROM matching
            GROUP BY run ORDER BY 2 DESC, 1 LIMIT %(runs)s
        )
        SELECT run, newest.judged_at, occasion, rule, severity, offenders,
               jsonb_path_query_array(examples, '$[0 to $last]', %(last)s::jsonb)
        FROM matching JOIN newest USING (run) ORDER BY newest.judged_at, run, id
        """,
        {"start": start, "end": end, "runs": runs, "last": Json({"last": examples - 1})},
    )
    return [RecordedResult(run, at, occasion, Result(*found)) for run, at, occasion, *found in rows]


def record_verdicts(
    connection: psycopg.Connection,
    sessions: Sequence[date],
    findings: Sequence[Finding],
    run_id: str | None,
    judged_at: datetime,
) -> list[date]:
    """Make `broken_rules` hold what `sessions` break now; the sessions that are newly quarantined.

    Of a session that was fetched again meanwhile nothing is known, and one that a person approved
    meanwhile stays with readers.

    Args:
        connection: the connection.
        sessions: those that were judged.
        findings: of rules for whole sessions, every offender of each.
        run_id: the run that judged.
        judged_at: when it began to.
    """
    rules = [each.rule.name for each in findings]
    with connection.transaction(), connection.cursor() as cursor:
        standing = dict(
            cursor.execute(_STANDING, {"dates": list(sessions), "at": judged_at}).fetchall()
        )
        broken = [
            (each.rule, one)
            for each in findings
            for one in each.worst
            if one.day in standing and not (each.rule.quarantines and standing[one.day])
        ]
        # What a session is quarantined for stays: no verdict ends that.
        cursor.execute(
            "DELETE FROM broken_rules r WHERE date = ANY (%s) AND rule = ANY (%s)"
            " AND NOT (r.rule = ANY (%s) AND EXISTS (SELECT FROM session_loads l"
            "          WHERE l.date = r.date AND l.status = 'quarantined'))",
            (list(standing), rules, [each.rule.name for each in findings if each.rule.quarantines]),
        )
        _note(cursor, broken, run_id, judged_at)
        condemned = [one.day for rule, one in broken if rule.quarantines and one.day]
        return session_loads.quarantine(connection, condemned)


_STANDING = """
    SELECT l.date, EXISTS (
        SELECT FROM session_approvals a WHERE a.date = l.date AND a.content_hash = l.content_hash)
    FROM session_loads l
    WHERE l.date = ANY (%(dates)s) AND l.fetched_at <= %(at)s ORDER BY l.date FOR UPDATE
    """
"""What was judged and still stands, and whether a person approved it."""


def record_broken(
    connection: psycopg.Connection,
    broken: Iterable[tuple[Rule, Violation]],
    run_id: str | None,
    at: datetime,
) -> None:
    """Add to `broken_rules` how sessions break rules, as it was judged at `at`."""
    with connection.cursor() as cursor:
        _note(cursor, broken, run_id, at)


def _note(
    cursor: psycopg.Cursor,
    broken: Iterable[tuple[Rule, Violation]],
    run_id: str | None,
    at: datetime,
) -> None:
    """Add to `broken_rules` what sessions break."""
    cursor.executemany(
        "INSERT INTO broken_rules (date, rule, severity, detail, judged_at, run_id)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (date, rule) DO UPDATE SET"
        " detail = excluded.detail, judged_at = excluded.judged_at, run_id = excluded.run_id",
        [(one.day, rule.name, rule.severity, one.detail, at, run_id) for rule, one in broken],
    )


def is_approved(connection: psycopg.Connection, session: date, content_hash: str) -> bool:
    """Whether a person took this very content of a session for right."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM session_approvals WHERE date = %s AND content_hash = %s)",
        (session, content_hash),
    ).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person says of a quarantined session."""

    session: date
    reason: str
    approved_by: str
    approved_at: datetime | None = None
    """None: the database's now."""


def approve(connection: psycopg.Connection, approval: Approval, content_hash: str) -> list[str]:
    """Give a quarantined session to readers; the rules that it broke.

    It holds for the bars as they are stored now: other content is judged again.
    """
    session = approval.session
    with connection.transaction():
        session_loads.approve(connection, session, content_hash)
        broken = connection.execute(
            "DELETE FROM broken_rules WHERE date = %s AND severity = 'ERROR' RETURNING rule",
            (session,),
        ).fetchall()
        rules = sorted(row[0] for row in broken)
        keep_approval(connection, approval, content_hash, rules)
    return rules


def keep_approval(
    connection: psycopg.Connection, approval: Approval, content_hash: str, rules: Sequence[str]
) -> None:
    """Record that a session is right as it is, though it breaks `rules`."""
    connection.execute(
        "INSERT INTO session_approvals"
        " (date, content_hash, reason, rules, approved_by, approved_at)"
        " VALUES (%s, %s, %s, %s, %s, coalesce(%s, now()))"
        " ON CONFLICT (date, content_hash) DO UPDATE SET reason = excluded.reason,"
        " rules = excluded.rules, approved_by = excluded.approved_by,"
        " approved_at = excluded.approved_at",
        (
            approval.session,
            content_hash,
            approval.reason,
            list(rules),
            approval.approved_by,
            approval.approved_at,
        ),
    )


def broken_by(connection: psycopg.Connection, sessions: Sequence[date]) -> dict[date, list[str]]:
    """How each of `sessions` breaks the rules that quarantine; one that keeps them is absent."""
    rows = connection.execute(
        "SELECT date, array_agg(detail ORDER BY rule) FROM broken_rules"
        " WHERE date = ANY (%s) AND severity = 'ERROR' GROUP BY date",
        (list(sessions),),
    )
    return dict(rows.fetchall())
