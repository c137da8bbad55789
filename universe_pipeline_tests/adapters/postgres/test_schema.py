"""Migrations: in order, under a lock, also with two processes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger.session_states import sessions_unasked
from universe_pipeline.domain.errors import DatabaseError, SchemaTooNewError
from universe_pipeline.domain.tables import COLUMNS
from universe_pipeline_tests.support.older_releases import made_at
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_3,
    JULY_5,
    T1,
    T2,
    load_of,
    requests_of,
    stored,
)

VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"


_LOADED_BY_THE_FIRST_RELEASE = """
    INSERT INTO daily_bars VALUES ('2024-07-01', 'A', 10, 11, 9, 10.5, 100, 10.2, 7, 'grouped');
    INSERT INTO session_loads (date, status, received, stored, content_hash, fetched_at)
    VALUES ('2024-07-01', 'loaded', 1, 1, 'abc', '2024-07-02')
    """

_SYMBOLS_ASKED_FOR = """
    INSERT INTO symbol_loads (symbol, loaded, fetched_at, covered) VALUES
        ('A', '{[2024-07-01,2024-07-03),[2024-07-05,2024-07-06)}', '2024-07-10 12:00Z', true),
        ('a', '{[2024-07-01,2024-07-09)}', '2024-07-10 13:00Z', false)
    """


def test_an_empty_database_is_brought_to_the_newest_step(empty_database: Database) -> None:
    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        assert schema.current_version(connection) == schema.HEAD


def test_the_tables_are_public_also_where_the_role_has_a_schema_of_its_name(
    empty_database: Database,
) -> None:
    with empty_database.connect() as connection:
        connection.execute("CREATE SCHEMA AUTHORIZATION current_user")

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        schemas = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables"
            " WHERE tablename IN ('symbols', 'daily_bars', 'universe_schema_version')"
        ).fetchall()
        assert schemas == [("public",)]
        assert connection.execute("SELECT current_schemas(false)").fetchone() == (["public"],)


def test_head_is_the_newest_step_there_is() -> None:
    steps = sorted(path.name for path in VERSIONS.glob("r*.py"))

    assert steps[-1].startswith(f"r{schema.HEAD}_")


def test_two_that_start_at_once_migrate_once(empty_database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(schema.bring_up_to_date, [empty_database] * 4))

    with empty_database.connect() as connection:
        assert schema.current_version(connection) == schema.HEAD


def test_a_loaded_database_of_the_first_release_keeps_all_but_its_fingerprints(
    empty_database: Database,
) -> None:
    with made_at("0001", empty_database) as connection:
        make_quarters(connection, [JULY_1])
        connection.execute(_LOADED_BY_THE_FIRST_RELEASE)

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        assert stored(connection, JULY_1) == [("A", 10, 11, 9, 10.5, 100, 10.2, 7, "grouped")]
        kept = load_of(connection, JULY_1, "status", "stored", "content_hash")
        assert kept == ("loaded", 1, None)


def test_what_symbols_were_asked_for_is_kept_with_the_newest_moment_known(
    empty_database: Database,
) -> None:
    with made_at("0004", empty_database) as connection:
        connection.execute(_SYMBOLS_ASKED_FOR)
        before = connection.execute("SELECT * FROM symbol_loads ORDER BY symbol").fetchall()

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        after = connection.execute("SELECT * FROM symbol_loads ORDER BY symbol").fetchall()
        assert after == before
        assert requests_of(connection, "A") == [
            (T1, "{[2024-07-01,2024-07-03),[2024-07-05,2024-07-06)}")
        ]
        assert requests_of(connection, "a") == [(T2, "{[2024-07-01,2024-07-09)}")]
        assert sessions_unasked(connection, "A", [JULY_1, JULY_3, JULY_5]) == [JULY_3]


_FAILED_IN_AN_OLDER_RELEASE = """
    INSERT INTO data_fetch_errors
        (endpoint, symbol, date, until, kind, message, attempts, retryable)
    VALUES
        ('/v2/aggs/grouped/locale/us/market/stocks/2024-07-01',
         NULL, '2024-07-01', NULL, 'timeout', '', 6, true),
        ('grouped 2024-07-02', NULL, '2024-07-02', NULL, 'collapsed', '', 1, true),
        ('/v2/aggs/ticker/A/range/1/day/2024-07-01/2024-07-03',
         'A', '2024-07-01', '2024-07-03', 'timeout', '', 6, true),
        ('/mirror/v2/aggs/ticker/A/range/1/day/2003-09-10/2024-07-03',
         NULL, '2003-09-10', NULL, 'outside_plan', '', 1, false),
        ('/v3/reference/tickers', NULL, NULL, NULL, 'timeout', '', 6, true),
        ('/stocks/v1/splits', NULL, NULL, NULL, 'timeout', '', 6, true),
        ('/mirror/v3/reference/splits', NULL, NULL, NULL, 'timeout', '', 6, true)
    """


def test_failures_of_older_releases_get_the_dataset_of_what_they_asked(
    empty_database: Database,
) -> None:
    with made_at("0007", empty_database) as connection:
        connection.execute(_FAILED_IN_AN_OLDER_RELEASE)

    schema.bring_up_to_date(empty_database)

    with empty_database.connect() as connection:
        rows = connection.execute("SELECT dataset FROM data_fetch_errors ORDER BY id").fetchall()
    assert [row[0] for row in rows] == [
        *("daily_bars", "daily_bars", "symbol_bars", "symbol_bars"),
        *("symbols", "splits", "splits"),
    ]


def test_a_database_of_a_newer_release_is_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE universe_schema_version SET version_num = '9999'")

    with pytest.raises(SchemaTooNewError, match="schema 9999"):
        schema.bring_up_to_date(database)


@pytest.mark.parametrize("table", ["symbols", "daily_bars", "data_coverage", "splits"])
def test_the_catalogue_of_tables_is_the_schema(connection: Connection, table: str) -> None:
    found = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()

    assert found == [(column.name, column.type) for column in COLUMNS[table]]


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        ("CREATE TABLE symbols (id int)", "public.symbols in"),
        ("CREATE VIEW splits AS SELECT 1 AS ratio", "public.splits in"),
        (
            "CREATE TABLE load_jobs (); CREATE TABLE splits ()",
            "public.load_jobs (and 1 more of our",
        ),
        ("CREATE SCHEMA dagster; CREATE TABLE dagster.runs ()", "dagster.runs in"),
        ("CREATE TABLE universe_schema_version (x int)", "public.universe_schema_version in"),
    ],
)
def test_tables_of_others_by_our_names_are_named_and_left_alone(
    empty_database: Database, foreign: str, named: str
) -> None:
    with empty_database.connect() as connection:
        connection.execute(foreign.encode())
        before = relations(connection)

        with pytest.raises(DatabaseError) as refused:
            schema.bring_up_to_date(empty_database)

        assert str(refused.value).startswith(f"{named}")
        assert "is not of this program; nothing was changed" in str(refused.value)
        assert relations(connection) == before


def test_other_tables_of_others_are_left_alone(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text); CREATE TABLE runs ()")

        schema.bring_up_to_date(empty_database)

        assert {"alembic_version", "runs", "symbols"} <= set(relations(connection))


def test_a_table_of_others_by_a_name_of_a_later_step_is_named(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        schema.bring_up_to_date(empty_database)
        connection.execute("UPDATE universe_schema_version SET version_num = '0005'")

        with pytest.raises(DatabaseError, match=r"refused_answers.*Another program made it"):
            schema.bring_up_to_date(empty_database)


def test_the_list_of_tables_and_views_is_the_schema(connection: Connection) -> None:
    assert relations(connection) == sorted([*schema.RELATIONS, "universe_schema_version"])


def relations(connection: Connection) -> list[str]:
    """The tables and views of schema public, without partitions."""
    found = connection.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v') AND NOT relispartition"
    )
    return sorted(row[0] for row in found.fetchall())
