"""Splits: staged, swapped whole in one transaction, with what the swap changed kept."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
import psycopg
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.locks import SPLITS_LOCK, turn
from universe_pipeline.adapters.postgres.text import storable, storable_json
from universe_pipeline.domain import fingerprint
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.splits import SPLIT_SCHEMA


@dataclass(frozen=True, slots=True)
class SplitSnapshot:
    """A list of splits that came in whole, and what it changed."""

    taken_at: datetime
    endpoint: str
    splits: int
    """Usable ones, announced ones included."""
    added: int
    changed: int
    removed: int
    rejected: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class SplitList:
    """The rows of a list, validated, on their way into the table."""

    endpoint: str
    accepted: pl.DataFrame
    """`SPLIT_SCHEMA`, one a symbol and date."""
    rejected: Sequence[RejectedRow]
    taken_at: datetime
    """When its first page was asked for."""


def newest_split_snapshot(
    connection: psycopg.Connection, endpoint: str | None = None
) -> SplitSnapshot | None:
    """The last list that came in whole, of that endpoint or of any; None if there was none."""
    row = connection.execute(
        "SELECT taken_at, endpoint, splits, added, changed, removed, rejected, content_hash"
        " FROM split_snapshots WHERE endpoint = coalesce(%s, endpoint)"
        " ORDER BY taken_at DESC LIMIT 1",
        (endpoint,),
    ).fetchone()
    return None if row is None else SplitSnapshot(*row)


def splits_lock(connection: psycopg.Connection) -> AbstractContextManager[None]:
    """Hold, for the block, the right to ask for the splits."""
    return turn(connection, SPLITS_LOCK)


def swap_splits(
    connection: psycopg.Connection, listed: SplitList, run_id: str | None
) -> SplitSnapshot:
    """Make `listed` the splits, and record the snapshot.

    A split whose ratio stays keeps its type where the list lacks it. A stored split stays as it is
    where the row about it was rejected: of the row's symbol and date, as far as the row has them.
    """
    given = {"at": listed.taken_at, "run_id": run_id}
    with connection.transaction():
        connection.execute(
            "CREATE TEMPORARY TABLE listed (LIKE splits INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        _stage(connection, listed)
        _stage_unsure(connection, listed.rejected)
        connection.execute(_KEEP_TYPES)
        changed = connection.execute(_REVISE_CHANGED, given).rowcount
        removed = connection.execute(_REVISE_REMOVED, given).rowcount
        connection.execute(_REMOVE)
        added = connection.execute(_COUNT_NEW).fetchone()
        connection.execute(_UPSERT)
        _replace_rejected(connection, listed, run_id)
        snapshot = SplitSnapshot(
            taken_at=listed.taken_at,
            endpoint=listed.endpoint,
            splits=listed.accepted.height,
            added=added[0] if added else 0,
            changed=changed,
            removed=removed,
            rejected=len(listed.rejected),
            content_hash=fingerprint.of_list(
                listed.accepted.select(SPLIT_SCHEMA.names()).rows(), keys=2
            ),
        )
        _record(connection, snapshot, run_id)
    return snapshot


_KEEP_TYPES = """
    UPDATE listed l SET adjustment_type = s.adjustment_type FROM splits s
    WHERE s.symbol = l.symbol AND s.execution_date = l.execution_date
      AND (s.split_from, s.split_to) = (l.split_from, l.split_to) AND l.adjustment_type IS NULL
    """

_REVISE_CHANGED = """
    INSERT INTO split_revisions
    SELECT s.symbol, s.execution_date, s.split_from, s.split_to, s.adjustment_type,
           s.believed_from, %(at)s, %(run_id)s
    FROM splits s JOIN listed l USING (symbol, execution_date)
    WHERE (s.split_from, s.split_to, s.adjustment_type)
          IS DISTINCT FROM (l.split_from, l.split_to, l.adjustment_type)
    """

_IS_GONE = """
    NOT EXISTS (SELECT FROM listed l
                WHERE l.symbol = s.symbol AND l.execution_date = s.execution_date)
    AND NOT EXISTS (SELECT FROM unsure u
                    WHERE coalesce(u.symbol, s.symbol) = s.symbol
                      AND coalesce(u.execution_date, s.execution_date) = s.execution_date)
    """

_REVISE_REMOVED = f"""
    INSERT INTO split_revisions
    SELECT s.symbol, s.execution_date, s.split_from, s.split_to, s.adjustment_type,
           s.believed_from, %(at)s, %(run_id)s
    FROM splits s WHERE {_IS_GONE}
    """

_REMOVE = f"DELETE FROM splits s WHERE {_IS_GONE}"

_COUNT_NEW = """
    SELECT count(*) FROM listed l LEFT JOIN splits s USING (symbol, execution_date)
    WHERE s.symbol IS NULL
    """

_UPSERT = """
    INSERT INTO splits AS s
    SELECT * FROM listed
    ON CONFLICT (symbol, execution_date) DO UPDATE SET
        split_from = excluded.split_from, split_to = excluded.split_to,
        adjustment_type = excluded.adjustment_type, fetched_at = excluded.fetched_at,
        believed_from = CASE
            WHEN (s.split_from, s.split_to, s.adjustment_type) IS NOT DISTINCT FROM
                 (excluded.split_from, excluded.split_to, excluded.adjustment_type)
            THEN s.believed_from ELSE excluded.believed_from END
    """


def _stage(connection: psycopg.Connection, listed: SplitList) -> None:
    rows = listed.accepted.select(SPLIT_SCHEMA.names()).iter_rows()
    with connection.cursor() as cursor, cursor.copy("COPY listed FROM STDIN") as copy:
        for symbol, day, split_from, split_to, kind in rows:
            told = None if kind is None else storable(kind)
            at = listed.taken_at
            copy.write_row((storable(symbol), day, split_from, split_to, told, at, at))
    connection.execute("ANALYZE listed")


def _stage_unsure(connection: psycopg.Connection, rejected: Sequence[RejectedRow]) -> None:
    connection.execute(
        'CREATE TEMPORARY TABLE unsure (symbol text COLLATE "C", execution_date date)'
        " ON COMMIT DROP"
    )
    known = {(row.symbol, row.day) for row in rejected} - {(None, None)}
    with connection.cursor() as cursor, cursor.copy("COPY unsure FROM STDIN") as copy:
        for symbol, day in known:
            copy.write_row((None if symbol is None else storable(symbol), day))


def _replace_rejected(
    connection: psycopg.Connection, listed: SplitList, run_id: str | None
) -> None:
    connection.execute("DELETE FROM rejected_splits")
    for row in listed.rejected:
        symbol = None if row.symbol is None else storable(row.symbol)
        connection.execute(
            "INSERT INTO rejected_splits"
            " (symbol, execution_date, rule, payload, fetched_at, run_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                symbol,
                row.day,
                row.rule,
                Json(storable_json(row.payload)),
                listed.taken_at,
                run_id,
            ),
        )


def _record(connection: psycopg.Connection, snapshot: SplitSnapshot, run_id: str | None) -> None:
    connection.execute(
        "INSERT INTO split_snapshots (taken_at, endpoint, splits, added, changed, removed,"
        " rejected, content_hash, run_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            snapshot.taken_at,
            snapshot.endpoint,
            snapshot.splits,
            snapshot.added,
            snapshot.changed,
            snapshot.removed,
            snapshot.rejected,
            snapshot.content_hash,
            run_id,
        ),
    )


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The stored splits in a few numbers."""

    by_type: dict[str, int]
    """Empty text: the type is not known."""
    newest: date | None
    """The last execution date up to today."""
    announced: int


