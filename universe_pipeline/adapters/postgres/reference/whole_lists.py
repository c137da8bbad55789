"""Reference lists in tables: staged, and swapped whole in one transaction.

A list has four tables: its rows (`splits`), one row for each list that came in whole
(`split_snapshots`), what a later list changed or dropped (`split_revisions`), and what cannot be
used of the newest list (`rejected_splits`). `ListTables` names them, and says where a list differs.

A list of `ReferenceList.windowed_by` comes in windows of days. Each is swapped as a list is, and
touches only rows of its days. Its snapshots have `first_date` and `last_date` (null: no end), its
rejected rows `window_start`, the first day that was asked for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, LiteralString

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres import columns
from universe_pipeline.adapters.postgres.text import storable, storable_json
from universe_pipeline.domain import fingerprint
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.reference_lists import Listed, ReferenceList
from universe_pipeline.domain.windows import Window

_STAMPED = """
    fetched_at = excluded.fetched_at,
    believed_from = CASE WHEN ({stored}) IS NOT DISTINCT FROM ({sent})
                         THEN s.believed_from ELSE excluded.believed_from END
    """


@dataclass(frozen=True, slots=True)
class Retirement:
    """What happens to stored rows that a list no longer has, instead of their deletion."""

    applies_to: LiteralString
    """A condition on the stored row `s`."""
    changes: LiteralString
    """As after UPDATE … SET."""


@dataclass(frozen=True, slots=True)
class ListTables:
    """The tables of a list.

    The first one holds the columns of `of.schema` and two moments, which both are that of the
    list for a new row: `fetched_at` and `believed_from`, unless `stamped` says otherwise.
    """

    of: ReferenceList
    snapshots: str
    revisions: str
    rejected: str
    rejected_by: tuple[str, str]
    """The columns of `rejected` that say what a row is about: symbol, then day."""
    passing: tuple[str, ...] = ()
    """Values that change without a revision."""
    completed: LiteralString | None = None
    """A statement that gives staged rows (`listed`) what they lack and the stored ones have, or
    removes those about which the stored ones stay (`unsure` has their keys)."""
    harmless: tuple[str, ...] = ()
    """Rules whose rejected rows leave no doubt about the stored ones."""
    believed_from: LiteralString = "s.believed_from"
    """Since when the stored row `s` is as it is."""
    stamped: LiteralString = _STAMPED
    """The moments of a row that is stored already, as after DO UPDATE SET."""
    retirement: Retirement | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """How many rows a swap added, changed, and removed or retired."""

    added: int
    changed: int
    removed: int


Key = tuple[Any, ...]
"""Values of `ReferenceList.key`, in its order; None stands for any."""


def swap(
    connection: psycopg.Connection,
    tables: ListTables,
    rows: pl.DataFrame,
    unsure: Iterable[Key],
    taken_at: datetime,
    run_id: str | None,
    window: Window | None = None,
) -> Changes:
    """Make `rows` those of the table, and keep the values that this changes as revisions.

    Args:
        connection: in a transaction.
        tables: those of the list.
        rows: `ReferenceList.schema`, one a key.
        unsure: keys of stored rows that stay as they are, because a row about them cannot be used.
        taken_at: when the list was asked for.
        run_id: the run that asked.
        window: the days of which these are all rows; None: all days.
    """
    given = {"at": taken_at, "run_id": run_id, **_days(window)}
    _stage(connection, tables, rows, taken_at)
    _stage_unsure(connection, tables, unsure)
    if tables.completed is not None:
        connection.execute(tables.completed)
    changed = connection.execute(_of(tables, _REVISE_CHANGED), given).rowcount
    removed = connection.execute(_of(tables, _REVISE_GONE), given).rowcount
    connection.execute(_of(tables, _RETIRE if tables.retirement else _REMOVE), given)
    added = connection.execute(_of(tables, _COUNT_NEW), given).fetchone()
    connection.execute(_of(tables, _UPSERT))
    return Changes(added[0] if added else 0, changed, removed)


_REVISE_CHANGED = """
    INSERT INTO {revisions}
    SELECT {row}, {believed_from}, %(at)s, %(run_id)s
    FROM {table} s JOIN listed l ON {is_same}
    WHERE ({stored}) IS DISTINCT FROM ({listed}) AND {in_window}
    """

_IS_GONE = """
    NOT EXISTS (SELECT FROM listed l WHERE {is_same})
    AND NOT EXISTS (SELECT FROM unsure u WHERE {is_unsure})
    AND {may_go} AND {in_window}
    """

_REVISE_GONE = f"""
    INSERT INTO {{revisions}}
    SELECT {{row}}, {{believed_from}}, %(at)s, %(run_id)s
    FROM {{table}} s WHERE {_IS_GONE}
    """

_REMOVE = f"DELETE FROM {{table}} s WHERE {_IS_GONE}"
_RETIRE = f"UPDATE {{table}} s SET {{retired}} WHERE {_IS_GONE}"

_COUNT_NEW = """
    SELECT count(*) FROM listed l
    WHERE NOT EXISTS (SELECT FROM {table} s WHERE {is_same} AND {in_window})
    """

_UPSERT = """
    INSERT INTO {table} AS s
    SELECT * FROM listed
    ON CONFLICT ({key}) DO UPDATE SET {replaced}, {stamped}
    """


def _of(tables: ListTables, query: LiteralString) -> sql.Composed:
    """The query about the tables of one list."""
    values = [name for name in tables.of.schema if name not in tables.of.key]
    compared = [name for name in values if name not in tables.passing]
    retirement = tables.retirement or Retirement("true", "")
    sides = {"stored": columns.listed(compared, "s"), "sent": columns.listed(compared, "excluded")}
    return sql.SQL(query).format(
        **{name: sql.Identifier(text) for name, text in _names(tables).items()},
        row=columns.listed(tables.of.schema, "s"),
        key=columns.listed(tables.of.key),
        stored=sides["stored"],
        listed=columns.listed(compared, "l"),
        believed_from=sql.SQL(tables.believed_from),
        is_same=_matching("l.{0} = s.{0}", tables.of.key),
        is_unsure=_matching("coalesce(u.{0}, s.{0}) = s.{0}", tables.of.key),
        may_go=sql.SQL(retirement.applies_to),
        in_window=_in_window(tables, "s.{}"),
        rejected_in_window=_in_window(tables, "coalesce({}, window_start)"),
        retired=sql.SQL(retirement.changes),
        replaced=columns.replaced(values),
        stamped=sql.SQL(tables.stamped).format(**sides),
    )


def _names(tables: ListTables) -> dict[str, str]:
    return {
        "table": tables.of.name,
        "snapshots": tables.snapshots,
        "revisions": tables.revisions,
        "rejected": tables.rejected,
    }


def _days(window: Window | None) -> dict[str, date | None]:
    return {} if window is None else {"first": window.first, "last": window.last}


def _in_window(tables: ListTables, day: LiteralString) -> sql.Composable:
    """The condition that `day` is of the window whose `_days` are given; true for a whole list."""
    if tables.of.windowed_by is None:
        return sql.SQL("true")
    named = sql.SQL(day).format(sql.Identifier(tables.of.windowed_by))
    return sql.SQL(_BETWEEN).format(day=named)


_BETWEEN = "{day} BETWEEN %(first)s AND coalesce(%(last)s::date, 'infinity')"


def _matching(condition: LiteralString, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL(condition).format(sql.Identifier(name)) for name in names)


def _stage(
    connection: psycopg.Connection, tables: ListTables, rows: pl.DataFrame, taken_at: datetime
) -> None:
    connection.execute(_of(tables, _STAGED))
    named = rows.select(tables.of.schema.names()).with_columns(
        pl.col(pl.String).str.replace_all("\0", storable("\0"), literal=True)
    )
    stamped = named.with_columns(_fetched=pl.lit(taken_at), _believed=pl.lit(taken_at))
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(stamped.write_csv(include_header=False, quote_style="non_numeric"))
    connection.execute("ANALYZE listed")


_COPY = "COPY listed FROM STDIN (FORMAT csv)"
"""Polars writes texts in quotes, and null without."""

_STAGED = "CREATE TEMPORARY TABLE listed (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"


def _stage_unsure(
    connection: psycopg.Connection, tables: ListTables, unsure: Iterable[Key]
) -> None:
    connection.execute(_of(tables, _STAGED_UNSURE))
    with connection.cursor() as cursor, cursor.copy("COPY unsure FROM STDIN") as copy:
        for key in unsure:
            copy.write_row(tuple(map(_storable, key)))
    connection.execute("ANALYZE unsure")  # mostly empty, which the planner would not assume


_STAGED_UNSURE = """
    CREATE TEMPORARY TABLE unsure ON COMMIT DROP AS SELECT {key} FROM {table} WITH NO DATA
    """


def _storable(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row of a list that is not stored: what it is about, its rule, and as it came."""

    about: tuple[Any, Any]
    """Values of `ListTables.rejected_by`."""
    rule: str
    payload: dict[str, Any]


