"""What is so now and needs a person, read from the database and from this machine's disk.

The sensor makes alerts of it. `universe status --check` prints the same, and needs no daemon.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from universe_pipeline.adapters.host import host_name
from universe_pipeline.adapters.postgres import dagster_records, hosts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.dagster_records import FailedRun
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked
from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure, open_failures
from universe_pipeline.adapters.postgres.ledger.load_jobs import stuck_jobs
from universe_pipeline.adapters.postgres.quality.rule_results import broken_by
from universe_pipeline.adapters.postgres.quality.standing import StandingRule, standing
from universe_pipeline.domain.alerts import Condition, Kind, level_of
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import RULES, SESSIONS_USABLE, Rule, Severity
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus
from universe_pipeline.domain.sessions import NEW_YORK, newest_closed, sessions_before

DUE_AT = time(9)
"""In New York, on the day after a session: then readers are to have it."""

LOOK_BACK = 10
"""Due sessions that are looked at: as many as a daily update makes good for."""

DISK_LEVELS = (0.10, 0.05, 0.02)
"""Fractions of free disk below which an alert has level 1, 2 and 3."""

DISK_ENOUGH = 0.12
"""An open alert of a low disk ends only here, so that it does not come and go."""

TICK_REMEMBERED = timedelta(days=8)
"""Older ticks are of schedules and sensors that are no longer there; the slowest tick weekly."""

LONGEST_WHY = 300
NAMED = 3
"""Offenders that a text names."""

_ERROR_CLASS = re.compile(r"\w+(\.\w+)+: ")
"""How Dagster begins the text of an error."""

_RULES = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Scope:
    """What the conditions are about."""

    home: Path
    """UNIVERSE_HOME, whose disk is looked at."""
    start: date
    """No session before it is expected."""
    has_key: bool
    """Whether this process has the vendor's key."""
    location: str
    """Dagster's code location, for links."""


def conditions(
    connection: Connection, scope: Scope, now: datetime, known: AbstractSet[str] = frozenset()
) -> list[Condition]:
    """What is so at `now`, by kind.

    Args:
        connection: to read.
        scope: what is looked at.
        now: the database's time.
        known: keys of the alerts that are open.
    """
    failures = open_failures(connection)
    found = [
        *_late(connection, scope, now, failures),
        *_quarantined(connection),
        *_broken(connection),
        *_refused(failures),
    ]
    if dagster_records.can_be_read(connection):
        found += [*_failed_runs(connection), *_failed_ticks(connection, scope, now)]
    found += [*_stuck(connection, now), *_differing(connection)]
    return [*found, *_disk(scope.home, known)]


def newest_due(now: datetime) -> date:
    """The newest session that readers are to have at `now`."""
    newest = newest_closed(now)
    return newest if now >= _due_at(newest) else sessions_before(newest, 1)[0]


def _due_at(session: date) -> datetime:
    return datetime.combine(session + timedelta(days=1), DUE_AT, ZoneInfo(NEW_YORK))


def _late(
    connection: Connection, scope: Scope, now: datetime, failures: Sequence[OpenFailure]
) -> Iterator[Condition]:
    """Of sessions that are due and not there; where none was ever asked for, none is expected."""
    newest = newest_due(now)
    asked = ever_asked(connection, newest).whole
    if not asked:
        return
    expected = [*sessions_before(newest, LOOK_BACK - 1), newest]
    looked_at = [day for day in expected if day >= max(scope.start, asked[0])]
    known = session_states.states(connection, looked_at)
    late = [day for day in looked_at if day not in known or known[day].status not in COMMITTED]
    if late:
        status = known[late[0]].status if late[0] in known else None
        yield Condition(
            Kind.SESSION_LATE,
            f"{_days(late)} not available since {_new_york(_due_at(late[0]))}: "
            + _why_late(late, status, failures, has_key=scope.has_key),
            "universe daily",
            level=level_of(len(late)),
            page="/assets/daily_bars",
        )


def _why_late(
    late: Sequence[date],
    status: SessionStatus | None,
    failures: Sequence[OpenFailure],
    *,
    has_key: bool,
) -> str:
    failed = next((one for one in reversed(failures) if one.day in late and not one.symbol), None)
    if failed is not None:
        return _short(failed.message)
    if not has_key:
        return "POLYGON_API_KEY is not set"
    if status is SessionStatus.PENDING:
        return "the vendor has not published it"
    return "no daily update has loaded it"


def _quarantined(connection: Connection) -> Iterator[Condition]:
    days = sorted(session_states.with_status(connection, [SessionStatus.QUARANTINED]))
    if not days:
        return
    details = broken_by(connection, days[-NAMED:])
    why = "; ".join(f"{day}: {', '.join(each)}" for day, each in sorted(details.items()))
    newest = days[-1]
    yield Condition(
        Kind.SESSION_QUARANTINED,
        f"{_days(days)} kept from readers: {_short(why) or 'a rule is broken'}",
        f"universe historical --start {newest} --end {newest} --reload, "
        f"or universe approve {newest} --reason TEXT",
        level=level_of(len(days)),
        page="/assets/daily_bars",
    )


