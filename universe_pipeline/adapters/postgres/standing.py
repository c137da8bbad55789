"""What still stands of earlier judgements: offenders that nothing has judged again since.

A load judges its own sessions. So an offender stands until a verification over its day no longer
finds it, or until its session (or its symbol on that day) has been fetched again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg

from universe_pipeline.domain.quality.rules import RULES, SESSIONS_USABLE

_RUNS = 30
"""The newest loads and verifications that are looked at: some six weeks of daily updates."""

_ENDED_BY_APPROVAL = {rule.name for rule in RULES if rule.quarantines} | {SESSIONS_USABLE.name}


@dataclass(slots=True)
class Standing:
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
    is_verification: bool
    first: date | None
    last: date | None
    offenders: int
    examples: list[dict[str, Any]]

    def covers(self, day: date | None) -> bool:
        """Whether an offender of that day, if it still broke the rule, would be found again."""
        if self.first is None or self.last is None or day is None:
            return True
        return self.first <= day <= self.last


def standing(
    connection: psycopg.Connection, *, without: str | None = None, judged: Iterable[date] = ()
) -> dict[str, Standing]:
    """The rules that are broken by what was judged so far, by name.

    Args:
        connection: to read.
        without: a run whose results do not count.
        judged: sessions whose offenders do not count.
    """
    rows = [_Row(*row) for row in connection.execute(_NEWEST, {"runs": _RUNS, "without": without})]
    is_over = _ends(connection, rows, frozenset(judged))
    newer: dict[str, list[_Row]] = defaultdict(list)
    found: dict[str, Standing] = {}
    seen: set[tuple[str, str | None, str | None]] = set()
    for row in rows:
        kept = [
            one
            for one in row.examples
            if (row.rule, one["date"], one["symbol"]) not in seen
            and not any(each.covers(_day(one)) for each in newer[row.rule])
            and not is_over(row, one)
        ]
        unlisted = 0 if newer[row.rule] else row.offenders - len(row.examples)
        if kept or unlisted > 0:
            known = found.setdefault(row.rule, Standing(row.rule, row.severity, row.judged_at))
            known.count += len(kept) + max(0, unlisted)
            known.examples += kept
            seen.update((row.rule, one["date"], one["symbol"]) for one in kept)
        if row.is_verification or row.first is None:
            newer[row.rule].append(row)
    return found


_NEWEST = """
    WITH told AS (
        SELECT coalesce(run_id, id::text) AS run, max(judged_at) AS judged_at, occasion
        FROM rule_results GROUP BY 1, 3
    ), newest AS (
        (SELECT * FROM told ORDER BY judged_at DESC LIMIT %(runs)s)
        UNION
        (SELECT * FROM told WHERE occasion = 'verification' ORDER BY judged_at DESC LIMIT 20)
    )
    SELECT rule, severity, r.judged_at, occasion = 'verification', first_date, last_date,
           offenders, examples
    FROM rule_results r JOIN newest USING (occasion)
    WHERE newest.run = coalesce(r.run_id, r.id::text)
      AND r.run_id IS DISTINCT FROM %(without)s
    ORDER BY r.judged_at DESC, r.id DESC
    """


def _day(example: dict[str, Any]) -> date | None:
    return None if example["date"] is None else date.fromisoformat(example["date"])


def _ends(
    connection: psycopg.Connection, rows: Sequence[_Row], judged: frozenset[date]
) -> Callable[[_Row, dict[str, Any]], bool]:
    """What tells whether an offender is over, because its bars are others by now."""
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
