"""The universe: staged, swapped whole in one transaction, remembered as a snapshot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.columns import listed
from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListTables,
    Retirement,
    Unusable,
    content_hash,
    replace_rejected,
    swap,
)
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.symbols import (
    KNOWN_SCHEMA,
    SYMBOL_LIST,
    SYMBOL_SCHEMA,
    RejectedTicker,
)

EXAMPLES = 20
"""Symbols kept of those whose known value of a column the lists no longer hold."""


@dataclass(frozen=True, slots=True)
class AbsentField:
    """A column of which the lists no longer hold known values, which are kept."""

    column: str
    count: int
    symbols: Sequence[str]
    """Up to `EXAMPLES`, active ones first."""


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
    revised: int | None = None
    """Symbols whose values changed; None, like the next two, in snapshots that did not count it."""
    rejected: int | None = None
    """Rows of the lists that broke a rule."""
    absent_fields: tuple[AbsentField, ...] | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """What a discovery knows about the lists next to the symbols that it stores."""

    rejected: Sequence[RejectedTicker] = ()
    unsure: Collection[str] = ()
    """Symbols that stay as they are, because the rows about them cannot be used."""
    absent: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By column the symbols whose known value the lists no longer hold."""


_NOTHING_ASIDE = Aside()


def newest_snapshot(connection: psycopg.Connection) -> Snapshot | None:
    """The last completed discovery, if there was one."""
    row = connection.execute(
        "SELECT taken_at, symbols, active, by_type, by_exchange, content_hash, without_figi,"
        " without_cik, revised, rejected, absent_fields"
        " FROM universe_snapshots ORDER BY taken_at DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    *values, absent = row
    return Snapshot(*values, absent_fields=absent_fields(absent))


def absent_fields(stored: Mapping[str, Mapping[str, Any]] | None) -> tuple[AbsentField, ...] | None:
    """Read `universe_snapshots.absent_fields`."""
    if stored is None:
        return None
    return tuple(AbsentField(column, **found) for column, found in stored.items())


def known_symbols(connection: psycopg.Connection) -> pl.DataFrame:
    """Every stored symbol (`KNOWN_SCHEMA`)."""
    rows = connection.execute(
        sql.SQL("SELECT {}, last_seen_at = max(last_seen_at) OVER () FROM symbols").format(
            listed(SYMBOL_SCHEMA)
        )
    ).fetchall()
    return pl.DataFrame(rows, schema=KNOWN_SCHEMA, orient="row")


_SINCE_LAST_REVISION = """
    coalesce((SELECT max(r.replaced_at) FROM symbol_revisions r WHERE r.symbol = s.symbol),
             s.first_seen_at)
    """

SYMBOL_TABLES = ListTables(
    of=SYMBOL_LIST,
    snapshots="universe_snapshots",
    revisions="symbol_revisions",
    rejected="rejected_symbols",
    rejected_by=("symbol", "active"),
    # The vendor moves it without any other change.
    passing=("last_updated_utc",),
    believed_from=_SINCE_LAST_REVISION,
    stamped="last_seen_at = excluded.last_seen_at",
    retirement=Retirement(
        applies_to="(s.active OR s.delisted_date IS NOT NULL)",
        changes="active = false, delisted_date = NULL",
    ),
)
"""Symbols that stand in neither list any more stay, as inactive ones without a delisting date: the
vendor lets renamed tickers vanish, and their bars are still here."""


def swap_universe(
    connection: psycopg.Connection,
    symbols: pl.DataFrame,
    taken_at: datetime,
    run_id: str | None,
    aside: Aside = _NOTHING_ASIDE,
) -> Snapshot:
    """Make `symbols` (`SYMBOL_SCHEMA`, unique) the universe, and record the snapshot.

    The values that this changes go to `symbol_revisions`.
    """
    with connection.transaction():
        unsure = [(symbol,) for symbol in aside.unsure]
        changes = swap(connection, SYMBOL_TABLES, symbols, unsure, taken_at, run_id)
        rejected = (
            Unusable((row.symbol, row.active), row.rule, row.payload) for row in aside.rejected
        )
        replace_rejected(connection, SYMBOL_TABLES, rejected, taken_at, run_id)
        snapshot = _describe(symbols, taken_at, changes.changed + changes.removed, aside)
        _record(connection, snapshot, run_id)
    return snapshot


def _describe(symbols: pl.DataFrame, taken_at: datetime, revised: int, aside: Aside) -> Snapshot:
    return Snapshot(
        taken_at=taken_at,
        symbols=len(symbols),
        active=int(symbols["active"].sum()),
        by_type=_counts(symbols["type"]),
        by_exchange=_counts(symbols["primary_exchange"]),
        content_hash=content_hash(SYMBOL_LIST, symbols),
        without_figi=symbols["composite_figi"].null_count(),
        without_cik=symbols["cik"].null_count(),
        revised=revised,
        rejected=len(aside.rejected),
        absent_fields=tuple(
            AbsentField(column, len(lost), lost[:EXAMPLES]) for column, lost in aside.absent.items()
        ),
    )


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.fill_null("").value_counts(sort=True)
    return dict(counted.iter_rows())


def _record(connection: psycopg.Connection, snapshot: Snapshot, run_id: str | None) -> None:
    connection.execute(
        "INSERT INTO universe_snapshots"
        " (taken_at, symbols, active, by_type, by_exchange, content_hash, without_figi,"
        " without_cik, revised, rejected, absent_fields, run_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            snapshot.taken_at,
            snapshot.symbols,
            snapshot.active,
            Json(snapshot.by_type),
            Json(snapshot.by_exchange),
            snapshot.content_hash,
            snapshot.without_figi,
            snapshot.without_cik,
            snapshot.revised,
            snapshot.rejected,
            Json(_as_json(snapshot.absent_fields or ())),
            run_id,
        ),
    )


