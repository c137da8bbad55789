"""Stored fingerprints of another version mean nothing: values are compared, and new ones made."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.bars.writing import EncodedSession
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.adapters.postgres.quality.rule_results import Approval, is_approved
from universe_pipeline.domain.fingerprint import BarValues, of_session
from universe_pipeline.domain.quality.rules import CONTENTS_KEPT
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.quality import approvals
from universe_pipeline.loading.quality.stored import judge_bars
from universe_pipeline.loading.sessions import Fetched, Outcome
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline_tests.support.older_releases import made_at
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    T1,
    T2,
    answered,
    answered_symbol,
    bar,
    load_of,
    revisions,
    versions,
    write_session,
    write_symbol,
)

BARS: Sequence[BarValues] = [bar("A"), bar("B", vwap=None)]
OLD = "0:442e83db19606f52cec757e885042510"  # pragma: allowlist secret
UNVERSIONED = OLD[2:]


def fetch(connection: Connection, answer: EncodedSession) -> Outcome:
    """Store an answer, as a load does that has fetched it."""
    fetched = Fetched(answer.session, answer.requested_at, time.monotonic(), answer)
    return store_answer(connection, fetched, "run")


def altered(connection: Connection) -> list[str]:
    """What a verification says of contents that are not the answer's."""
    findings = judge_bars(connection, [JULY_1, JULY_2], Thresholds(), fingerprints=True)
    return [str(one) for each in findings if each.rule is CONTENTS_KEPT for one in each.worst]


def fingerprint_of(connection: Connection) -> str | None:
    (found,) = load_of(connection, JULY_1, "content_hash") or (None,)
    return found


@pytest.fixture(params=[OLD, UNVERSIONED, "2:" + UNVERSIONED])
def older(request: pytest.FixtureRequest, store: Connection) -> Connection:
    """Two sessions, of which the first has a fingerprint of another version."""
    for day in (JULY_1, JULY_2):
        write_session(store, answered(day, *BARS), None)
    cover(store)
    store.execute(
        "UPDATE session_loads SET content_hash = %s WHERE date = %s", (request.param, JULY_1)
    )
    return store


def test_the_next_fetch_compares_the_bars_and_leaves_equal_ones_alone(older: Connection):
    before = versions(older)

    outcome = fetch(older, answered(JULY_1, *BARS, at=T2))

    assert outcome.write is not None
    assert (outcome.write.stored, outcome.write.revised, outcome.write.added) == (2, 0, 0)
    assert versions(older) == before
    assert fingerprint_of(older) == of_session(BARS)
    assert load_of(older, JULY_1, "covered") == (True,)


def test_the_next_fetch_revises_what_differs(older: Connection):
    changed = [BARS[0], bar("B", vwap=None, close=10.75)]

    outcome = fetch(older, answered(JULY_1, *changed, at=T2))

    assert outcome.write is not None
    assert outcome.write.revised == 1
    assert revisions(older, "symbol", "close") == [("B", 10.5)]
    assert fingerprint_of(older) == of_session(changed)
    assert altered(older) == []


def test_two_fetches_on_different_days_agree_by_their_bars(older: Connection):
    fetch(older, answered(JULY_1, *BARS, at=T2 + timedelta(days=1)))

    assert load_of(older, JULY_1, "final") == (True,)


def test_a_verification_makes_it_again_without_an_alarm(older: Connection):
    assert altered(older) == []
    assert fingerprint_of(older) == of_session(BARS)

    older.execute("UPDATE daily_bars SET close = 10.75 WHERE date = %s AND symbol = 'A'", (JULY_1,))

    assert len(altered(older)) == 1


def test_a_verification_makes_it_of_the_bars_of_the_answer_alone(older: Connection):
    other = answered_symbol("C", [JULY_1], {JULY_1: bar("C")}, at=T2)
    write_symbol(older, other, None)

    assert altered(older) == []
    assert fingerprint_of(older) == of_session(BARS)


def test_a_session_that_is_known_to_be_altered_stays_so_until_it_is_fetched(older: Connection):
    stored = fingerprint_of(older)
    older.execute(
        "INSERT INTO broken_rules VALUES (%s, %s, 'ERROR', 'other bars', now())",
        (JULY_1, CONTENTS_KEPT.name),
    )

    assert len(altered(older)) == 1
    assert fingerprint_of(older) == stored

    fetch(older, answered(JULY_1, *BARS, at=T2))

    assert altered(older) == []


def test_an_approval_follows_the_content_that_it_is_for(older: Connection):
    stored = fingerprint_of(older) or ""
    rule_results.keep_approval(older, Approval(JULY_1, "checked", "me"), stored, [])

    altered(older)

    assert is_approved(older, JULY_1, of_session(BARS))
    assert older.execute("SELECT count(*) FROM session_approvals").fetchone() == (1,)


def test_a_fetch_finds_the_approval_of_an_older_release(older: Connection):
    stored = fingerprint_of(older) or ""
    rule_results.keep_approval(older, Approval(JULY_1, "checked", "me"), stored, [])

    fetch(older, answered(JULY_1, *BARS, at=T2))

    assert is_approved(older, JULY_1, of_session(BARS))


def test_a_quarantined_session_is_approved_by_its_bars(older: Connection):
    older.execute("UPDATE session_loads SET status = 'quarantined' WHERE date = %s", (JULY_1,))

    approvals.approve(older, JULY_1, "checked", "me")

    assert fingerprint_of(older) == of_session(BARS)
    assert is_approved(older, JULY_1, of_session(BARS))


def made_by_0006(connection: Connection, content: str, at: datetime) -> None:
    make_quarters(connection, [JULY_1])
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO daily_bars VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'grouped')",
            [(JULY_1, *each) for each in BARS],
        )
    connection.execute(
        "INSERT INTO session_loads"
        " (date, status, received, stored, answered, content_hash, fetched_at)"
        " VALUES (%(day)s, 'loaded', 2, 2, 2, %(hash)s, %(at)s),"
        "        (%(next)s, 'empty', 0, 0, 0, NULL, %(at)s)",
        {"day": JULY_1, "next": JULY_2, "hash": content, "at": at},
    )
    connection.execute(
        "INSERT INTO session_approvals VALUES (%s, %s, 'checked', '{}', 'me', now())",
        (JULY_1, content),
    )
    connection.execute(
        "INSERT INTO universe_snapshots (taken_at, symbols, active, by_type, by_exchange,"
        " content_hash) VALUES (now(), 1, 1, '{}', '{}', 'ab')"
    )
    connection.execute(
        "INSERT INTO split_snapshots VALUES (now(), '/v3', 1, 1, 0, 0, 0, 'cd', NULL)"
    )


def test_a_database_of_release_0006_keeps_its_fingerprints_under_their_version(
    empty_database: Database,
):
    # Of release 0006: what its encoder gives these bars.
    held = "96a5704699fd1a0b14668e6125c77ee3"  # pragma: allowlist secret
    with made_at("0006", empty_database) as connection:
        made_by_0006(connection, held, T1)

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        assert fingerprint_of(connection) == f"1:{held}"
        assert load_of(connection, JULY_2, "content_hash") == (None,)
        assert is_approved(connection, JULY_1, of_session(BARS))
        assert altered(connection) == []
        before = versions(connection)
        fetch(connection, answered(JULY_1, *BARS, at=T2))
        assert versions(connection) == before
        lists = connection.execute(
            "SELECT content_hash FROM universe_snapshots"
            " UNION ALL SELECT content_hash FROM split_snapshots"
        )
        assert lists.fetchall() == [("0:ab",), ("0:cd",)]
