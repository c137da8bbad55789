"""What the report is about, as it stood at one moment; read from small tables, never from bars."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import polars as pl
import psycopg

SESSION_SCHEMA = pl.Schema(
    {"date": pl.Date(), "condition": pl.String(), "status": pl.String(), "stored": pl.Int64()}
)
SPAN_SCHEMA = pl.Schema(
    {"first": pl.Date(), "last": pl.Date(), "chosen": pl.Boolean(), "symbols": pl.Int64()}
)


@contextmanager
def one_moment(connection: psycopg.Connection) -> Generator[None]:
    """Let all reads of the block see the same state, and write nothing."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def stored_range(connection: psycopg.Connection) -> tuple[date, date] | None:
    """The first and the last session that was asked for or has a bar; None where there is none."""
    row = connection.execute(
        """
        SELECT least((SELECT min(date) FROM session_loads), min(first_date)),
               greatest((SELECT max(date) FROM session_loads), max(last_date))
        FROM data_coverage
        """
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def session_states(connection: psycopg.Connection, start: date, end: date) -> pl.DataFrame:
    """Every closed session from `start` to `end`, in order: `SESSION_SCHEMA`.

    `status` is null and `stored` 0 where a session was never asked for.
    """
    rows = connection.execute(
        """
        SELECT c.date, c.condition, l.status, coalesce(l.stored, 0)
        FROM session_conditions c LEFT JOIN session_loads l USING (date)
        WHERE c.date BETWEEN %s AND %s ORDER BY c.date
        """,
        (start, end),
    ).fetchall()
    return pl.DataFrame(rows, schema=SESSION_SCHEMA, orient="row")


def symbol_spans(connection: psycopg.Connection) -> pl.DataFrame:
    """How many symbols have their bars from a first to a last session: `SPAN_SCHEMA`.

    `chosen` are those of the universe's types.
    """
    rows = connection.execute(
        """
        SELECT c.first_date, c.last_date, t.type IS NOT NULL AS chosen, count(*)
        FROM data_coverage c
        LEFT JOIN symbols s USING (symbol) LEFT JOIN chosen_types t USING (type)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=SPAN_SCHEMA, orient="row")


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a session breaks as it is stored."""

    session: date
    rule: str
    severity: str
    detail: str


def broken_rules(connection: psycopg.Connection, start: date, end: date) -> list[Broken]:
    """What the sessions from `start` to `end` break, by session, errors first."""
    rows = connection.execute(
        "SELECT date, rule, severity, detail FROM broken_rules"
        " WHERE date BETWEEN %s AND %s ORDER BY date, severity, rule",
        (start, end),
    )
    return [Broken(*row) for row in rows]
