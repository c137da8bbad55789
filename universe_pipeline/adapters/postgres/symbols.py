"""The universe: staged, swapped whole in one transaction, remembered as a snapshot."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import polars as pl
import psycopg
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.locks import DISCOVERY_LOCK, turn
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.symbols import SYMBOL_SCHEMA


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A completed discovery."""

    taken_at: datetime
    symbols: int
    active: int
    by_type: dict[str, int]
    by_exchange: dict[str, int]
    content_hash: str
    without_figi: int | None
    """Symbols without a composite FIGI; None in snapshots that did not count them."""
    without_cik: int | None


def newest_snapshot(connection: psycopg.Connection) -> Snapshot | None:
    """The last completed discovery, if there was one."""
    row = connection.execute(
        "SELECT taken_at, symbols, active, by_type, by_exchange, content_hash, without_figi,"
        " without_cik FROM universe_snapshots ORDER BY taken_at DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Snapshot(*row)


def discovery_lock(connection: psycopg.Connection) -> AbstractContextManager[None]:
    """Hold, for the block, the right to discover: two at once would ask for the same pages."""
    return turn(connection, DISCOVERY_LOCK)


def swap_universe(
    connection: psycopg.Connection, symbols: pl.DataFrame, taken_at: datetime, run_id: str | None
) -> Snapshot:
    """Make `symbols` (`SYMBOL_SCHEMA`, unique) the universe, and record the snapshot.

    Symbols that stand in neither list any more stay, as inactive ones without a delisting date:
    the vendor lets renamed tickers vanish, and their bars are still here.
    """
    snapshot = _describe(symbols, taken_at)
    with connection.transaction():
        connection.execute(
            "CREATE TEMPORARY TABLE listed (LIKE symbols INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        _stage(connection, symbols, taken_at)
        connection.execute(_UPSERT)
        connection.execute(_RETIRE)
        _record(connection, snapshot, run_id)
    return snapshot


_UPSERT = """
    INSERT INTO symbols AS s
    SELECT * FROM listed
    ON CONFLICT (symbol) DO UPDATE SET
        name = excluded.name, type = excluded.type,
        primary_exchange = excluded.primary_exchange, currency = excluded.currency,
        cik = excluded.cik, composite_figi = excluded.composite_figi,
        share_class_figi = excluded.share_class_figi, active = excluded.active,
        delisted_date = excluded.delisted_date, last_updated_utc = excluded.last_updated_utc,
        last_seen_at = excluded.last_seen_at
    """

_RETIRE = """
    UPDATE symbols s SET active = false, delisted_date = NULL
    WHERE NOT EXISTS (SELECT FROM listed l WHERE l.symbol = s.symbol)
      AND (s.active OR s.delisted_date IS NOT NULL)
    """


def _stage(connection: psycopg.Connection, symbols: pl.DataFrame, taken_at: datetime) -> None:
    texts = [name for name, kind in SYMBOL_SCHEMA.items() if kind == pl.String()]
    with connection.cursor() as cursor, cursor.copy("COPY listed FROM STDIN") as copy:
        for row in symbols.select(list(SYMBOL_SCHEMA)).iter_rows(named=True):
            for name in texts:
                row[name] = None if row[name] is None else storable(row[name])
            copy.write_row((*row.values(), taken_at, taken_at))


def _describe(symbols: pl.DataFrame, taken_at: datetime) -> Snapshot:
    content = symbols.sort("symbol").write_csv().encode()
    return Snapshot(
        taken_at=taken_at,
        symbols=len(symbols),
        active=int(symbols["active"].sum()),
        by_type=_counts(symbols["type"]),
        by_exchange=_counts(symbols["primary_exchange"]),
        content_hash=sha256(content).hexdigest(),
        without_figi=symbols["composite_figi"].null_count(),
        without_cik=symbols["cik"].null_count(),
    )


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.fill_null("").value_counts(sort=True)
    return dict(counted.iter_rows())


def _record(connection: psycopg.Connection, snapshot: Snapshot, run_id: str | None) -> None:
    connection.execute(
        "INSERT INTO universe_snapshots"
        " (taken_at, symbols, active, by_type, by_exchange, content_hash, without_figi,"
        " without_cik, run_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            snapshot.taken_at,
            snapshot.symbols,
            snapshot.active,
            Json(snapshot.by_type),
            Json(snapshot.by_exchange),
            snapshot.content_hash,
            snapshot.without_figi,
            snapshot.without_cik,
            run_id,
        ),
    )


def record_types(connection: psycopg.Connection, types: Sequence[str]) -> None:
    """Make `universe_types`, by which `universe_bars` filters, hold exactly `types`."""
    with connection.transaction():
        connection.execute("DELETE FROM universe_types WHERE type <> ALL (%s)", (list(types),))
        connection.execute(
            "INSERT INTO universe_types SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
            (list(types),),
        )


def unknown_symbols(connection: psycopg.Connection, symbols: Iterable[str]) -> list[str]:
    """Those of `symbols` that stand in no reference list, in the order given."""
    asked = list(symbols)
    known = connection.execute("SELECT symbol FROM symbols WHERE symbol = ANY (%s)", (asked,))
    there = {row[0] for row in known}
    return [symbol for symbol in asked if symbol not in there]


def listed_counts(connection: psycopg.Connection, sessions: Sequence[date]) -> dict[date, int]:
    """How many securities of the universe's types were listed, as far as is known, by session.

    Counted are symbols that are active or were delisted later; one whose first bar is known
    counts from there on, since the vendor's lists hold no listing date.
    """
    rows: list[Any] = connection.execute(
        """
        WITH spans AS (
            SELECT coalesce(c.first_date, '-infinity') AS first,
                   CASE WHEN s.active THEN 'infinity'
                        ELSE coalesce(s.delisted_date, c.last_date + 1, '-infinity') END AS gone
            FROM symbols s JOIN universe_types t ON t.type = s.type
            LEFT JOIN data_coverage c ON c.symbol = s.symbol
        ), changes AS (
            SELECT first AS day, 1 AS step FROM spans WHERE first < gone
            UNION ALL SELECT gone, -1 FROM spans WHERE first < gone
            UNION ALL SELECT unnest(%(sessions)s::date[]), 0
        ), running AS (
            SELECT day, sum(sum(step)) OVER (ORDER BY day) AS listed FROM changes GROUP BY day
        )
        SELECT day, listed::int FROM running WHERE day = ANY (%(sessions)s)
        """,
        {"sessions": list(sessions)},
    ).fetchall()
    return dict(rows)
