"""`adjustment_steps`, written again for the securities of which an action changed."""

from collections.abc import Sequence

import polars as pl
import psycopg

from universe_pipeline.domain.adjustment import EVENT_SCHEMA, STEP_SCHEMA, steps

_AT_ONCE = 2_000
"""Securities that are written at once: it bounds memory."""


def stored_steps(connection: psycopg.Connection) -> pl.DataFrame:
    """Every step (`STEP_SCHEMA`), by security and day."""
    rows = connection.execute(
        "SELECT security_id, since, until, split, dividend FROM adjustment_steps ORDER BY 1, 2"
    ).fetchall()
    return pl.DataFrame(rows, STEP_SCHEMA, orient="row")


def rewrite(connection: psycopg.Connection, securities: Sequence[int]) -> None:
    """Write the steps of `securities` as the verdicts that hold make them."""
    for n in range(0, len(securities), _AT_ONCE):
        chosen = list(securities[n : n + _AT_ONCE])
        connection.execute("DELETE FROM adjustment_steps WHERE security_id = ANY (%s)", (chosen,))
        _write(connection, steps(_events(connection, chosen)))


def _events(connection: psycopg.Connection, securities: list[int]) -> pl.DataFrame:
    rows = connection.execute(
        """
        SELECT security_id, applied_on,
               CASE kind WHEN 'split' THEN multiplier ELSE 1 END,
               CASE kind WHEN 'dividend' THEN multiplier ELSE 1 END
        FROM action_verdicts WHERE security_id = ANY (%s) AND applied_on IS NOT NULL
        """,
        (securities,),
    ).fetchall()
    return pl.DataFrame(rows, EVENT_SCHEMA, orient="row")


def _write(connection: psycopg.Connection, written: pl.DataFrame) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY adjustment_steps (security_id, since, until, split, dividend) FROM STDIN"
        ) as copy,
    ):
        for row in written.iter_rows():
            copy.write_row(row)
