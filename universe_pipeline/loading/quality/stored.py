"""The rules over what is stored: bars streamed some sessions at a time, loads, the reference list.

Bars are read once for all rules, a little ahead of the judging; of a session that has been judged
there stays a bit for every symbol.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

import polars as pl

from universe_pipeline.adapters.postgres.bars import fingerprints as stored_fingerprints
from universe_pipeline.adapters.postgres.bars import packed, reading
from universe_pipeline.adapters.postgres.bars.packed import Packed, Received
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked, lacking
from universe_pipeline.adapters.postgres.quality import context
from universe_pipeline.adapters.postgres.quality.context import StoredLoad
from universe_pipeline.adapters.postgres.reference.splits import rejected_splits
from universe_pipeline.adapters.postgres.reference.symbols import (
    Snapshot,
    known_symbols,
    newest_snapshot,
)
from universe_pipeline.domain.fingerprint import OF_NO_BARS, is_known
from universe_pipeline.domain.quality import DUPLICATE
from universe_pipeline.domain.quality.findings import Finding, Violation, framed, listed
from universe_pipeline.domain.quality.rules import (
    CONTENTS_KEPT,
    COUNTS_KEPT,
    COVERAGE_COMPLETE,
    REVISIONS_SMALL,
    SESSIONS_LOADED,
    SESSIONS_USABLE,
    SPLITS_UNIQUE,
    SPLITS_USABLE,
)
from universe_pipeline.domain.quality.scan import Scan
from universe_pipeline.domain.quality.universe import (
    judge_absent,
    judge_snapshots,
    judge_symbols,
)
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import newest_closed, sessions_between
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS, Thresholds
from universe_pipeline.loading.ahead import ahead
from universe_pipeline.loading.progress import Step, report

_LARGE_REVISION = 0.005
_READ_AHEAD = 2
_AT_ONCE = 6
"""Sessions that are judged at once: more take memory, fewer take longer."""
_A_DAY, _TWO_WEEKS = timedelta(days=1), timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days that are read at once."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class _Received:
    """The bars of a stretch."""

    stretch: Stretch
    bars: Received
    grouped: dict[date, Received]
    """Those of the grouped endpoint alone, of sessions that have others, too."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a stretch, and the fingerprints of its sessions where they are wanted."""

    stretch: Stretch
    packed: Packed
    hashes: dict[date, str]


def judge_bars(
    connection: Connection,
    sessions: Sequence[date],
    thresholds: Thresholds,
    *,
    fingerprints: bool,
) -> list[Finding]:
    """Judge the stored bars of `sessions` by all rules for bars.

    Args:
        connection: to read them; nothing else may use it meanwhile.
        sessions: in order; between two that lie near each other all are judged.
        thresholds: the figures that decide.
        fingerprints: whether the bars' contents are held against the answers they came in.
    """
    known = context.stored_loads(connection)
    stretches = list(_stretches(sessions))
    if not stretches:
        return []
    first, last = stretches[0].start, stretches[-1].end
    scan = Scan(context.reference(connection, known, first, last), thresholds)
    hashed = {day for day, load in known.items() if fingerprints and load.content_hash is not None}
    receive, unpack = partial(_receive, connection, hashed), partial(_unpack, hashed, scan)
    altered = stored_fingerprints.altered_sessions(connection) if fingerprints else set[date]()
    changed: list[Violation] = []
    renewed: dict[date, tuple[str, str]] = {}
    miscounted: list[Violation] = []
    parts = _with_context(stretches, known)
    done, total = 0, sum(map(_length, stretches))
    report(Step("verified", done, total))
    with (
        closing(ahead(receive, parts, _READ_AHEAD, threads=1)) as received,
        # Unpacking takes little; only fingerprints are worth another stretch in memory.
        closing(ahead(unpack, received, _READ_AHEAD if fingerprints else 1, threads=1)) as read,
    ):
        for part in read:
            if part.stretch not in stretches:
                scan.remember(part.packed.bars)
                continue
            of_part = [day for day in known if part.stretch.start <= day <= part.stretch.end]
            scan.judge(part.packed.bars, of_part)
            miscounted += _miscounted(known, of_part, part.packed.counts)
            changed += _changed(known, part.hashes, altered)
            renewed |= _renewed(known, part.hashes, altered)
            done += _length(part.stretch)
            report(Step("verified", done, total, str(part.stretch.end)))
    findings = [*scan.findings(), listed(COUNTS_KEPT, _unwritten(connection, known, miscounted))]
    if fingerprints:
        session_loads.renew_fingerprints(connection, renewed)
        findings.append(listed(CONTENTS_KEPT, _unwritten(connection, known, changed)))
        findings.append(_large_revisions(connection, first, last))
    return unapproved(findings, known)


