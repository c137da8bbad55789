"""What bars are compared with: loads, reference list, rejected rows, revisions, snapshots."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.reference.splits import stored_splits
from universe_pipeline.domain.quality.history import NOT_ASKED
from universe_pipeline.domain.quality.scan import Reference
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.quality.universe import Counts
from universe_pipeline.domain.session_state import SessionStatus


@dataclass(frozen=True, slots=True)
class StoredLoad:
    """A session whose rows are stored."""

    session: date
    status: SessionStatus
    received: int
    """Rows of the answer, also those that a symbol's answer replaced since."""
    stored: int
    rejected: int
    content_hash: str | None
    fetched_at: datetime
    approved: bool
    """Whether a person took it for right, as it is stored."""

    @property
    def version(self) -> tuple[object, ...]:
        """Another one once a load or repair has changed which bars are the answer's."""
        return self.fetched_at, self.stored, self.content_hash


def stored_loads(connection: psycopg.Connection) -> dict[date, StoredLoad]:
    """Every session whose rows are stored, in order."""
    rows = connection.execute(
        """
        SELECT l.date, l.status, greatest(l.answered, l.stored) + l.rejected, l.stored,
               l.rejected, l.content_hash, l.fetched_at, EXISTS (
            SELECT FROM session_approvals a
            WHERE a.date = l.date AND a.content_hash = l.content_hash)
        FROM session_loads l WHERE l.status IN ('loaded', 'quarantined') ORDER BY l.date
        """
    )
    return {row[0]: StoredLoad(row[0], SessionStatus(row[1]), *row[2:]) for row in rows}


def reference(
    connection: psycopg.Connection, loads: dict[date, StoredLoad], start: date, end: date
) -> Reference:
    """What the bars from `start` to `end` are compared with."""
    return Reference(
        stored={
            day: Stored(day, each.status is SessionStatus.LOADED, each.received, each.rejected)
            for day, each in loads.items()
        },
        symbols=_symbols(connection),
        splits=stored_splits(connection),
        rejected=_rejected(connection, start, end),
        asked=_asked(connection),
    )


def _asked(connection: psycopg.Connection) -> pl.DataFrame:
    rows = connection.execute(
        "SELECT symbol, lower(days), upper(days) - 1 FROM symbol_loads, unnest(loaded) AS days"
    ).fetchall()
    return pl.DataFrame(rows, schema=NOT_ASKED.schema, orient="row")


def _symbols(connection: psycopg.Connection) -> pl.DataFrame:
    rows = connection.execute(
        """
        SELECT symbol, active, delisted_date, primary_exchange,
               type IS NOT NULL AND type IN (SELECT type FROM chosen_types)
        FROM symbols
        """
    ).fetchall()
    schema = {
        "symbol": pl.String,
        "active": pl.Boolean,
        "delisted_date": pl.Date,
        "exchange": pl.String,
        "chosen": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _rejected(connection: psycopg.Connection, start: date, end: date) -> pl.DataFrame:
    rows = connection.execute(
        "SELECT date, symbol FROM rejected_bars"
        " WHERE date BETWEEN %s AND %s AND symbol IS NOT NULL",
        (start, end),
    ).fetchall()
    return pl.DataFrame(rows, schema={"date": pl.Date, "symbol": pl.String}, orient="row")


def last_snapshots(connection: psycopg.Connection) -> list[Counts]:
    """The newest discovery and the one before it, as far as there are any."""
    rows = connection.execute(
        "SELECT symbols, active, by_type, by_exchange, without_figi, without_cik"
        " FROM universe_snapshots ORDER BY taken_at DESC LIMIT 2"
    )
    return [Counts(*row) for row in rows]


def large_revisions(
    connection: psycopg.Connection, start: date, end: date, fraction: float
) -> pl.DataFrame:
    """Bars whose close was another by more than `fraction`: `date`, `symbol`, `old`, `new`."""
    with connection.transaction():
        connection.execute("SET LOCAL jit = off")  # it compiles for longer than this runs
        rows = connection.execute(
            """
            SELECT r.date, r.symbol, r.close, b.close
            FROM bar_revisions r
            CROSS JOIN LATERAL (
                SELECT close FROM daily_bars WHERE date = r.date AND symbol = r.symbol LIMIT 1
            ) b  -- with LIMIT, so that it is looked up and not joined by reading all bars
            WHERE r.date BETWEEN %s AND %s AND abs(r.close / nullif(b.close, 0) - 1) > %s
            """,
            (start, end, fraction),
        ).fetchall()
    schema = {"date": pl.Date, "symbol": pl.String, "old": pl.Float64, "new": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
