"""`rejected_bars`: the rows of answers that are not stored as bars, as the vendor sent them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.text import storable, storable_json
from universe_pipeline.domain.bars import RejectedRow


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rejected rows come from: the endpoint's short name, the request, the run."""

    source: str
    requested_at: datetime
    run_id: str | None


def insert(
    connection: psycopg.Connection, session: date, rows: Sequence[RejectedRow], origin: Origin
) -> None:
    """Keep `rows`; those that do not say which session they are of under `session`."""
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(
                (
                    row.day or session,
                    None if row.symbol is None else storable(row.symbol),
                    row.rule,
                    Json(storable_json(row.payload)),
                    origin.requested_at,
                    origin.run_id,
                    origin.source,
                )
            )


_COPY = "COPY rejected_bars (date, symbol, rule, payload, fetched_at, run_id, source) FROM STDIN"


def of_symbols(
    connection: psycopg.Connection, symbols: Sequence[str], start: date, end: date
) -> dict[str, dict[str, int]]:
    """Rows that per-symbol answers lost from `start` to `end`: by symbol, and by rule."""
    rows = connection.execute(
        "SELECT symbol, rule, count(*) FROM rejected_bars"
        " WHERE symbol = ANY (%s) AND date BETWEEN %s AND %s AND source = 'symbol'"
        " GROUP BY symbol, rule ORDER BY symbol, count(*) DESC, rule",
        ([storable(symbol) for symbol in symbols], start, end),
    )
    found: dict[str, dict[str, int]] = {}
    for symbol, rule, count in rows:
        found.setdefault(symbol, {})[rule] = count
    return found


def forget_session(connection: psycopg.Connection, session: date) -> None:
    """Delete what earlier grouped answers of a session left."""
    connection.execute(
        "DELETE FROM rejected_bars WHERE date = %s AND source = 'grouped'", (session,)
    )


def forget_symbol(connection: psycopg.Connection, symbol: str, sessions: Sequence[date]) -> None:
    """Delete what earlier per-symbol answers left from the first to the last of `sessions`."""
    connection.execute(
        "DELETE FROM rejected_bars"
        " WHERE symbol = %s AND date BETWEEN %s AND %s AND source = 'symbol'",
        (storable(symbol), sessions[0], sessions[-1]),
    )
