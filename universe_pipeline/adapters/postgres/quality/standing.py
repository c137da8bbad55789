"""What still stands of earlier judgements: offenders that nothing has judged again since.

A load judges its own sessions. So an offender stands until a verification over its day no longer
finds it, or until its session (or its symbol on that day) has been fetched again. An offender
without a day, or one that no judgement listed, stands until a verification of the whole range in
which it was found.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.quality.rules import RULES, SESSIONS_USABLE, Severity

_STANDING_RULES = [rule.name for rule in RULES if rule.severity is not Severity.INFO]
"""What breaks another rule is not a fault, and nothing would end what broke an old rule."""

_ENDED_BY_APPROVAL = {rule.name for rule in RULES if rule.quarantines} | {SESSIONS_USABLE.name}


@dataclass(slots=True)
class StandingRule:
    """A rule that earlier judgements found broken."""

    rule: str
    severity: str
    judged_at: datetime
    """When the newest of these judgements was made."""
    count: int = 0
    """Offenders. Of those that no judgement listed, a later fetch is not known to end any."""
    examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """`date`, `symbol` and `detail` of those that were listed."""


@dataclass(frozen=True, slots=True)
class _Row:
    rule: str
    severity: str
    judged_at: datetime
    is_own: bool
    is_verification: bool
    first: date | None
    last: date | None
    offenders: int
    examples: list[dict[str, Any]]

    def covers(self, day: date | None) -> bool:
        """Whether an offender of that day, if it still broke the rule, would be found again."""
        if self.first is None or self.last is None or day is None:
            return False
        return self.first <= day <= self.last


def standing(
    connection: psycopg.Connection, *, without: str | None = None, judged: Iterable[date] = ()
) -> dict[str, StandingRule]:
    """The rules that are broken by what was judged so far, by name.

    Args:
        connection: to read.
        without: a run whose offenders do not count; as a verification it ends older ones.
        judged: sessions whose offenders do not count.
    """
    wanted = {"rules": _STANDING_RULES, "without": without}
    rows = [_Row(*row) for row in connection.execute(_NOT_REPLACED, wanted)]
    is_over = _ends(connection, rows, frozenset(judged))
    newer: dict[str, list[_Row]] = defaultdict(list)
    found: dict[str, StandingRule] = {}
    seen: set[tuple[str, str | None, str | None]] = set()
    for row in rows:
        kept = [
            one
            for one in row.examples
            if (row.rule, one["date"], one["symbol"]) not in seen
            and not any(each.covers(_day(one)) for each in newer[row.rule])
            and not is_over(row, one)
        ]
        unlisted = row.offenders - len(row.examples)
        if not row.is_own and (kept or unlisted > 0):
            known = found.setdefault(row.rule, StandingRule(row.rule, row.severity, row.judged_at))
            known.count += len(kept) + max(0, unlisted)
            known.examples += kept
            seen.update((row.rule, one["date"], one["symbol"]) for one in kept)
        if row.is_verification:
            newer[row.rule].append(row)
    return found


_NOT_REPLACED = """
    SELECT rule, severity, judged_at, coalesce(run_id = %(without)s, false),
           occasion = 'verification', first_date, last_date, offenders, examples
    FROM rule_results r
    WHERE rule = ANY (%(rules)s) AND (offenders > 0 OR occasion = 'verification')
      AND NOT EXISTS (
        SELECT FROM rule_results newer
        WHERE newer.rule = r.rule AND (newer.judged_at, newer.id) > (r.judged_at, r.id)
          AND (newer.first_date IS NULL OR newer.occasion = 'verification'
               AND newer.first_date <= r.first_date AND newer.last_date >= r.last_date))
    ORDER BY judged_at DESC, id DESC
    """
"""The results whose whole range, or list, no later one judged: however many loads ran since."""


def _day(example: dict[str, Any]) -> date | None:
    return None if example["date"] is None else date.fromisoformat(example["date"])


def _ends(
    connection: psycopg.Connection, rows: Sequence[_Row], judged: frozenset[date]
) -> Callable[[_Row, dict[str, Any]], bool]:
    """The test whether an offender is over, because its bars were replaced since."""
    examples = [one for row in rows for one in row.examples]
    days = list({day for one in examples if (day := _day(one))})
    symbols = list({one["symbol"] for one in examples if one["symbol"]})
    fetched = dict(connection.execute(_FETCHED, (days,)).fetchall())
    approved = dict(connection.execute(_APPROVED, (days,)).fetchall())
    of_symbol = {
        (symbol, day): at for symbol, day, at in connection.execute(_REQUESTED, (symbols, days))
    }

    def is_over(row: _Row, one: dict[str, Any]) -> bool:
        day = _day(one)
        if day is None:
            return False
        ends = [fetched.get(day), of_symbol.get((one["symbol"], day))]
        if row.rule in _ENDED_BY_APPROVAL:
            ends.append(approved.get(day))
        return day in judged or any(end is not None and end > row.judged_at for end in ends)

    return is_over


_FETCHED = """
    SELECT date, fetched_at FROM session_loads
    WHERE date = ANY (%s) AND status IN ('loaded', 'empty')
    """
_APPROVED = """
    SELECT date, max(approved_at) FROM session_approvals WHERE date = ANY (%s) GROUP BY date
    """
_REQUESTED = """
    SELECT a.symbol, day, max(a.fetched_at)
    FROM unnest(%s::text[]) AS s (symbol) JOIN symbol_requests a USING (symbol)
    JOIN unnest(%s::date[]) AS day ON a.loaded @> day
    GROUP BY 1, 2
    """
