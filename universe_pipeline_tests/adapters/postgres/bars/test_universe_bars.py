"""`universe_bars`: which bars it shows to which session, and what it reads for that."""

from collections.abc import Iterator
from typing import Any

from psycopg import sql

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain import tables
from universe_pipeline_tests.support.older_releases import made_at
from universe_pipeline_tests.support.session_answers import JULY_1, JULY_2, JULY_3, JULY_5, Row

_STORED = """
    INSERT INTO symbols (symbol, name, type, active, first_seen_at, last_seen_at)
    SELECT symbol, '', type, active, now(), now() FROM (VALUES
        ('A', 'CS', true), ('a', 'ETF', true), ('GONE', 'CS', false), ('ADR', 'ADRC', true),
        ('LATER', 'OS', true), ('NONE', NULL, true), ('QUIET', 'CS', true)
    ) AS listed (symbol, type, active);

    INSERT INTO session_loads (date, status, fetched_at) VALUES
        ('2024-07-01', 'loaded', now()), ('2024-07-02', 'quarantined', now()),
        ('2024-07-03', 'failed', now());

    INSERT INTO daily_bars
    SELECT date, symbol, 1, 2, 0.5, 1.5, 100, NULL, 7, 'grouped'
    FROM unnest('{2024-07-01, 2024-07-02, 2024-07-03, 2024-07-05}'::date[]) AS date,
         unnest('{A, a, GONE, ADR, LATER, NONE, UNLISTED}'::text[]) AS symbol
    WHERE (symbol, date) <> ('GONE', '2024-07-05')
    """
"""Listed symbols of all kinds, one in no list; a quarantined session, and one never loaded."""

TYPES = (None, "", "CS", "ETF", " ADRC , CS,,OS", "CS,CS", "NONE", "it's")
"""Values of the session's setting; None sets none."""


def rows(connection: Connection) -> list[Row]:
    """All that the view shows, in order; `security_id` is newer than some releases here."""
    return connection.execute(
        sql.SQL("SELECT {} FROM universe_bars ORDER BY symbol, date").format(
            listed(tables.names("universe_bars")[:-1])
        )
    ).fetchall()


def by_types(connection: Connection) -> dict[str | None, list[Row]]:
    """What the view shows for each of `TYPES`."""
    found: dict[str | None, list[Row]] = {}
    for types in TYPES:
        connection.execute("RESET universe.types")
        if types is not None:
            connection.execute("SELECT set_config('universe.types', %s, false)", (types,))
        found[types] = rows(connection)
    return found


def test_the_rows_are_those_of_the_release_before(empty_database: Database) -> None:
    with made_at("0009", empty_database) as connection:
        make_quarters(connection, [JULY_1])
        connection.execute("INSERT INTO universe_types VALUES ('CS')")
        connection.execute(_STORED)
        before = by_types(connection)

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        assert by_types(connection) == before
        connection.execute("RESET universe.types")
        securities = connection.execute("SELECT DISTINCT security_id FROM universe_bars").fetchall()
        assert securities == [(None,)]
    days = [JULY_1, JULY_3, JULY_5]
    assert [row[:2] for row in before[None]] == [
        *(("A", day) for day in days),
        *(("GONE", day) for day in days[:-1]),
    ]
    assert {row[0] for row in before[" ADRC , CS,,OS"]} == {"A", "ADR", "GONE", "LATER"}
    assert before["NONE"] == before["it's"] == []


def test_a_changed_type_and_an_ended_quarantine_show_at_once(store: Connection) -> None:
    store.execute(_STORED)
    show = "SELECT symbol FROM universe_bars WHERE date = %s ORDER BY symbol"
    assert store.execute(show, (JULY_2,)).fetchall() == []

    store.execute("UPDATE session_loads SET status = 'loaded' WHERE status = 'quarantined'")
    store.execute("UPDATE symbols SET type = 'CS' WHERE symbol = 'LATER'")
    store.execute("UPDATE symbols SET type = NULL WHERE symbol = 'A'")

    assert store.execute(show, (JULY_2,)).fetchall() == [("GONE",), ("LATER",)]


def test_only_listings_and_symbols_are_joined_with_the_bars(store: Connection) -> None:
    (plan,) = store.execute(
        "EXPLAIN (FORMAT JSON) SELECT * FROM universe_bars WHERE date = '2024-07-01'"
    ).fetchall()[0]

    assert set(relations(plan[0]["Plan"])) == {"daily_bars_2024q3", "listings", "symbols"}


def relations(node: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads row by row; what it reads once, before, is left out."""
    if "Relation Name" in node:
        yield node["Relation Name"]
    for part in node.get("Plans", ()):
        if part["Parent Relationship"] != "InitPlan":
            yield from relations(part)