def _broken(connection: Connection) -> Iterator[Condition]:
    """Of rules whose sessions are not quarantined for them: another alert is about those."""
    for name, one in standing(connection).items():
        rule = _RULES[name]
        if one.severity == Severity.ERROR and not rule.quarantines and rule != SESSIONS_USABLE:
            yield _of_rule(rule, one)


def _of_rule(rule: Rule, one: StandingRule) -> Condition:
    worst = one.examples[0] if one.examples else {"date": None, "symbol": None, "detail": ""}
    about = " ".join(str(worst[part]) for part in ("date", "symbol", "detail") if worst[part])
    return Condition(
        Kind.RULE_BROKEN,
        f"{rule.name} is broken {one.count:,} times since {_utc(one.judged_at)}"
        + (f": {_short(about)}" if about else ""),
        rule.command(worst["date"], worst["symbol"]),
        about=rule.name,
        level=level_of(one.count),
        page="/assets/daily_bars",
    )


def _refused(failures: Sequence[OpenFailure]) -> Iterator[Condition]:
    refused = [one for one in failures if one.refuses_key]
    if refused:
        yield Condition(
            Kind.KEY_REFUSED,
            f"the vendor refuses the key since {_utc(refused[0].occurred_at)}: "
            + _short(refused[-1].message),
            "set a valid POLYGON_API_KEY, then universe retry",
            page="/assets/daily_bars",
        )


def _failed_runs(connection: Connection) -> Iterator[Condition]:
    by_job: dict[str, list[FailedRun]] = {}
    for run in dagster_records.failed_runs(connection):
        by_job.setdefault(run.job, []).append(run)
    for job, runs in by_job.items():
        newest = runs[0]
        others = f" (and {len(runs) - 1} more of its runs)" if runs[1:] else ""
        yield Condition(
            Kind.RUN_FAILED,
            f"{newest.load_job or job} failed at {_utc(newest.ended_at)}{others}: "
            + _short(newest.why),
            _repair_of(newest),
            about=job,
            level=level_of(len(runs)),
            page=f"/runs/{newest.run_id}",
        )


_REPAIRS = {
    "daily_update": "universe daily",
    "verification": "universe verify",
    "universe_discovery": "universe discover",
    "symbols_and_splits": "universe discover",
    "error_retry": "universe retry",
}


def _repair_of(run: FailedRun) -> str:
    if run.job in _REPAIRS:
        return _REPAIRS[run.job]
    return f"universe resume {run.load_job}" if run.load_job else "run it again on its page"


def _failed_ticks(connection: Connection, scope: Scope, now: datetime) -> Iterator[Condition]:
    for tick in dagster_records.failed_ticks(connection, now - TICK_REMEMBERED):
        yield Condition(
            Kind.TICK_FAILED,
            f"the {tick.kind} {tick.name} failed at {_utc(tick.at)}: {_short(tick.why)}",
            "see the tick on its page; it is tried again at its next time",
            about=tick.name,
            severity=Severity.WARN,
            page=f"/locations/{scope.location}/{tick.kind}s/{tick.name}",
        )


def _stuck(connection: Connection, now: datetime) -> Iterator[Condition]:
    for name, last in stuck_jobs(connection, now):
        yield Condition(
            Kind.JOB_STUCK,
            f"{name} gets nowhere since {_utc(last)}: its process lives, and sends no heartbeat",
            f"end the process that universe status names, then universe resume {name}",
            about=name,
            severity=Severity.WARN,
            page="/runs",
        )


def _differing(connection: Connection) -> Iterator[Condition]:
    found = [line.rsplit(". ", 1) for line in hosts.differences(hosts.hosts(connection))]
    if found:
        yield Condition(
            Kind.HOSTS_DIFFER,
            "; ".join(what for what, _ in found),
            "; ".join(repair for _, repair in found),
            severity=Severity.WARN,
            level=len(found),
        )


def _disk(home: Path, known: AbstractSet[str]) -> Iterator[Condition]:
    folder = next(each for each in (home, *home.parents) if each.exists())
    usage = shutil.disk_usage(folder)
    level = disk_level(usage.free / usage.total, is_known=Kind.DISK_LOW in known)
    if level:
        yield Condition(
            Kind.DISK_LOW,
            f"{usage.free / 1e9:,.1f} GB ({usage.free / usage.total:.0%}) are free for {folder} "
            f"on {host_name()}",
            "make room on the disk, for example by universe prune",
            severity=Severity.ERROR if level > 1 else Severity.WARN,
            level=level,
        )


def disk_level(free: float, *, is_known: bool) -> int:
    """How bad it is that a fraction of a disk is free; 0: it is not.

    Args:
        free: the fraction.
        is_known: whether it was too little when it was last looked at.
    """
    level = sum(free < bound for bound in DISK_LEVELS)
    return max(level, 1) if is_known and free < DISK_ENOUGH else level


def _days(days: Sequence[date]) -> str:
    if len(days) == 1:
        return f"session {days[0]} is"
    return f"{len(days)} sessions ({days[0]} to {days[-1]}) are"


def _short(text: str) -> str:
    """Foreign text as the beginning of one line, without the class of an error."""
    line = visible(" ".join(_ERROR_CLASS.sub("", text, count=1).split()))
    return line if len(line) <= LONGEST_WHY else f"{line[:LONGEST_WHY]}…"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _new_york(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} New York"
