"""The description of the public tables, against the migrated database."""

import polars as pl
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.bars import BAR_SCHEMA, DATED_BAR_SCHEMA
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA
from universe_pipeline.domain.tables import COLUMNS, Role, frame_schema, names

VIEWS = {
    "universe_bars",
    "adjusted_bars",
    "split_factors",
    "session_conditions",
    "chosen_types",
}

_RELATIONS = """
    SELECT relname, relkind = 'v' FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
      AND NOT relispartition
    """

_COLUMNS = """
    SELECT table_name, column_name, format_type(atttypid, NULL), is_nullable = 'YES'
    FROM information_schema.columns
    JOIN pg_attribute
      ON attrelid = format('public.%%I', table_name)::regclass AND attname = column_name
    WHERE table_schema = 'public' AND table_name = ANY (%s)
    ORDER BY table_name, ordinal_position
    """

_KEYS = """
    SELECT relname, attname FROM pg_index
    JOIN pg_class c ON c.oid = indrelid AND relnamespace = 'public'::regnamespace
    JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indisprimary AND relname = ANY (%s)
    """

Described = tuple[str, str, str, bool]


def test_every_public_table_and_view_is_described(connection: Connection) -> None:
    found = connection.execute(_RELATIONS).fetchall()

    assert {name for name, _ in found} == set(COLUMNS)
    assert {name for name, is_view in found if is_view} == VIEWS


def test_the_description_is_the_schema(connection: Connection) -> None:
    """By table: name, type and nullability, in order. A view's columns may all be null."""
    found = connection.execute(_COLUMNS, (list(COLUMNS),)).fetchall()

    described: list[Described] = [
        (table, column.name, column.type, column.is_nullable or table in VIEWS)
        for table, columns in sorted(COLUMNS.items())
        for column in columns
    ]
    assert described == [
        (table, name, "text" if kind == "character varying" else kind, is_nullable)
        for table, name, kind, is_nullable in found
    ]


def test_the_columns_of_role_key_are_the_primary_key(connection: Connection) -> None:
    found = connection.execute(_KEYS, (list(COLUMNS),)).fetchall()

    assert sorted(found) == sorted(
        (table, name) for table in COLUMNS.keys() - VIEWS for name in names(table, Role.KEY)
    )


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_has_a_meaning_and_a_type_in_frames(table: str) -> None:
    assert all(column.meaning for column in COLUMNS[table])
    assert frame_schema(table).names() == list(names(table))


def test_frames_of_bars_symbols_and_splits_hold_what_their_tables_do() -> None:
    prices = dict.fromkeys(("open", "high", "low", "close", "volume", "vwap"), pl.Float64())
    texts = ("name", "type", "primary_exchange", "currency", "cik", "composite_figi")

    assert dict(DATED_BAR_SCHEMA) == {
        "date": pl.Date(),
        "symbol": pl.String(),
        **prices,
        "transactions": pl.Int64(),
    }
    assert list(BAR_SCHEMA) == ["symbol", *prices, "transactions"]
    assert dict(SYMBOL_SCHEMA) == {
        **dict.fromkeys(("symbol", *texts, "share_class_figi"), pl.String()),
        "active": pl.Boolean(),
        "delisted_date": pl.Date(),
        "last_updated_utc": pl.Datetime("us", "UTC"),
    }
    assert dict(SPLIT_SCHEMA) == {
        "symbol": pl.String(),
        "execution_date": pl.Date(),
        "split_from": pl.Float64(),
        "split_to": pl.Float64(),
        "adjustment_type": pl.String(),
    }
