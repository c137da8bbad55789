"""`action_verdicts`: what was judged of each action; what later data changes becomes a revision."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl
import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres import columns
from universe_pipeline.domain.quality.factors import APPLIED_SCHEMA
from universe_pipeline.domain.tables import Role, names
from universe_pipeline.domain.verdicts import CONFIRMED, VERDICT_SCHEMA, Kind

_KEY = names("action_verdicts", Role.KEY)
_VALUES = names("action_verdicts", Role.VALUE)

_STAGE = """
    CREATE TEMPORARY TABLE judged_actions ON COMMIT DROP AS
    SELECT {row} FROM action_verdicts WITH NO DATA
    """

_TOUCH = "CREATE TEMPORARY TABLE touched_securities (security_id bigint) ON COMMIT DROP"

_CHANGED = """
    INSERT INTO touched_securities
    SELECT unnest(ARRAY[v.security_id, j.security_id])
    FROM judged_actions j LEFT JOIN action_verdicts v USING ({key})
    WHERE (v.security_id, v.applied_on, v.multiplier)
          IS DISTINCT FROM (j.security_id, j.applied_on, j.multiplier)
    """

_REVISE = """
    INSERT INTO action_verdict_revisions
    SELECT {old_row}, v.believed_from, now(), %(run_id)s
    FROM action_verdicts v JOIN judged_actions j USING ({key})
    WHERE ({old}) IS DISTINCT FROM ({new})
    ON CONFLICT DO NOTHING
    """

_UPSERT = """
    INSERT INTO action_verdicts AS v
    SELECT {row}, now(), now() FROM judged_actions
    ON CONFLICT ({key}) DO UPDATE SET {replaced}, judged_at = now(),
        believed_from = CASE WHEN ({old}) IS DISTINCT FROM ({sent})
                             THEN now() ELSE v.believed_from END
    """

_GONE = """
    WITH gone AS (
        DELETE FROM action_verdicts v WHERE NOT EXISTS (
            SELECT FROM listed_actions a
            WHERE (a.kind, a.symbol, a.action_date) = (v.kind, v.symbol, v.action_date))
        RETURNING v.*
    ), revised AS (
        INSERT INTO action_verdict_revisions
        SELECT {old_row}, v.believed_from, now(), %(run_id)s FROM gone v
        ON CONFLICT DO NOTHING
    )
    INSERT INTO touched_securities SELECT security_id FROM gone
    """


def prepare(connection: psycopg.Connection) -> None:
    """Make the temporary tables of a refresh."""
    connection.execute(_of(_STAGE))
    connection.execute(_TOUCH)


def store(connection: psycopg.Connection, verdicts: pl.DataFrame, run_id: str | None) -> None:
    """Make `verdicts` (`VERDICT_SCHEMA`) those that hold, and keep the ones that this replaces."""
    connection.execute("TRUNCATE judged_actions")
    with (
        connection.cursor() as cursor,
        cursor.copy(_of("COPY judged_actions ({row}) FROM STDIN")) as copy,
    ):
        for row in verdicts.select(VERDICT_SCHEMA.names()).iter_rows():
            copy.write_row(row)
    for statement in (_CHANGED, _REVISE, _UPSERT):
        connection.execute(_of(statement), {"run_id": run_id})


def remove_gone(connection: psycopg.Connection, run_id: str | None) -> None:
    """Keep the verdicts on actions that are no longer listed as revisions, and nowhere else."""
    connection.execute(_of(_GONE), {"run_id": run_id})


def touched_securities(connection: psycopg.Connection) -> list[int]:
    """The securities of which an applied action changed in this transaction."""
    rows = connection.execute(
        "SELECT DISTINCT security_id FROM touched_securities WHERE security_id IS NOT NULL"
        " ORDER BY 1"
    )
    return [row[0] for row in rows]


def _of(query: str) -> sql.Composed:
    """The query, with lists of columns."""
    return sql.SQL(query).format(  # pyright: ignore[reportArgumentType]  # constants of this module
        row=columns.listed((*_KEY, *_VALUES)),
        old_row=columns.listed((*_KEY, *_VALUES), "v"),
        key=columns.listed(_KEY),
        old=columns.listed(_VALUES, "v"),
        new=columns.listed(_VALUES, "j"),
        sent=columns.listed(_VALUES, "excluded"),
        replaced=columns.replaced(_VALUES),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """An action and its verdict, as people read it."""

    kind: str
    symbol: str
    day: date
    verdict: str
    applied_on: date | None
    split_from: float | None
    split_to: float | None
    cash: float | None
    observed: float | None
    expected: float | None
    reason: str | None
    """Of the owner's override."""

    @property
    def words(self) -> str:
        """Like "split 1:4" or "dividend 0.24"."""
        if self.split_from is not None and self.split_to is not None:
            return f"{self.kind} {self.split_from:.12g}:{self.split_to:.12g}"
        return self.kind if self.cash is None else f"{self.kind} {self.cash:.12g}"


