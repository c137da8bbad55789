"""What rules found, in a form that tests can state."""

from collections.abc import Iterable
from datetime import date

from universe_pipeline.domain.quality.findings import Finding


def offenders(findings: Iterable[Finding]) -> dict[str, list[tuple[str | None, date | None, str]]]:
    """Symbol, day and detail of the worst offenders by rule, of the rules that are broken."""
    return {
        each.rule.name: [(one.symbol, one.day, one.detail) for one in each.worst]
        for each in findings
        if each.count
    }