def replace_rejected(
    connection: psycopg.Connection,
    tables: ListTables,
    rejected: Iterable[Unusable],
    fetched_at: datetime,
    run_id: str | None,
    window: Window | None = None,
) -> None:
    """Keep the rows of the newest list that cannot be used, and no others of its window."""
    connection.execute(_of(tables, _FORGET_REJECTED), _days(window))
    asked = {} if window is None else {"window_start": window.first}
    rows = [
        {
            **dict(zip(tables.rejected_by, map(_storable, row.about), strict=True)),
            "rule": row.rule,
            "payload": Json(storable_json(row.payload)),
            "fetched_at": fetched_at,
            "run_id": run_id,
            **asked,
        }
        for row in rejected
    ]
    _insert(connection, tables.rejected, rows)


_FORGET_REJECTED = "DELETE FROM {rejected} WHERE {rejected_in_window}"


def _insert(connection: psycopg.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the columns of the first."""
    if not rows:
        return
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        columns.listed(rows[0]),
        sql.SQL(", ").join(map(sql.Placeholder, rows[0])),
    )
    with connection.cursor() as cursor:
        cursor.executemany(query, rows)


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """A list that came in whole, and what it changed."""

    taken_at: datetime
    endpoint: str
    rows: int
    """Usable ones."""
    added: int
    changed: int
    removed: int
    rejected: int
    content_hash: str


def newest_list(
    connection: psycopg.Connection, tables: ListTables, endpoint: str | None = None
) -> ListSnapshot | None:
    """The last list that came in whole, of that endpoint or of any; None if there was none."""
    query = sql.SQL(
        "SELECT {} FROM {} WHERE endpoint = coalesce(%s, endpoint) ORDER BY taken_at DESC LIMIT 1"
    ).format(_snapshot_columns(tables), sql.Identifier(tables.snapshots))
    row = connection.execute(query, (endpoint,)).fetchone()
    return None if row is None else ListSnapshot(*row)


def _snapshot_columns(tables: ListTables) -> sql.SQL:
    """The count of rows has the name of the list: `split_snapshots.splits`."""
    changes = ("added", "changed", "removed", "rejected", "content_hash")
    return columns.listed(("taken_at", "endpoint", tables.of.name, *changes))


def swap_list(
    connection: psycopg.Connection, tables: ListTables, listed: Listed, run_id: str | None
) -> ListSnapshot:
    """Make `listed` the table's rows (of its window), and record the snapshot, in one transaction.

    A stored row stays as it is where the row about it was rejected: of the row's symbol and day,
    as far as the row has them.
    """
    with connection.transaction():
        unsure = _keys_of(tables, listed.rejected)
        changes = swap(
            connection, tables, listed.accepted, unsure, listed.taken_at, run_id, listed.window
        )
        rejected = (
            Unusable((row.symbol, row.day), row.rule, row.payload) for row in listed.rejected
        )
        replace_rejected(connection, tables, rejected, listed.taken_at, run_id, listed.window)
        snapshot = ListSnapshot(
            taken_at=listed.taken_at,
            endpoint=listed.endpoint,
            rows=listed.accepted.height,
            added=changes.added,
            changed=changes.changed,
            removed=changes.removed,
            rejected=len(listed.rejected),
            content_hash=content_hash(tables.of, listed.accepted),
        )
        _record(connection, tables, snapshot, run_id, listed.window)
    return snapshot


def _keys_of(tables: ListTables, rejected: Iterable[RejectedRow]) -> set[Key]:
    """The keys that rejected rows are about, without those of which nothing can be read."""
    doubtful = ((row.symbol, row.day) for row in rejected if row.rule not in tables.harmless)
    about = (dict(zip(tables.rejected_by, each, strict=True)) for each in doubtful)
    keys = {tuple(each.get(name) for name in tables.of.key) for each in about}
    return {key for key in keys if any(value is not None for value in key)}


def content_hash(reference: ReferenceList, rows: pl.DataFrame) -> str:
    """The fingerprint of a list's rows."""
    return fingerprint.of_frame(rows.select(reference.schema.names()), len(reference.key))


def _record(
    connection: psycopg.Connection,
    tables: ListTables,
    snapshot: ListSnapshot,
    run_id: str | None,
    window: Window | None,
) -> None:
    row = {tables.of.name if name == "rows" else name: value for name, value in _items(snapshot)}
    asked = {} if window is None else {"first_date": window.first, "last_date": window.last}
    _insert(connection, tables.snapshots, [{**row, **asked, "run_id": run_id}])


def _items(snapshot: ListSnapshot) -> Iterator[tuple[str, Any]]:
    return ((each.name, getattr(snapshot, each.name)) for each in fields(snapshot))


def stored_rows(
    connection: psycopg.Connection, tables: ListTables, window: Window | None = None
) -> pl.DataFrame:
    """Every row of the list, or of a window of it (`ReferenceList.schema`), by key."""
    in_window = sql.SQL("true") if window is None else _in_window(tables, "{}")
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
        columns.listed(tables.of.schema),
        sql.Identifier(tables.of.name),
        in_window,
        columns.listed(tables.of.key),
    )
    rows = connection.execute(query, _days(window)).fetchall()
    return pl.DataFrame(rows, schema=tables.of.schema, orient="row")
