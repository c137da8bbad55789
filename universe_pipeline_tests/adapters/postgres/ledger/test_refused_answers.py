"""`refused_answers`: one row a day, until an answer is stored or a person approves one."""

from datetime import date

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.domain.completeness import ShortAnswer

A_THIRD = frozenset({"AAPL", "BCpC", "MSFT"})
SESSION = refused_answers.of_session(date(2024, 1, 2))
JANUARY = refused_answers.of_symbol("AAPL", date(2024, 1, 2), date(2024, 1, 31))
FEBRUARY = refused_answers.of_symbol("AAPL", date(2024, 2, 1), date(2024, 2, 29))
QUARTER = refused_answers.of_symbol("AAPL", date(2024, 1, 2), date(2024, 3, 28))
OF_JANUARY, OF_FEBRUARY = frozenset({"2024-01-02"}), frozenset({"2024-02-01"})


def short(day: int, missing: frozenset[str] = A_THIRD) -> ShortAnswer:
    return ShortAnswer(9 - len(missing), 9, missing, date(2026, 11, day))


def answered(
    connection: psycopg.Connection, subject: refused_answers.Subject, *days: int
) -> list[bool]:
    return [
        refused_answers.believe_or_refuse(connection, subject, short(day), "run") for day in days
    ]


def test_the_third_day_is_believed_and_days_are_counted_once(database: Database) -> None:
    with database.connect() as connection:
        assert answered(connection, refused_answers.SYMBOLS, 1, 1, 2, 2) == [False] * 4
        assert answered(connection, refused_answers.SYMBOLS, 3) == [True]


def test_subjects_are_counted_apart(database: Database) -> None:
    with database.connect() as connection:
        answered(connection, SESSION, 1, 2)
        assert answered(connection, refused_answers.of_session(date(2024, 1, 3)), 3) == [False]
        assert answered(connection, JANUARY, 3) == [False]
        assert answered(connection, refused_answers.SPLITS, 3) == [False]
        assert answered(connection, SESSION, 3) == [True]


def test_each_range_of_a_symbol_keeps_a_row_a_day(database: Database) -> None:
    with database.connect() as connection:
        for day in (1, 2):
            for subject, missing in ((JANUARY, OF_JANUARY), (FEBRUARY, OF_FEBRUARY)):
                answer = short(day, missing)
                assert not refused_answers.believe_or_refuse(connection, subject, answer, None)
                assert refused_answers.days_alike(connection, subject, answer) == day
        waiting = refused_answers.open_refusals(connection)
        assert {one: waiting[one].days for one in waiting} == {JANUARY: 2, FEBRUARY: 2}
        assert refused_answers.believe_or_refuse(connection, FEBRUARY, short(3, OF_FEBRUARY), None)
        refused_answers.close(connection, FEBRUARY, OF_FEBRUARY)
        assert list(refused_answers.open_refusals(connection)) == [JANUARY]
        assert refused_answers.believe_or_refuse(connection, JANUARY, short(3, OF_JANUARY), None)


def test_the_same_bars_missing_from_a_wider_range_confirm_each_other(database: Database) -> None:
    with database.connect() as connection:
        for day, subject in ((1, JANUARY), (1, QUARTER), (2, QUARTER)):
            answer = short(day, OF_JANUARY)
            assert not refused_answers.believe_or_refuse(connection, subject, answer, None)
        assert refused_answers.believe_or_refuse(connection, JANUARY, short(3, OF_JANUARY), None)
        refused_answers.close(connection, JANUARY, OF_JANUARY)
        assert refused_answers.open_refusals(connection) == {}


def test_the_newest_range_of_a_symbol_is_approved(database: Database) -> None:
    with database.connect() as connection:
        for subject, missing in ((JANUARY, OF_JANUARY), (FEBRUARY, OF_FEBRUARY)):
            refused_answers.believe_or_refuse(connection, subject, short(1, missing), None)
        newest = refused_answers.approve(
            connection, refused_answers.of_symbol("AAPL"), "right", "ada"
        )
        # A range that is refused again on the same day is the newest, though its row is older.
        refused_answers.believe_or_refuse(connection, JANUARY, short(1, OF_JANUARY), None)
        again = refused_answers.approve(
            connection, refused_answers.of_symbol("AAPL"), "right", "ada"
        )
        assert newest is not None
        assert newest.subject == FEBRUARY
        assert again is not None
        assert again.subject.span == (date(2024, 1, 2), date(2024, 1, 31))
        approved = refused_answers.open_refusals(connection)
        assert [approved[one].approved for one in (JANUARY, FEBRUARY)] == [True, True]


def test_only_answers_about_a_range_have_one() -> None:
    for subject in (SESSION, refused_answers.SPLITS, refused_answers.of_symbol("AAPL")):
        with pytest.raises(LookupError, match=f"{subject} has no range"):
            _ = subject.span


def test_an_answer_that_is_stored_starts_the_count_again(database: Database) -> None:
    with database.connect() as connection:
        answered(connection, refused_answers.SPLITS, 1, 2)
        refused_answers.close(connection, refused_answers.SPLITS)
        assert refused_answers.open_refusals(connection) == {}
        assert answered(connection, refused_answers.SPLITS, 3) == [False]


def test_an_approval_counts_once(database: Database) -> None:
    with database.connect() as connection:
        answered(connection, SESSION, 1)
        approved = refused_answers.approve(connection, SESSION, "the vendor withdrew 3 rows", "ada")
        assert approved is not None
        assert (approved.rows, approved.expected, approved.approved) == (6, 9, True)
        assert answered(connection, SESSION, 1) == [True]
        refused_answers.close(connection, SESSION)
        assert answered(connection, SESSION, 1) == [False]
        kept = connection.execute(
            "SELECT reason, approved_by FROM refused_answers WHERE stored_at IS NOT NULL"
        ).fetchall()
        assert kept == [("the vendor withdrew 3 rows", "ada")]


def test_an_approval_is_of_one_answer(database: Database) -> None:
    with database.connect() as connection:
        answered(connection, SESSION, 1)
        refused_answers.approve(connection, SESSION, "right", "ada")
        other = short(1, frozenset({"IBM", "KO", "PG", "T"}))
        assert not refused_answers.believe_or_refuse(connection, SESSION, other, None)
        assert not refused_answers.open_refusals(connection)[SESSION].approved


def test_nothing_refused_is_nothing_to_approve(database: Database) -> None:
    with database.connect() as connection:
        assert (
            refused_answers.approve(connection, refused_answers.of_symbol("AAPL"), "why not", "ada")
            is None
        )
