"""Coverage and evidence in a database, without bars and without a vendor."""

from collections.abc import Mapping
from datetime import date

import polars as pl

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity import statements
from universe_pipeline_tests.support.identities import day

TODAY = day("2024-07-09")
SAID = ("name", "type", "primary_exchange", "cik", "composite_figi", "share_class_figi")


def load(store: Connection, first: str, last: str) -> None:
    """Mark sessions as loaded."""
    store.execute(
        "INSERT INTO session_loads (date, status, fetched_at) SELECT date, 'loaded', now()"
        " FROM nyse_sessions WHERE date BETWEEN %s AND %s ON CONFLICT DO NOTHING",
        (first, last),
    )


def trade(store: Connection, symbol: str, *spans: tuple[str, str]) -> None:
    """Let a symbol have bars in each session of some spans, as its coverage says."""
    store.execute("DELETE FROM data_coverage WHERE symbol = %s", (symbol,))
    store.execute(
        """
        INSERT INTO data_coverage
            (symbol, first_date, last_date, bar_count, missing_count, loaded, updated_at)
        SELECT %(symbol)s, min(date), max(date), count(*), 0,
               range_agg(daterange(first, last, '[]')), now()
        FROM unnest(%(firsts)s::date[], %(lasts)s::date[]) AS spans (first, last)
        JOIN nyse_sessions ON date BETWEEN first AND last
        """,
        {
            "symbol": symbol,
            "firsts": [first for first, _ in spans],
            "lasts": [last for _, last in spans],
        },
    )


def said(*rows: Mapping[str, str | bool]) -> pl.DataFrame:
    """What a list says."""
    schema = {"symbol": pl.String, **dict.fromkeys(SAID, pl.String), "doubtful": pl.Boolean}
    filled = [{"type": "CS", "doubtful": False, **row} for row in rows]
    return pl.DataFrame(filled, schema=schema)


def list_active(store: Connection, on: date, *rows: Mapping[str, str | bool]) -> None:
    """Record a list of active tickers."""
    with store.transaction():
        statements.record_active(store, said(*rows), on)


META = {"symbol": "META", "name": "Meta Platforms, Inc.", "composite_figi": "BBG000MM2P62"}
FB = {**META, "symbol": "FB"}
