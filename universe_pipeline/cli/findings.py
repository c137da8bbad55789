"""What the rules found, as commands print it, and the sentence that says how things stand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.asked import Asked, Lacking, lacking
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures
from universe_pipeline.adapters.postgres.quality.rule_results import Result
from universe_pipeline.cli.terminal import result, table, verdict
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import RULES, Rule, Severity
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import newest_closed, sessions_after
from universe_pipeline.settings import Settings

PRINTED = 3
"""Offenders of a rule that are printed; the others are in the JSON document."""

FAILING = (Severity.ERROR, Severity.WARN)


def in_order(results: Iterable[Result]) -> list[tuple[Rule, Result]]:
    """The results with their rules, in the order of the rules."""
    found = {one.rule: one for one in results}
    return [(rule, found[rule.name]) for rule in RULES if rule.name in found]


def show(results: Iterable[Result], *, every_rule: bool) -> None:
    """Print the rules that are broken, worst offenders below, with what repairs them.

    Args:
        results: in any order.
        every_rule: also those that hold, and those that are only for information.
    """
    ordered = in_order(results)
    shown = [(rule, one) for rule, one in ordered if every_rule or is_broken(one)]
    if shown:
        rows = Table("rule", "verdict", "offenders", box=None, pad_edge=False)
        for rule, one in shown:
            rows.add_row(rule.name, verdict(word(one)), f"{one.offenders:,}")
        table(rows)
    for rule, one in shown:
        if one.offenders:
            _show_offenders(rule, one)
    if len(shown) < len(ordered):
        hidden = len(ordered) - len(shown)
        gap = "\n" if shown else ""
        result(f"{gap}{hidden} rules hold or only inform: --all lists them")


def is_broken(one: Result) -> bool:
    """Whether it is an error or a warning."""
    return one.offenders > 0 and one.severity in FAILING


def word(one: Result) -> str:
    """`ok`, or the severity."""
    return one.severity.lower() if one.offenders else "ok"


def _show_offenders(rule: Rule, one: Result) -> None:
    result(f"\n{rule.name} ({word(one)}, {one.offenders:,}): {rule.meaning}")
    for example in one.examples[:PRINTED]:
        result(f"  {_line(example)}")
    result(f"  → {command(rule, one)}")


def _line(example: Mapping[str, str | None]) -> str:
    about = " ".join(part for part in (example["date"], example["symbol"]) if part)
    return visible(f"{about}: {example['detail']}" if about else f"{example['detail']}")


def command(rule: Rule, one: Result) -> str:
    """What repairs the worst offender."""
    worst = one.examples[0] if one.examples else {"date": None, "symbol": None}
    return rule.command(worst["date"], worst["symbol"])


def broken(results: Iterable[Result]) -> Counter[str]:
    """How many rules are broken, by severity."""
    return Counter(one.severity for one in results if is_broken(one))


def sentence(
    settings: Settings,
    connection: Connection,
    asked: Asked,
    sessions: Sequence[date],
    severities: Mapping[str, int],
) -> str:
    """How things stand, like "Complete from … to …; 0 errors, 6 warnings; next session …".

    Args:
        settings: of the command.
        connection: to read what is there.
        asked: what was ever asked for.
        sessions: those that are meant, in order; not none.
        severities: how many rules are broken, by severity.
    """
    newest = newest_closed(wiring.now(settings))
    lacks = lacking(connection, asked, sessions, newest, settings.universe_revisit_sessions)
    following = sessions_after(newest, 1)[0]
    counted = ", ".join(
        _count(severities.get(severity, 0), what)
        for severity, what in ((Severity.ERROR, "error"), (Severity.WARN, "warning"))
    )
    failed = len(open_failures(connection))
    open_errors = f"; {_count(failed, 'failed request')} open (`universe errors`)" if failed else ""
    return (
        f"{_completeness(asked, sessions, lacks, newest)}; {counted}{open_errors}; "
        f"next session {following:%A %Y-%m-%d}"
    )


def _completeness(
    asked: Asked, sessions: Sequence[date], lacks: Sequence[Lacking], newest: date
) -> str:
    whole = asked.with_all_symbols(sessions)
    span = whole or sessions
    what = "Complete" if whole else "Chosen symbols complete"
    unpublished = [
        one for one in lacks if (one.session, one.state) == (newest, SessionStatus.PENDING)
    ]
    if len(unpublished) == len(lacks):
        later = f" but for {newest}, which is not published yet" if unpublished else ""
        return f"{what} from {span[0]} to {span[-1]}{later}"
    states = Counter(one.state for one in lacks if one.symbol is None)
    of_symbols = sum(one.symbol is not None for one in lacks)
    parts = [f"{_count(count, 'session')} {state}" for state, count in states.items()]
    if of_symbols:
        parts.append(f"{_count(of_symbols, 'symbol')} not fetched to the end")
    return f"Incomplete from {span[0]} to {span[-1]}, {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
