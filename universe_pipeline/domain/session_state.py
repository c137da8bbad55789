"""A session's state, and the events that change it.

`TRANSITIONS` is the state machine. docs/session-states.md derives from it (`make tables`), the
writer of the table (`adapters/postgres/ledger/session_loads.py`) takes its statuses from it, and a
property test compares the stored rows with `transition`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from universe_pipeline.domain.completeness import CONFIRMATIONS, is_short


class SessionStatus(StrEnum):
    """What is stored of a session that was requested."""

    LOADED = "loaded"
    """Its rows are stored, and readers see them."""
    EMPTY = "empty"
    """The vendor answered without a row on `EMPTY_CONFIRMATIONS` different days."""
    FAILED = "failed"
    """It was requested, and no answer was usable."""
    PENDING = "pending"
    """The vendor had not published it when it was last requested."""
    QUARANTINED = "quarantined"
    """Its rows are stored and hidden from readers: they break a rule that quarantines."""


COMMITTED = (SessionStatus.LOADED, SessionStatus.EMPTY, SessionStatus.QUARANTINED)
"""States that are committed and materialized; a range load skips them."""

EMPTY_CONFIRMATIONS = CONFIRMATIONS
"""A session is empty after empty answers on this many different days (UTC), like a short answer."""


class Event(StrEnum):
    """What can happen to a session."""

    STORED = "answer stored"
    """An answer with usable rows replaces what is stored."""
    DOUBTED = "doubtful answer stored"
    """The same, but the answer breaks a rule that quarantines."""
    SHORT = "short answer"
    """An answer holds under 90 % of the stored rows, and is not believed yet."""
    SUPERSEDED = "superseded"
    """The answer or verdict is older than the request that is recorded."""
    NO_ROW = "empty answer"
    """An answer without a row, on the first or second day."""
    NO_ROW_CONFIRMED = "third empty day"
    """An answer without a row, and answers on two other days had none either."""
    FAILED = "failure"
    """The request failed, or no row of its answer is usable or believed."""
    UNPUBLISHED = "not published"
    """The vendor has not published the session yet."""
    CONDEMNED = "broken rule"
    """A verification finds that the stored rows break a rule that quarantines."""
    APPROVED = "approval"
    """A person approves the stored rows: `universe approve`."""
    COVERED = "coverage"
    """`data_coverage` takes the session up as it is stored."""


class Final(StrEnum):
    """What an event does to `final`."""

    KEPT = "kept"
    EARNED = "also yes by age or agreement"
    """Kept; and yes for an old session, or if fetches on two days (UTC) gave the same content."""


class Covered(StrEnum):
    """What an event does to `covered`."""

    KEPT = "kept"
    YES = "yes"
    NO = "no"
    IF_SAME = "kept if the content is the same"


class EmptyDays(StrEnum):
    """What an event does to `empty_on`, the days of empty answers."""

    KEPT = "kept"
    COUNTED = "day added"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event does to a session of one status."""

    status: SessionStatus
    """The status afterwards."""
    final: Final = Final.KEPT
    covered: Covered = Covered.KEPT
    empty_days: EmptyDays = EmptyDays.KEPT


Source = SessionStatus | None
"""The status before an event; None: the session was never requested and has no row."""


def _transitions() -> Iterator[tuple[tuple[Source, Event], Transition]]:
    loaded, empty, failed = SessionStatus.LOADED, SessionStatus.EMPTY, SessionStatus.FAILED
    pending, quarantined = SessionStatus.PENDING, SessionStatus.QUARANTINED
    earned, no, cleared = Final.EARNED, Covered.NO, EmptyDays.CLEARED
    kept, counted = Final.KEPT, EmptyDays.COUNTED

    for source in (None, failed, pending, empty, quarantined):
        yield (source, Event.STORED), Transition(loaded, earned, no, cleared)
    yield (loaded, Event.STORED), Transition(loaded, earned, Covered.IF_SAME, cleared)
    for source in (None, *SessionStatus):
        yield (source, Event.DOUBTED), Transition(quarantined, earned, no, cleared)

    # A row without bars is covered: there is nothing to take up.
    yield (None, Event.FAILED), Transition(failed, covered=Covered.YES)
    yield (None, Event.UNPUBLISHED), Transition(pending, covered=Covered.YES)
    yield (None, Event.NO_ROW), Transition(failed, kept, Covered.YES, counted)
    for source in (failed, pending):
        yield (source, Event.FAILED), Transition(failed)
        yield (source, Event.UNPUBLISHED), Transition(pending)
        yield (source, Event.NO_ROW), Transition(failed, empty_days=counted)
        yield (source, Event.NO_ROW_CONFIRMED), Transition(empty, empty_days=counted)
    for event in (Event.NO_ROW, Event.NO_ROW_CONFIRMED):
        yield (empty, event), Transition(empty, empty_days=counted)

    yield (loaded, Event.CONDEMNED), Transition(quarantined, covered=no)
    yield (quarantined, Event.APPROVED), Transition(loaded, covered=no)
    for source in SessionStatus:
        yield (source, Event.COVERED), Transition(source, covered=Covered.YES)


TRANSITIONS: Mapping[tuple[Source, Event], Transition] = dict(_transitions())
"""The state machine: by status and event. A pair that is absent changes nothing."""


