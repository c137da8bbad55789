"""`listing_evidence`: what lists say of symbols, one row while they say the same.

A writer holds `LISTINGS_LOCK` until its transaction ends. A refresh of the listings holds it too,
and therefore sees every row that changed before it.
"""

from datetime import date, datetime
from typing import LiteralString

import polars as pl
import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.adapters.postgres.locks import LISTINGS_LOCK, hold_until_commit
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.listings import statements
from universe_pipeline.domain.listings.evidence import Source

SAID = (*statements.SAID, "doubtful")
"""What a row says; others say when."""


def record_active(connection: psycopg.Connection, rows: pl.DataFrame, day: date) -> None:
    """Record the list of active tickers as it was asked for on a day; in a transaction.

    Args:
        connection: in a transaction.
        rows: `symbol` and the columns of `SAID`, one row a symbol.
        day: in New York.
    """
    hold_until_commit(connection, LISTINGS_LOCK)
    _stage(connection, rows)
    given = {"day": day, "source": Source.DISCOVERY}
    connection.execute(_of(_EXTEND), given)
    connection.execute(_of(_ADD), given)
    connection.execute("DROP TABLE said")


def record_delisted(connection: psycopg.Connection, rows: pl.DataFrame) -> None:
    """Record the list of delisted tickers, of those with a date; in a transaction.

    Args:
        connection: in a transaction.
        rows: `symbol`, `delisted_date` and the columns of `SAID`, one row a symbol and date.
    """
    hold_until_commit(connection, LISTINGS_LOCK)
    _stage(connection, rows)
    connection.execute(_of(_ADD_DELISTED), {"source": Source.DELISTED_LIST})
    connection.execute("DROP TABLE said")


def _stage(connection: psycopg.Connection, rows: pl.DataFrame) -> None:
    connection.execute(
        'CREATE TEMPORARY TABLE said (symbol text COLLATE "C", day date, name text, type text,'
        " primary_exchange text, cik text, composite_figi text, share_class_figi text,"
        " doubtful boolean) ON COMMIT DROP"
    )
    days = rows["delisted_date"] if "delisted_date" in rows.columns else pl.lit(None, pl.Date)
    staged = rows.select("symbol", days, *SAID)
    with connection.cursor() as cursor, cursor.copy("COPY said FROM STDIN") as copy:
        for row in staged.iter_rows():
            copy.write_row(tuple(storable(v) if isinstance(v, str) else v for v in row))
    connection.execute("ANALYZE said")


def _of(query: LiteralString) -> sql.Composed:
    return sql.SQL(query).format(
        said=listed(SAID),
        stored=listed(SAID, "e"),
        sent=listed(SAID, "s"),
        later=listed(SAID, "later"),
        excluded=listed(SAID, "excluded"),
    )


# A row goes on only from the list before: one that a list in between lacked begins again.
_EXTEND = """
    UPDATE listing_evidence e SET last_on = %(day)s FROM said s
    WHERE e.symbol = s.symbol AND e.source = %(source)s
      AND e.last_on = (SELECT max(last_on) FROM listing_evidence WHERE source = %(source)s)
      AND ({stored}) IS NOT DISTINCT FROM ({sent})
      AND e.last_on < %(day)s
    """

_ADD = """
    INSERT INTO listing_evidence AS e (symbol, first_on, last_on, source, {said}, changed_at)
    SELECT s.symbol, %(day)s, %(day)s, %(source)s, {sent}, clock_timestamp() FROM said s
    WHERE NOT EXISTS (
        SELECT FROM listing_evidence e
        WHERE e.symbol = s.symbol AND e.source = %(source)s
          AND %(day)s BETWEEN e.first_on AND e.last_on
          AND ({stored}) IS NOT DISTINCT FROM ({sent})
    )
    ON CONFLICT (symbol, source, first_on) DO UPDATE
    SET ({said}, changed_at) = ({excluded}, excluded.changed_at)
    """

