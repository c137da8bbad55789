"""What came of judging: for each rule how often it was broken, and the worst offenders."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import Rule, Severity

SHOWN = 50
"""Offenders kept for a rule; the count is always complete. Of rules for sessions all are kept."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that breaks a rule; `day` and `symbol` are set if it is about one."""

    day: date | None
    symbol: str | None
    detail: str
    weight: float = field(default=0.0, compare=False)
    """How bad it is, compared with others that break the same rule."""

    def __str__(self) -> str:
        about = " ".join(str(part) for part in (self.day, self.symbol) if part is not None)
        line = f"{about}: {self.detail}" if about and self.detail else about or self.detail
        return visible(line)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found, the worst offender first."""

    rule: Rule
    count: int = 0
    worst: tuple[Violation, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether a check of the rule fails: it has offenders, and its severity is not INFO."""
        return self.count > 0 and self.rule.severity in (Severity.ERROR, Severity.WARN)

    @property
    def repair(self) -> str:
        """The command that repairs the worst offender."""
        worst = self.worst[0] if self.worst else Violation(None, None, "")
        day = None if worst.day is None else worst.day.isoformat()
        return self.rule.command(day, worst.symbol)


def listed(rule: Rule, offenders: Iterable[Violation]) -> Finding:
    """A finding of a few offenders."""
    return joined(rule, [Finding(rule, 1, (offender,)) for offender in offenders])


def framed(rule: Rule, offending: pl.DataFrame, weight: pl.Expr, detail: pl.Expr) -> Finding:
    """A finding of any number of offenders; only the worst are described in words.

    Args:
        rule: which one they break.
        offending: a row each, with `date` and `symbol`.
        weight: how bad each is; missing or infinite ones come last.
        detail: what is reported about it, as text.
    """
    if offending.is_empty():
        return Finding(rule)
    known = pl.when(weight.is_finite()).then(weight).otherwise(-1.0).cast(pl.Float64)
    worst = (
        offending.with_columns(_weight=known)
        .top_k(SHOWN, by=["_weight", "date", "symbol"], reverse=[False, True, True])
        .with_columns(_detail=detail)
        .sort("_weight", "date", "symbol", descending=[True, False, False])
        .select("date", "symbol", "_detail", "_weight")
    )
    return Finding(rule, offending.height, tuple(Violation(*row) for row in worst.iter_rows()))


def joined(rule: Rule, findings: Iterable[Finding]) -> Finding:
    """What several findings of a rule say together."""
    given = list(findings)
    offenders = [offender for finding in given for offender in finding.worst]
    offenders.sort(key=lambda one: (-one.weight, one.day or date.min, one.symbol or ""))
    kept = offenders if rule.is_of_sessions else offenders[:SHOWN]
    return Finding(rule, sum(finding.count for finding in given), tuple(kept))