def sources_of(event: Event) -> list[SessionStatus]:
    """The statuses of stored rows that `event` changes."""
    return [status for status in SessionStatus if (status, event) in TRANSITIONS]


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """The columns of a `session_loads` row that decide on transitions."""

    status: SessionStatus | None = None
    """None: there is no row."""
    stored: int = 0
    answered: int = 0
    fetched_at: datetime | None = None
    content_hash: str | None = None
    final: bool = False
    covered: bool = False
    empty_on: frozenset[date] = frozenset()

    @property
    def measure(self) -> int:
        """The rows that a later answer must hold; those of a quarantined session prove nothing."""
        is_quarantined = self.status is SessionStatus.QUARANTINED
        return 0 if is_quarantined else max(self.answered, self.stored)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event, with what its effects depend on."""

    event: Event
    at: datetime
    """When the answer was requested (UTC), or the verification began to judge."""
    rows: int = 0
    """Usable rows of the answer."""
    content_hash: str | None = None
    """Fingerprint of the answer, or of the rows that a person approved."""
    is_final_by_age: bool = False
    """Whether the session is so old that the vendor no longer corrects it."""
    is_believed: bool = False
    """Whether the answer replaces what is stored also if it is short."""


_STORING = (Event.STORED, Event.DOUBTED)
_UNSTORED = (None, SessionStatus.FAILED, SessionStatus.PENDING)


def resolve(record: LoadRecord, occurrence: Occurrence) -> Event:
    """The event that counts: the given one, or what it amounts to in view of the record.

    Returns:
        `SUPERSEDED` for an answer or a verdict that a later request outranks, `SHORT` for an answer
        that holds too few rows, `NO_ROW_CONFIRMED` for the last of the empty answers that it takes;
        otherwise the event of `occurrence`.
    """
    event = occurrence.event
    if _is_superseded(record, occurrence):
        return Event.SUPERSEDED
    if event in _STORING and is_short(occurrence.rows, record.measure):
        return event if occurrence.is_believed else Event.SHORT
    if event is Event.NO_ROW and len(_with_day(record, occurrence)) >= EMPTY_CONFIRMATIONS:
        return Event.NO_ROW_CONFIRMED
    return event


def _is_superseded(record: LoadRecord, occurrence: Occurrence) -> bool:
    """Whether a later request is recorded; without stored rows it does not outrank an answer."""
    if record.fetched_at is None or record.fetched_at <= occurrence.at:
        return False
    match occurrence.event:
        case Event.STORED | Event.DOUBTED:
            return record.stored > 0
        case Event.NO_ROW:  # its day counts, whenever it arrives
            return record.status is SessionStatus.PENDING
        case _:
            return occurrence.event not in (Event.APPROVED, Event.COVERED)


def transition(record: LoadRecord, occurrence: Occurrence) -> LoadRecord:
    """The record after an event."""
    event = resolve(record, occurrence)
    rule = TRANSITIONS.get((record.status, event))
    if rule is None:
        return record
    changed = replace(
        record,
        status=rule.status,
        final=record.final or _is_earned(rule, record, occurrence),
        covered=_covered(rule, record, occurrence),
        empty_on=_empty_on(rule, record, occurrence),
        fetched_at=_fetched_at(record, occurrence),
    )
    if event is Event.APPROVED:
        return replace(changed, content_hash=occurrence.content_hash)
    if event in _STORING:
        rows, content = occurrence.rows, occurrence.content_hash
        return replace(changed, stored=rows, answered=rows, content_hash=content)
    return changed


def _is_same(record: LoadRecord, occurrence: Occurrence) -> bool:
    return record.content_hash is not None and record.content_hash == occurrence.content_hash


def _is_earned(rule: Transition, record: LoadRecord, occurrence: Occurrence) -> bool:
    if rule.final is not Final.EARNED:
        return False
    fetched = record.fetched_at
    is_agreed = fetched is not None and fetched.date() != occurrence.at.date()
    return occurrence.is_final_by_age or (is_agreed and _is_same(record, occurrence))


def _covered(rule: Transition, record: LoadRecord, occurrence: Occurrence) -> bool:
    match rule.covered:
        case Covered.KEPT:
            return record.covered
        case Covered.IF_SAME:
            return record.covered and _is_same(record, occurrence)
        case Covered.YES | Covered.NO:
            return rule.covered is Covered.YES


def _empty_on(rule: Transition, record: LoadRecord, occurrence: Occurrence) -> frozenset[date]:
    match rule.empty_days:
        case EmptyDays.KEPT:
            return record.empty_on
        case EmptyDays.COUNTED:
            return _with_day(record, occurrence)
        case EmptyDays.CLEARED:
            return frozenset()


def _with_day(record: LoadRecord, occurrence: Occurrence) -> frozenset[date]:
    return record.empty_on | {occurrence.at.date()}


def _fetched_at(record: LoadRecord, occurrence: Occurrence) -> datetime | None:
    """When what the record describes was requested."""
    if occurrence.event in _STORING:
        return occurrence.at
    if record.status not in _UNSTORED or occurrence.event is Event.COVERED:
        return record.fetched_at
    return max(record.fetched_at or occurrence.at, occurrence.at)