_ADD_DELISTED = """
    INSERT INTO listing_evidence AS e (symbol, first_on, last_on, source, {said}, changed_at)
    SELECT s.symbol, s.day, s.day, %(source)s, {sent}, clock_timestamp() FROM said s
    ON CONFLICT (symbol, source, first_on) DO UPDATE
    SET ({said}, changed_at) = ({excluded}, excluded.changed_at)
    WHERE ({stored}) IS DISTINCT FROM ({excluded})
    """


def record_dated(
    connection: psycopg.Connection,
    rows: pl.DataFrame,
    day: date,
    taken_at: datetime,
    run_id: str | None = None,
) -> None:
    """Record the list of the tickers that were active on a past day; in a transaction.

    Args:
        connection: in a transaction.
        rows: `symbol` and the columns of `SAID`, one row a symbol.
        day: the day that the list is of, of which none is stored.
        taken_at: when it was asked for.
        run_id: the run that asked.
    """
    hold_until_commit(connection, LISTINGS_LOCK)
    _stage(connection, rows)
    before, after = connection.execute(
        "SELECT max(date) FILTER (WHERE date < %(day)s), min(date) FILTER (WHERE date > %(day)s)"
        " FROM dated_lists",
        {"day": day},
    ).fetchall()[0]
    given = {"day": day, "source": Source.DATED_LIST, "before": before, "after": after}
    for step in (_PART, _SHORTEN, _JOIN, _DROP_JOINED, _EXTEND_ON, _EXTEND_BACK, _ADD):
        connection.execute(_of(step), given)
    connection.execute(
        "INSERT INTO dated_lists (date, tickers, taken_at, run_id) VALUES (%s, %s, %s, %s)",
        (day, rows.height, taken_at, run_id),
    )
    connection.execute("DROP TABLE said")


_IS_PARTED = """
    e.source = %(source)s AND e.first_on < %(day)s AND e.last_on > %(day)s
    AND NOT EXISTS (
        SELECT FROM said s WHERE s.symbol = e.symbol
          AND ({stored}) IS NOT DISTINCT FROM ({sent})
    )
    """

_PART = f"""
    INSERT INTO listing_evidence
        (symbol, first_on, last_on, source, list_date, {{said}}, changed_at)
    SELECT e.symbol, %(after)s, e.last_on, e.source, e.list_date, {{stored}}, clock_timestamp()
    FROM listing_evidence e WHERE {_IS_PARTED}
    """

_SHORTEN = f"""
    UPDATE listing_evidence e SET last_on = %(before)s, changed_at = clock_timestamp()
    WHERE {_IS_PARTED}
    """

_CONTINUED = """
    e.source = %(source)s AND e.symbol = s.symbol AND ({stored}) IS NOT DISTINCT FROM ({sent})
    """

_JOIN = f"""
    UPDATE listing_evidence e SET last_on = later.last_on, changed_at = clock_timestamp()
    FROM said s, listing_evidence later
    WHERE {_CONTINUED} AND e.last_on = %(before)s
      AND later.source = e.source AND later.symbol = e.symbol AND later.first_on = %(after)s
      AND ({{later}}) IS NOT DISTINCT FROM ({{sent}})
    """

_DROP_JOINED = f"""
    DELETE FROM listing_evidence e USING said s
    WHERE {_CONTINUED} AND e.first_on = %(after)s
      AND EXISTS (
        SELECT FROM listing_evidence earlier
        WHERE earlier.source = e.source AND earlier.symbol = e.symbol
          AND earlier.first_on < e.first_on AND earlier.last_on = e.last_on
      )
    """

_EXTEND_ON = f"""
    UPDATE listing_evidence e SET last_on = %(day)s, changed_at = clock_timestamp()
    FROM said s WHERE {_CONTINUED} AND e.last_on = %(before)s
    """

_EXTEND_BACK = f"""
    UPDATE listing_evidence e SET first_on = %(day)s, changed_at = clock_timestamp()
    FROM said s WHERE {_CONTINUED} AND e.first_on = %(after)s
    """


def dated_lists(connection: psycopg.Connection) -> set[date]:
    """The days whose lists are stored."""
    return {row[0] for row in connection.execute("SELECT date FROM dated_lists")}
