"""The rows of the report's tables: what is wrong, since when, and the command that repairs it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl

from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure
from universe_pipeline.adapters.postgres.quality.rule_results import RecordedResult
from universe_pipeline.adapters.postgres.summaries.overview import Broken
from universe_pipeline.domain.quality.rules import (
    BARS_LISTED,
    DAY_SHARED,
    DIVIDEND_DATES_ORDERED,
    DIVIDENDS_ALIKE,
    DIVIDENDS_BELOW,
    DIVIDENDS_USABLE,
    IDENTIFIER_SINGLE,
    LISTINGS_APART,
    LOAD,
    LOOK,
    RATIO_UNUSUAL,
    RENAMES_CONTINUOUS,
    RESUME,
    RETRY,
    RULES,
    SPLITS_SINGLE,
    SPLITS_UNIQUE,
    SPLITS_USABLE,
    SPLITS_VERIFIED,
    Rule,
    Severity,
)
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import runs_of

WORST = 5
"""Offenders of a rule that are listed; as many are kept of each judgement."""

SEVERITIES = (Severity.ERROR, Severity.WARN)
"""Those of rules whose offenders are listed; what is only for information is not."""

_OF_LISTS = tuple(
    rule.name
    for rule in (
        SPLITS_UNIQUE,
        SPLITS_USABLE,
        SPLITS_VERIFIED,
        SPLITS_SINGLE,
        DIVIDENDS_BELOW,
        DIVIDENDS_USABLE,
        DIVIDEND_DATES_ORDERED,
        DIVIDENDS_ALIKE,
        RATIO_UNUSUAL,
        DAY_SHARED,
        BARS_LISTED,
        IDENTIFIER_SINGLE,
        RENAMES_CONTINUOUS,
        LISTINGS_APART,
    )
)
"""Those about rows of a list, whose days are not sessions of the report."""

_RULES = {rule.name: rule for rule in RULES}
_PLACES = {rule.name: place for place, rule in enumerate(RULES)}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Sessions that are not available, and why."""

    first: date
    last: date
    sessions: int
    condition: str
    why: tuple[tuple[str | None, str], ...]
    """The rules that are broken, and how; or what else it is."""
    commands: tuple[str, ...]


def troubles(sessions: pl.DataFrame, broken: Sequence[Broken]) -> list[Trouble]:
    """The sessions (`date`, `condition`, `status`) that are not available, newest first.

    Unbroken runs of sessions that lack in the same way are one row.
    """
    by_session: dict[date, list[Broken]] = defaultdict(list)
    for each in broken:
        by_session[each.session].append(each)
    days = sessions["date"].to_list()
    found: list[Trouble] = []
    alike: dict[tuple[str, str | None], list[date]] = defaultdict(list)
    for day, condition, status in sessions.select("date", "condition", "status").iter_rows():
        if condition in ("degraded", "quarantined"):
            found.append(_broken(day, condition, by_session[day]))
        elif condition != "available":
            alike[condition, status].append(day)
    for (condition, status), lacking in alike.items():
        for first, last in runs_of(lacking, days):
            count = sum(first <= day <= last for day in lacking)
            why, command = _lacking(condition, status)
            repair = command.replace("DATE", first.isoformat(), 1).replace("DATE", last.isoformat())
            found.append(Trouble(first, last, count, condition, ((None, why),), (repair,)))
    return sorted(found, key=lambda one: one.first, reverse=True)


def _broken(day: date, condition: str, broken: Sequence[Broken]) -> Trouble:
    why = tuple((each.rule, each.detail) for each in broken)
    rule = next((_RULES[each.rule] for each in broken if each.rule in _RULES), None)
    commands = _commands(rule, day.isoformat(), None) if rule else (RETRY,)
    return Trouble(day, day, 1, condition, why, commands)


def _commands(rule: Rule, day: str | None, symbol: str | None) -> tuple[str, ...]:
    """What repairs an offender: all that do."""
    each = (replace(rule, repair=repair) for repair in rule.repair.split(" or "))
    return tuple(one.command(day, symbol) for one in each)


def _lacking(condition: str, status: str | None) -> tuple[str, str]:
    if condition == "pending":
        return "asked for, and not published yet", RESUME
    if status == SessionStatus.FAILED:
        return "the last request failed", RETRY
    if status == SessionStatus.EMPTY:
        return "the vendor confirmed that it has no bars", LOOK
    return "never asked for", LOAD


