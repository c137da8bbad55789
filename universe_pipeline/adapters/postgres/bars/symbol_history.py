"""What is known of one symbol: its bars near a range, what was asked for it, its listing."""

from collections.abc import Sequence
from datetime import date

import psycopg

from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.domain.symbol_answers import History, Listing


def traded_days(connection: psycopg.Connection, symbol: str, sessions: Sequence[date]) -> set[date]:
    """Those of `sessions` that have a bar of `symbol`.

    Grouped bars without trades do not count: the per-symbol endpoint may lack placeholders.
    """
    rows = connection.execute(
        "SELECT date FROM daily_bars WHERE symbol = %s AND date = ANY (%s)"
        " AND (volume > 0 OR source = 'symbol')",
        (storable(symbol), list(sessions)),
    )
    return {row[0] for row in rows}


def history(connection: psycopg.Connection, symbol: str, near: Sequence[date]) -> History:
    """What is known of `symbol`, in the sessions `near` the range that was asked for."""
    bars = traded_days(connection, symbol, near)
    first, before = _first_bar(connection, symbol)
    return History(
        listing=_listing(connection, symbol),
        bars=bars,
        bare=_asked(connection, symbol, near) - bars,
        first_bar=first,
        bare_before=before,
    )


def _listing(connection: psycopg.Connection, symbol: str) -> Listing | None:
    row = connection.execute(
        "SELECT active, delisted_date FROM symbols WHERE symbol = %s", (storable(symbol),)
    ).fetchone()
    return None if row is None else Listing(*row)


_IS_ASKED = """
    (EXISTS (SELECT FROM session_loads l WHERE l.date = day AND l.status IN ('loaded', 'empty'))
     OR EXISTS (SELECT FROM symbol_requests a WHERE a.symbol = %(symbol)s AND a.loaded @> day))
    """


def _asked(connection: psycopg.Connection, symbol: str, sessions: Sequence[date]) -> set[date]:
    rows = connection.execute(
        f"SELECT day FROM unnest(%(sessions)s::date[]) AS near (day) WHERE {_IS_ASKED}",
        {"symbol": storable(symbol), "sessions": list(sessions)},
    )
    return {row[0] for row in rows}


def _first_bar(connection: psycopg.Connection, symbol: str) -> tuple[date | None, int]:
    """The first bar that the coverage knows, and the sessions before it that were asked for."""
    row = connection.execute(
        f"""
        SELECT c.first_date, (SELECT count(*) FROM nyse_sessions n, LATERAL (SELECT n.date AS day) d
                              WHERE n.date < c.first_date AND {_IS_ASKED})
        FROM data_coverage c WHERE c.symbol = %(symbol)s
        """,
        {"symbol": storable(symbol)},
    ).fetchone()
    return (None, 0) if row is None else (row[0], row[1])