def _as_json(absent: Sequence[AbsentField]) -> dict[str, Any]:
    return {
        each.column: {"count": each.count, "symbols": [storable(one) for one in each.symbols]}
        for each in absent
    }


def stored_types(connection: psycopg.Connection) -> list[str]:
    """The types by which sessions filter that set none of their own, in order."""
    rows = connection.execute("SELECT type FROM universe_types ORDER BY type")
    return [row[0] for row in rows]


def record_types(connection: psycopg.Connection, types: Sequence[str]) -> None:
    """Store `types` for sessions that set none of their own, unless some are stored."""
    if stored_types(connection):
        return  # as nearly always: every command and step asks
    with connection.transaction():
        connection.execute("LOCK TABLE universe_types IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(
            "INSERT INTO universe_types SELECT DISTINCT unnest(%s::text[])"
            " WHERE NOT EXISTS (SELECT FROM universe_types)",
            (list(types),),
        )


def unknown_symbols(connection: psycopg.Connection, symbols: Iterable[str]) -> list[str]:
    """Those of `symbols` that no reference list has, and that have no bar, in the order given."""
    asked = list(symbols)
    known = connection.execute(
        "SELECT symbol FROM symbols WHERE symbol = ANY (%(asked)s) UNION"
        " SELECT symbol FROM data_coverage WHERE symbol = ANY (%(asked)s) AND bar_count > 0",
        {"asked": asked},
    )
    there = {row[0] for row in known}
    return [symbol for symbol in asked if symbol not in there]


def listed_symbols(connection: psycopg.Connection) -> list[str]:
    """Every symbol of the reference lists, active ones of the universe's types first."""
    rows = connection.execute(
        "SELECT s.symbol FROM symbols s LEFT JOIN chosen_types t ON t.type = s.type"
        " ORDER BY s.active AND t.type IS NOT NULL DESC, s.active DESC, s.symbol"
    )
    return [row[0] for row in rows]


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
            FROM symbols s JOIN chosen_types t ON t.type = s.type
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


def chosen_types(connection: psycopg.Connection) -> list[str]:
    """The type codes by which this session filters."""
    return [code for (code,) in connection.execute("SELECT type FROM chosen_types ORDER BY 1")]