@dataclass(frozen=True, slots=True)
class Worst:
    """An offender, and what repairs it."""

    date: str | None
    symbol: str | None
    detail: str
    commands: tuple[str, ...]


@dataclass(slots=True)
class Offended:
    """A broken rule, with the findings of the last verification and of the loads after it."""

    rule: Rule
    severity: str
    count: int
    """Offenders of the judgement that is meant by `occasion` and `judged_at`."""
    occasion: str
    judged_at: datetime
    worst: list[Worst]


def offenders(judgements: Sequence[RecordedResult], start: date, end: date) -> list[Offended]:
    """The rules that are broken with their worst offenders, errors first; none for information.

    Offenders have no session, or one from `start` to `end`. The findings of a load come before
    those of the verification before it.
    """
    found: dict[str, Offended] = {}
    verified: set[str] = set()
    for each in reversed(judgements):
        name = each.result.rule
        if name in verified or name not in _RULES or each.result.severity not in SEVERITIES:
            continue
        worst = list(_within(each, start, end))
        if worst:
            known = found.setdefault(name, _offended(each))
            seen = {(one.date, one.symbol) for one in known.worst}
            known.worst += [one for one in worst if (one.date, one.symbol) not in seen]
            del known.worst[WORST:]
        if each.occasion == "verification":
            verified.add(name)
    return sorted(found.values(), key=lambda one: (one.severity, _PLACES[one.rule.name]))


def _offended(judgement: RecordedResult) -> Offended:
    result = judgement.result
    rule, occasion = _RULES[result.rule], judgement.occasion
    return Offended(rule, result.severity, result.offenders, occasion, judgement.judged_at, [])


def _within(judgement: RecordedResult, start: date, end: date) -> Iterator[Worst]:
    rule = _RULES[judgement.result.rule]
    for example in judgement.result.examples:
        day, symbol = example["date"], example["symbol"]
        is_of_list = judgement.result.rule in _OF_LISTS
        if day is None or is_of_list or start.isoformat() <= day <= end.isoformat():
            yield Worst(day, symbol, example["detail"] or "", _commands(rule, day, symbol))


@dataclass(slots=True)
class OpenError:
    """Data that could not be fetched, since when, and the number of tries."""

    subject: str
    kind: str
    since: datetime
    tries: int
    message: str
    key_is_refused: bool


def open_errors(failures: Iterable[OpenFailure]) -> list[OpenError]:
    """Open failures by what was asked for and how it failed, the oldest first."""
    found: dict[tuple[str, str], OpenError] = {}
    for each in failures:
        known = found.get((each.subject, each.kind))
        if known is None:
            found[each.subject, each.kind] = OpenError(
                subject=each.subject,
                kind=each.kind,
                since=each.occurred_at,
                tries=each.attempts,
                message=each.message,
                key_is_refused=each.refuses_key,
            )
        else:
            known.tries += each.attempts
            known.message = each.message
    return list(found.values())


def results(judgements: Sequence[RecordedResult], severity: Severity) -> pl.DataFrame:
    """What the rules of a severity found that were broken at all, by rule and judgement.

    `at` (ISO, UTC, different for each judgement), `rule`, `offenders`, `occasion` and `said`.
    """
    rows = [
        {
            "at": column(each),
            "rule": each.result.rule,
            "offenders": each.result.offenders,
            "occasion": each.occasion,
            "said": f"{each.result.rule}: {each.result.offenders:,} offenders, "
            f"{each.occasion} of {_utc(each.judged_at):%Y-%m-%d %H:%M} UTC",
        }
        for each in judgements
        if each.result.severity == severity and each.result.rule in _RULES
    ]
    broken = {row["rule"] for row in rows if row["offenders"]}
    kept = sorted(
        (row for row in rows if row["rule"] in broken), key=lambda row: _PLACES[str(row["rule"])]
    )
    schema = dict.fromkeys(("at", "rule", "occasion", "said"), pl.String) | {"offenders": pl.Int64}
    return pl.DataFrame(kept, schema=schema)


def column(judgement: RecordedResult) -> str:
    """The judgement's place in time; two of one moment differ by their runs."""
    return f"{_utc(judgement.judged_at):%Y-%m-%dT%H:%M:%S.%f} {judgement.run}"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def columns(judgements: Sequence[RecordedResult]) -> list[str]:
    """The judgements, in order."""
    return list(dict.fromkeys(column(each) for each in judgements))