def _stretches(sessions: Sequence[date]) -> Iterator[Stretch]:
    """Some sessions each with the closed days after them, cut where over twenty are left out."""
    near: list[list[date]] = []
    for day in sessions:
        if near and _near(near[-1][-1], day):
            near[-1].append(day)
        else:
            near.append([day])
    for group in near:
        judged = sessions_between(group[0], group[-1])
        for days in (judged[n : n + _AT_ONCE] for n in range(0, len(judged), _AT_ONCE)):
            yield Stretch(days[0], _until(days[-1]))


def _length(stretch: Stretch) -> int:
    """Its sessions, loaded or not."""
    return len(sessions_between(stretch.start, stretch.end))


def _near(day: date, later: date) -> bool:
    return len(sessions_between(day, later)) - 2 <= TRAILING


def _until(session: date) -> date:
    """The day before the next session."""
    following = sessions_between(session + _A_DAY, session + _TWO_WEEKS)
    return (following[0] if following else session + _TWO_WEEKS) - _A_DAY


def _with_context(
    stretches: Sequence[Stretch], known: Mapping[date, StoredLoad]
) -> Iterator[Stretch]:
    """The stretches, and before each that does not go on with the last one what it follows on."""
    end: date | None = None
    for stretch in stretches:
        if end is None or stretch.start - _A_DAY != end:
            leading = context_of(stretch.start, known)
            if leading:
                yield leading
        yield stretch
        end = stretch.end


def context_of(session: date, known: Mapping[date, StoredLoad]) -> Stretch | None:
    """The days of the loaded sessions that bars from `session` on are compared with."""
    since = session - timedelta(days=TRAILING_DAYS)
    loaded = [
        day
        for day, each in known.items()
        if each.status is SessionStatus.LOADED and since < day < session
    ]
    return Stretch(loaded[-TRAILING:][0], session - _A_DAY) if loaded else None


def _receive(connection: Connection, hashed: Collection[date], stretch: Stretch) -> _Received:
    bars = packed.receive(connection, stretch.start, stretch.end)
    grouped = {
        day: packed.receive(connection, day, day, "grouped")
        for day, (rows, those) in bars.counts.items()
        if those != rows and day in hashed
    }
    return _Received(stretch, bars, grouped)


def _unpack(hashed: Collection[date], scan: Scan, received: _Received) -> _Read:
    hashes = received.bars.fingerprints(set(hashed) - set(received.grouped))
    for day, grouped in received.grouped.items():
        hashes[day] = grouped.fingerprints([day]).get(day, OF_NO_BARS)
    read = received.bars.unpacked()
    return _Read(received.stretch, replace(read, bars=scan.coded(read.bars)), hashes)


def _miscounted(
    known: dict[date, StoredLoad], sessions: Sequence[date], counts: dict[date, tuple[int, int]]
) -> Iterator[Violation]:
    for day in sessions:
        _, found = counts.get(day, (0, 0))
        if found != known[day].stored:
            yield Violation(day, None, f"{found} bars, {known[day].stored} stored")


def _changed(
    known: dict[date, StoredLoad], hashes: dict[date, str], altered: Collection[date]
) -> Iterator[Violation]:
    """Sessions with other bars than their answer's; an older fingerprint cannot clear one."""
    for day, found in hashes.items():
        stored = known[day].content_hash
        if found != stored if is_known(stored) else day in altered:
            yield Violation(day, None, "bars differ from the answer's, without a revision")