_JUDGED = """
    SELECT v.kind, v.symbol, v.action_date, v.verdict, v.applied_on,
           coalesce(o.split_from, s.split_from), coalesce(o.split_to, s.split_to),
           coalesce(o.cash, d.cash), v.observed, v.expected, o.reason
    FROM action_verdicts v
    LEFT JOIN splits s ON v.kind = 'split'
          AND (s.symbol, s.execution_date) = (v.symbol, v.action_date)
    LEFT JOIN LATERAL (
        SELECT sum(cash_amount ORDER BY n) AS cash FROM dividends d
        WHERE v.kind = 'dividend' AND (d.symbol, d.ex_date) = (v.symbol, v.action_date)
    ) d ON true
    LEFT JOIN action_overrides o
           ON (o.kind, o.symbol, o.action_date) = (v.kind, v.symbol, v.action_date)
    """


def counts(connection: psycopg.Connection) -> dict[str, dict[str, int]]:
    """How many actions have each verdict, by kind."""
    rows = connection.execute(
        "SELECT kind, verdict, count(*) FROM action_verdicts GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
    )
    found: dict[str, dict[str, int]] = {}
    for kind, verdict, count in rows:
        found.setdefault(kind, {})[verdict] = count
    return found


def unconfirmed(
    connection: psycopg.Connection, verdicts: Iterable[str] | None = None, limit: int | None = None
) -> list[Judged]:
    """Actions that are neither `verified` nor `usable`, or those of some verdicts; newest first."""
    rows = connection.execute(
        _JUDGED
        + """
        WHERE v.verdict <> ALL (%(confirmed)s)
          AND (%(verdicts)s::text[] IS NULL OR v.verdict = ANY (%(verdicts)s))
        ORDER BY v.action_date DESC, v.symbol, v.kind
        LIMIT %(limit)s
        """,
        {
            "confirmed": list(CONFIRMED),
            "verdicts": None if verdicts is None else list(verdicts),
            "limit": limit,
        },
    )
    return [Judged(*row) for row in rows]


def verdict_on(connection: psycopg.Connection, kind: str, symbol: str, day: date) -> Judged | None:
    """The verdict on one action; None if none was judged."""
    row = connection.execute(
        _JUDGED + "WHERE (v.kind, v.symbol, v.action_date) = (%s, %s, %s)", (kind, symbol, day)
    ).fetchone()
    return None if row is None else Judged(*row)


def applied(connection: psycopg.Connection, kind: Kind, symbol: str) -> pl.DataFrame:
    """What a symbol's applied actions of a kind do (`APPLIED_SCHEMA`), without the owner's."""
    rows = connection.execute(
        """
        SELECT action_date, multiplier FROM action_verdicts v
        WHERE (kind, symbol) = (%s, %s) AND applied_on IS NOT NULL AND NOT EXISTS (
            SELECT FROM action_overrides o
            WHERE (o.kind, o.symbol, o.action_date) = (v.kind, v.symbol, v.action_date))
        """,
        (kind, symbol),
    ).fetchall()
    return pl.DataFrame(rows, APPLIED_SCHEMA, orient="row")


def applied_splits(connection: psycopg.Connection) -> list[tuple[str, date, float, float]]:
    """Symbol, day and sides of splits that prices show, without stock dividends and the owner's."""
    rows = connection.execute(
        """
        SELECT v.symbol, v.applied_on, s.split_from, s.split_to
        FROM action_verdicts v
        JOIN splits s ON (s.symbol, s.execution_date) = (v.symbol, v.action_date)
        WHERE v.kind = 'split' AND v.verdict IN ('verified', 'contradicted')
          AND s.adjustment_type IS DISTINCT FROM 'stock_dividend'
          AND NOT EXISTS (
              SELECT FROM action_overrides o
              WHERE (o.kind, o.symbol, o.action_date) = (v.kind, v.symbol, v.action_date))
        """
    ).fetchall()
    return [(symbol, day, *sides) for symbol, day, *sides in rows]


def shared_days(connection: psycopg.Connection) -> list[tuple[str, date]]:
    """Symbol and day of splits on whose day a dividend of the security is applied, too."""
    rows = connection.execute(
        """
        SELECT DISTINCT s.symbol, s.applied_on
        FROM action_verdicts s JOIN action_verdicts d USING (security_id, applied_on)
        WHERE s.kind = 'split' AND d.kind = 'dividend' AND s.multiplier <> 1
        """
    ).fetchall()
    return [(symbol, day) for symbol, day in rows]