def split_figures(connection: psycopg.Connection, today: date) -> SplitFigures:
    """Count the splits as of `today`, the day in New York."""
    by_type = connection.execute(
        "SELECT coalesce(adjustment_type, ''), count(*) FROM splits GROUP BY 1 ORDER BY 2 DESC"
    ).fetchall()
    row: Any = connection.execute(
        "SELECT max(execution_date) FILTER (WHERE execution_date <= %(today)s),"
        " count(*) FILTER (WHERE execution_date > %(today)s) FROM splits",
        {"today": today},
    ).fetchone()
    return SplitFigures(dict(by_type), *row)


def stored_splits(connection: psycopg.Connection) -> pl.DataFrame:
    """Every split, announced ones included, by symbol and date (`SPLIT_SCHEMA`)."""
    rows = connection.execute(
        "SELECT symbol, execution_date, split_from, split_to, adjustment_type"
        " FROM splits ORDER BY symbol, execution_date"
    ).fetchall()
    return pl.DataFrame(rows, schema=SPLIT_SCHEMA, orient="row")


def rejected_splits(
    connection: psycopg.Connection,
) -> list[tuple[str | None, date | None, str]]:
    """Symbol, date and rule of the rows of the newest list that could not be used."""
    rows: list[Any] = connection.execute(
        "SELECT symbol, execution_date, rule FROM rejected_splits ORDER BY id"
    ).fetchall()
    return rows