def _renewed(
    known: dict[date, StoredLoad], hashes: dict[date, str], altered: Collection[date]
) -> dict[date, tuple[str, str]]:
    """By session its fingerprint of another version, and that of its bars now."""
    return {
        day: (stored, found)
        for day, found in hashes.items()
        if (stored := known[day].content_hash) and not is_known(stored) and day not in altered
    }


def _unwritten(
    connection: Connection, known: dict[date, StoredLoad], found: Sequence[Violation]
) -> Iterator[Violation]:
    """Without the sessions that were written since `known` was read: it is not about such bars."""
    stand = context.stored_loads(connection) if found else {}
    versions = {day: each.version for day, each in stand.items()}
    return (one for one in found if one.day and versions.get(one.day) == known[one.day].version)


def _large_revisions(connection: Connection, start: date, end: date) -> Finding:
    revised = context.large_revisions(connection, start, end, _LARGE_REVISION)
    return framed(
        REVISIONS_SMALL,
        revised,
        (pl.col("new") / pl.col("old")).log().abs(),
        pl.format("close {}, {} before", "new", "old"),
    )


def unapproved(findings: Sequence[Finding], known: Mapping[date, StoredLoad]) -> list[Finding]:
    """Without the sessions that a person approved, where a rule would quarantine them."""
    approved = {day for day, each in known.items() if each.approved}
    return [
        listed(each.rule, (one for one in each.worst if one.day not in approved))
        if each.rule.quarantines
        else each
        for each in findings
    ]


def judge_loads(
    connection: Connection, sessions: Sequence[date], now: datetime, revisit: int = 3
) -> list[Finding]:
    """Judge the loads of `sessions`: whether they are there, and can be used.

    A session that only chosen symbols were asked for is judged by these symbols.

    Args:
        connection: to read.
        sessions: in order.
        now: timezone-aware.
        revisit: so many sessions before the newest may still lack a symbol's bars.
    """
    newest = newest_closed(now)
    lacks = lacking(connection, ever_asked(connection, newest), sessions, newest, revisit)
    offenders = [(one.is_failure, Violation(one.session, one.symbol, str(one))) for one in lacks]
    return [
        listed(SESSIONS_USABLE, (one for is_failure, one in offenders if is_failure)),
        listed(SESSIONS_LOADED, (one for is_failure, one in offenders if not is_failure)),
    ]


def judge_coverage(connection: Connection, sessions: Sequence[date]) -> Finding:
    """Judge whether `data_coverage` knows the committed ones of `sessions`."""
    uncovered = reading.uncovered_loads(connection, sessions)
    return listed(COVERAGE_COMPLETE, (Violation(day, None, "") for day in uncovered))


def judge_universe(connection: Connection) -> list[Finding]:
    """Judge the reference list, by itself and against the discovery before."""
    newest, *before = context.last_snapshots(connection) or [None]
    compared = judge_snapshots(newest, next(iter(before), None)) if newest is not None else []
    snapshot = newest_snapshot(connection)
    kept = [_judge_kept(snapshot)] if snapshot is not None else []
    return [*judge_symbols(known_symbols(connection).drop("listed")), *compared, *kept]


def judge_split_list(connection: Connection) -> list[Finding]:
    """Judge the vendor's list of splits by its rows that are not stored."""
    rejected = [
        (rule == DUPLICATE, Violation(day, symbol, rule))
        for symbol, day, rule in rejected_splits(connection)
    ]
    return [
        listed(SPLITS_UNIQUE, (one for repeated, one in rejected if repeated)),
        listed(SPLITS_USABLE, (one for repeated, one in rejected if not repeated)),
    ]


def _judge_kept(snapshot: Snapshot) -> Finding:
    """Judge what the lists lacked, and was kept; older releases did not count it."""
    fields = snapshot.absent_fields or ()
    return judge_absent({each.column: (each.count, each.symbols) for each in fields})
