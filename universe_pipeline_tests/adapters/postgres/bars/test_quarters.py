"""The calendar inside the database, and the quarters of `daily_bars`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from universe_pipeline.adapters.postgres.bars.quarters import (
    make_quarters,
    quarter_of,
    record_calendar,
)
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline_tests.support.session_answers import Row, versions

FRIDAY, MONDAY, TUESDAY = date(2024, 7, 5), date(2024, 7, 8), date(2024, 7, 9)
NEVER = date(9999, 12, 31)


def recorded(connection: Connection) -> list[Row]:
    return connection.execute("SELECT date, until FROM nyse_sessions ORDER BY date").fetchall()


def quarters(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits"
        " JOIN pg_class c ON c.oid = inhrelid"
        " WHERE inhparent = 'daily_bars'::regclass ORDER BY 1"
    )
    return [row[0] for row in rows]


def test_a_session_reaches_until_the_next_one(connection: Connection):
    record_calendar(connection, [FRIDAY, MONDAY])

    assert recorded(connection) == [(FRIDAY, MONDAY), (MONDAY, NEVER)]


def test_a_calendar_may_grow_and_shrink(connection: Connection):
    record_calendar(connection, [FRIDAY, TUESDAY])
    record_calendar(connection, [FRIDAY, MONDAY, TUESDAY])
    grown = recorded(connection)

    record_calendar(connection, [MONDAY])

    assert grown == [(FRIDAY, MONDAY), (MONDAY, TUESDAY), (TUESDAY, NEVER)]
    assert recorded(connection) == [(MONDAY, NEVER)]


def test_only_what_differs_is_written(connection: Connection):
    record_calendar(connection, [FRIDAY, MONDAY])
    before = versions(connection, "nyse_sessions")

    record_calendar(connection, [FRIDAY, MONDAY])

    assert versions(connection, "nyse_sessions") == before


@pytest.mark.parametrize(
    ("day", "quarter"),
    [
        (date(2024, 1, 1), ("daily_bars_2024q1", date(2024, 1, 1), date(2024, 4, 1))),
        (date(2024, 3, 31), ("daily_bars_2024q1", date(2024, 1, 1), date(2024, 4, 1))),
        (date(2024, 4, 1), ("daily_bars_2024q2", date(2024, 4, 1), date(2024, 7, 1))),
        (date(2023, 9, 30), ("daily_bars_2023q3", date(2023, 7, 1), date(2023, 10, 1))),
        (date(2023, 10, 1), ("daily_bars_2023q4", date(2023, 10, 1), date(2024, 1, 1))),
        (date(2003, 12, 31), ("daily_bars_2003q4", date(2003, 10, 1), date(2004, 1, 1))),
    ],
)
def test_a_day_is_in_the_quarter(day: date, quarter: tuple[str, date, date]):
    assert quarter_of(day) == quarter


def test_quarters_are_made_where_they_are_missing(connection: Connection):
    make_quarters(connection, [date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3)])
    make_quarters(connection, [date(2024, 1, 4), date(2024, 4, 1)])

    assert quarters(connection) == [
        "daily_bars_2023q4 FOR VALUES FROM ('2023-10-01') TO ('2024-01-01')",
        "daily_bars_2024q1 FOR VALUES FROM ('2024-01-01') TO ('2024-04-01')",
        "daily_bars_2024q2 FOR VALUES FROM ('2024-04-01') TO ('2024-07-01')",
    ]


def test_a_quarter_has_the_tables_key(connection: Connection):
    make_quarters(connection, [date(2024, 7, 1)])

    keys = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'daily_bars_2024q3'::regclass AND contype = 'p'"
    )
    assert keys.fetchall() == [("PRIMARY KEY (date, symbol)",)]


def test_any_number_may_make_the_same_quarters_at_once(database: Database):
    days = [date(year, month, 1) for year in (2022, 2023) for month in (1, 4, 7, 10)]

    def make(turned: bool) -> None:
        with database.connect() as connection:
            make_quarters(connection, days[::-1] if turned else days)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, [False, True, False, True]))

    with database.connect() as connection:
        assert len(quarters(connection)) == 8


def test_no_quarter_is_made_of_no_day(connection: Connection):
    make_quarters(connection, [])

    assert quarters(connection) == []
