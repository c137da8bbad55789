"""`data_coverage`, kept exact by the sessions and symbols that it does not know yet.

Every writer leaves its session (or symbol) marked as not covered, in its own transaction; covering
takes all marked ones at once, so that it is exact after any interruption and never scans the table.

The work is done on runs in calendar time: a session reaches until the next one begins, so that a
weekend breaks no run. What is stored ends on the day after its last session instead.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.coverage import streaks
from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.adapters.postgres.locks import COVERAGE_LOCK

# Runs are taken out of their multiranges in steps of their own, not planned together with the
# joins: before there are statistics the calendar would be read again for each symbol, 8 s in all.
_COVER = """
WITH calendar AS MATERIALIZED (
    SELECT date, until, row_number() OVER (ORDER BY date) AS n FROM nyse_sessions
), batch AS MATERIALIZED (
    SELECT date, until FROM calendar WHERE date = ANY (%(dates)s)
), renewed AS MATERIALIZED (
    SELECT symbol, loaded FROM symbol_loads WHERE symbol = ANY (%(symbols)s)
), fresh AS (
    SELECT symbol, range_agg(days) AS days
    FROM (
        SELECT symbol, days FROM traded
        UNION ALL
        SELECT b.symbol, daterange(k.date, k.until)
        FROM symbol_loads a JOIN daily_bars b USING (symbol) JOIN calendar k ON k.date = b.date
        WHERE b.date = ANY (%(unloaded)s) AND a.loaded @> b.date
    ) bars
    WHERE symbol <> ALL (%(symbols)s)
    GROUP BY symbol
    UNION ALL
    SELECT b.symbol, range_agg(daterange(k.date, k.until))
    FROM renewed a JOIN daily_bars b ON b.symbol = a.symbol JOIN calendar k ON k.date = b.date
    LEFT JOIN session_loads l ON l.date = b.date
    WHERE a.loaded @> b.date OR l.status = 'loaded'
    GROUP BY b.symbol
), known_runs AS MATERIALIZED (
    SELECT symbol, unnest(loaded) AS run FROM data_coverage WHERE symbol <> ALL (%(symbols)s)
), known AS (
    SELECT symbol, range_agg(daterange(lower(run), k.until))
        - (SELECT coalesce(range_agg(daterange(date, until)), '{}') FROM batch) AS days
    FROM known_runs JOIN calendar k ON k.date = upper(run) - 1
    GROUP BY symbol
), merged AS MATERIALIZED (
    SELECT symbol, unnest(coalesce(known.days, '{}') + coalesce(fresh.days, '{}')) AS run
    FROM known FULL JOIN fresh USING (symbol)
), runs AS MATERIALIZED (
    SELECT symbol, first.date AS first, last.date AS last, last.n - first.n + 1 AS bars
    FROM merged
    JOIN calendar first ON first.date = lower(run) JOIN calendar last ON last.until = upper(run)
), loads AS MATERIALIZED (
    SELECT k.date, sum((l.status IS NOT DISTINCT FROM 'loaded')::int) OVER (ORDER BY k.date) AS n,
           l.status IS NOT DISTINCT FROM 'loaded' AS loaded
    FROM calendar k LEFT JOIN session_loads l USING (date)
), totals AS (
    SELECT symbol, min(first) AS first, max(last) AS last, sum(bars) AS bars,
           range_agg(daterange(first, last, '[]')) AS loaded
    FROM runs GROUP BY symbol
), counted AS (
    SELECT t.symbol, t.first, t.last, t.bars, t.loaded,
           until_last.n - until_first.n + until_first.loaded::int + coalesce(asked.n, 0) AS sessions
    FROM totals t
    JOIN loads until_first ON until_first.date = t.first
    JOIN loads until_last ON until_last.date = t.last
    LEFT JOIN LATERAL (
        SELECT count(*) AS n FROM symbol_loads a JOIN loads ON a.loaded @> loads.date
        WHERE a.symbol = t.symbol AND NOT loads.loaded AND loads.date BETWEEN t.first AND t.last
    ) asked ON true
), bare AS (
    DELETE FROM data_coverage c WHERE NOT EXISTS (SELECT FROM totals t WHERE t.symbol = c.symbol)
)
INSERT INTO data_coverage AS c
    (symbol, first_date, last_date, bar_count, missing_count, loaded, updated_at)
SELECT symbol, first, last, bars, sessions - bars, loaded, now() FROM counted
ON CONFLICT (symbol) DO UPDATE SET
    first_date = excluded.first_date, last_date = excluded.last_date,
    bar_count = excluded.bar_count, missing_count = excluded.missing_count,
    loaded = excluded.loaded, updated_at = excluded.updated_at
WHERE (c.bar_count, c.missing_count, c.loaded)
      IS DISTINCT FROM (excluded.bar_count, excluded.missing_count, excluded.loaded)
"""


Version: TypeAlias = tuple[str | None, int]
"""Of a session's bars: the `content_hash` of the answer and how many of it are `stored`."""

Known: TypeAlias = Callable[[Mapping[date, Version]], streaks.Bars | None]
"""The bars of some sessions, where they are known from storing them, and none has others by now."""


def cover(connection: psycopg.Connection, known: Known | None = None) -> int:
    """Bring `data_coverage` up to the committed loads; how many loads it had not known.

    Args:
        connection: to read and write.
        known: spares reading the bars that it knows.
    """
    with connection.transaction():
        connection.execute("SET LOCAL jit = off")  # it compiles for seconds what runs for 0.1
        connection.execute("SET LOCAL work_mem = '64MB'")  # a year's dates, without temporary files
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (COVERAGE_LOCK,))
        dates = connection.execute(
            "SELECT date, status = 'loaded', content_hash, stored FROM session_loads"
            " WHERE NOT covered FOR UPDATE"
        ).fetchall()
        symbols = connection.execute(
            "SELECT symbol FROM symbol_loads WHERE NOT covered FOR UPDATE"
        ).fetchall()
        if not dates and not symbols:
            return 0
        versions = {day: (content, stored) for day, loaded, content, stored in dates if loaded}
        given = {
            "dates": [day for day, *_ in dates],
            "unloaded": [day for day, loaded, *_ in dates if not loaded],
            "symbols": [row[0] for row in symbols],
        }

        def bars_of(sessions: Sequence[date]) -> streaks.Bars:
            found = known({day: versions[day] for day in sessions}) if known else None
            return found or streaks.stored_bars(connection, sessions)

        _stage(connection, streaks.in_quarters(connection, list(versions), bars_of))
        connection.execute(_COVER, given)
        connection.execute("DROP TABLE traded")
        session_loads.mark_covered(connection, given["dates"])
        connection.execute(
            "UPDATE symbol_loads SET covered = true WHERE symbol = ANY (%(symbols)s)", given
        )
    return len(dates) + len(symbols)


def _stage(connection: psycopg.Connection, quarters: Iterable[pl.DataFrame]) -> None:
    """Make `traded` a temporary table; an array of as many ranges takes four times as long."""
    connection.execute('CREATE TEMPORARY TABLE traded (symbol text COLLATE "C", days daterange)')
    for traded in quarters:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY traded FROM STDIN (FORMAT CSV)") as copy,
        ):
            copy.write(traded.write_csv(include_header=False, quote_style="always"))


def symbol_count(connection: psycopg.Connection) -> int:
    """How many symbols the coverage knows."""
    (count,) = connection.execute("SELECT count(*) FROM data_coverage").fetchall()[0]
    return count
