"""Sequences of events about one session: the stored row is what the state machine says."""

from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from universe_pipeline.adapters.postgres.bars.writing import locked_session, write_locked
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.session_loads import (
    record_empty_answer,
    record_unstored,
)
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.adapters.postgres.quality.rule_results import Approval
from universe_pipeline.domain.quality.findings import Finding, Violation
from universe_pipeline.domain.quality.rules import NO_REPEAT
from universe_pipeline.domain.session_state import (
    Event,
    LoadRecord,
    Occurrence,
    SessionStatus,
    resolve,
    transition,
)
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    T1,
    answered,
    bar,
    load_of,
)

WHOLE, CHANGED, SHORT = range(3)
"""Answers of ten bars, of ten with another price, and of eight: under 90 % of ten."""

ANSWERS = {
    WHOLE: [bar(f"S{number}") for number in range(10)],
    CHANGED: [bar(f"S{number}", close=10.6) for number in range(10)],
    SHORT: [bar(f"S{number}") for number in range(8)],
}

STORING = (Event.STORED, Event.DOUBTED)
GIVEN = (
    *STORING,
    Event.NO_ROW,
    Event.FAILED,
    Event.UNPUBLISHED,
    Event.CONDEMNED,
    Event.APPROVED,
    Event.COVERED,
)

Step = tuple[Event, int, int, bool, bool]
"""Event, hours since the step before, answer, whether final by age, whether believed."""

STEPS = st.tuples(
    st.sampled_from(GIVEN),
    st.integers(-30, 40),
    st.sampled_from(list(ANSWERS)),
    st.booleans(),
    st.booleans(),
)

EMPTY_AND_FILLED: list[Step] = [
    *[(Event.NO_ROW, 24, WHOLE, False, False)] * 4,
    (Event.STORED, 24, WHOLE, False, False),
    (Event.NO_ROW, 24, WHOLE, False, False),
]
APPROVED: list[Step] = [
    (Event.DOUBTED, 1, WHOLE, False, False),
    (Event.COVERED, 1, WHOLE, False, False),
    (Event.APPROVED, 1, WHOLE, False, False),
    (Event.CONDEMNED, 1, WHOLE, False, False),
    (Event.STORED, 24, WHOLE, False, False),
]
CONDEMNED: list[Step] = [
    (Event.STORED, 1, WHOLE, False, False),
    (Event.CONDEMNED, 1, WHOLE, False, False),
    (Event.STORED, -5, CHANGED, False, False),
    (Event.STORED, 9, SHORT, False, False),
    (Event.STORED, 24, SHORT, False, False),
]
SHORT_AND_BELIEVED: list[Step] = [
    (Event.STORED, 1, WHOLE, False, False),
    (Event.COVERED, 1, WHOLE, False, False),
    (Event.STORED, 24, SHORT, False, False),
    (Event.STORED, 24, SHORT, True, True),
]
LATE: list[Step] = [
    (Event.UNPUBLISHED, 40, WHOLE, False, False),
    (Event.NO_ROW, -30, WHOLE, False, False),
    (Event.FAILED, -30, WHOLE, False, False),
    (Event.FAILED, 40, WHOLE, False, False),
    (Event.FAILED, 40, WHOLE, False, False),
    (Event.NO_ROW, -30, WHOLE, False, False),
]


@given(st.lists(STEPS, min_size=1, max_size=10))
@example(EMPTY_AND_FILLED)
@example(APPROVED)
@example(CONDEMNED)
@example(SHORT_AND_BELIEVED)
@example(LATE)
@examples(80)
def test_the_stored_row_is_what_the_state_machine_says(
    reused_database: Database, steps: list[Step]
):
    record, at, approved = LoadRecord(), T1, set[str]()

    with emptied(reused_database) as store:
        for event, hours, answer, final_by_age, believed in steps:
            at += timedelta(hours=hours)
            happened = _occurrence(event, at, answer, final_by_age=final_by_age, believed=believed)
            if event is Event.APPROVED:
                happened = _approval(happened, record)
            _take(store, record, happened, answer)
            if not (event is Event.CONDEMNED and record.content_hash in approved):
                record = transition(record, happened)
            if event is Event.APPROVED and happened.content_hash is not None:
                approved.add(happened.content_hash)

            assert _stored(store) == record


def _occurrence(
    event: Event, at: datetime, answer: int, *, final_by_age: bool, believed: bool
) -> Occurrence:
    if event not in STORING:
        return Occurrence(event, at)
    encoded = answered(JULY_1, *ANSWERS[answer], at=at)
    return Occurrence(event, at, encoded.rows, encoded.content_hash, final_by_age, believed)


def _approval(happened: Occurrence, record: LoadRecord) -> Occurrence:
    """An approval of what is stored, if that is quarantined: the command refuses all others."""
    is_quarantined = record.status is SessionStatus.QUARANTINED
    content = record.content_hash if is_quarantined else None
    return Occurrence(Event.APPROVED, happened.at, content_hash=content)


def _take(store: Connection, record: LoadRecord, happened: Occurrence, answer: int) -> None:
    match happened.event:
        case Event.STORED | Event.DOUBTED:
            _write(store, record, happened, answer)
        case Event.NO_ROW:
            record_empty_answer(store, JULY_1, happened.at, None)
        case Event.FAILED:
            record_unstored(store, JULY_1, SessionStatus.FAILED, happened.at, None)
        case Event.UNPUBLISHED:
            record_unstored(store, JULY_1, SessionStatus.PENDING, happened.at, None)
        case Event.CONDEMNED:
            broken = Finding(NO_REPEAT, 1, (Violation(JULY_1, None, "as the session before"),))
            rule_results.record_verdicts(store, [JULY_1], [broken], None, happened.at)
        case Event.APPROVED if happened.content_hash is not None:
            approval = Approval(JULY_1, "right", "a person")
            rule_results.approve(store, approval, happened.content_hash)
        case Event.COVERED:
            cover(store)
        case _:
            pass


def _write(store: Connection, record: LoadRecord, happened: Occurrence, answer: int) -> None:
    encoded = answered(
        JULY_1, *ANSWERS[answer], at=happened.at, final_by_age=happened.is_final_by_age
    )
    with locked_session(store, JULY_1) as standing:
        write = write_locked(
            store,
            standing,
            encoded,
            None,
            quarantined=happened.event is Event.DOUBTED,
            believed=happened.is_believed,
        )
    event = resolve(record, happened)
    assert (write.superseded, write.collapsed) == (event is Event.SUPERSEDED, event is Event.SHORT)


def _stored(store: Connection) -> LoadRecord:
    columns = ("status", "stored", "answered", "fetched_at", "content_hash", "final", "covered")
    row = load_of(store, JULY_1, *columns, "empty_on")
    if row is None:
        return LoadRecord()
    status, *others, days = row
    return LoadRecord(SessionStatus(status), *others, empty_on=frozenset(days))
