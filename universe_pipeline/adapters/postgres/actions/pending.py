"""Actions whose verdict may be another now: staged in temporary tables, read batch by batch.

An action is judged again when its row, an override, a listing of its symbol or a session around it
has changed since the newest verdict, or its day has come. What lies near such an action is judged
again, too, because of two that are alike one may be the other's twin.

A past dividend without a loaded session in the days before it is not judged: it has no price, and
no stored bar needs it. Of 700,000 dividends that is most, until all sessions are loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl
import psycopg

from universe_pipeline.adapters.postgres.locks import ACTIONS_LOCK
from universe_pipeline.domain.verdicts import (
    ACTION_SCHEMA,
    BAR_SCHEMA,
    DAYS_AFTER,
    DAYS_BEFORE,
    LEAST_TESTED,
)

_BATCH = 5_000
"""Actions that are judged at once: it bounds memory."""

_NEAR, _AROUND = 31, 62
"""Days around a changed action: of actions that are judged again, and of those that these may be
compared with."""

_BEFORE = 16
"""Days before an action that hold the ten sessions of which the last one's close counts."""

# Answers are stored after they were asked for: ten minutes are longer than any takes.
_SINCE = """
    SELECT coalesce(max(judged_at) - interval '10 minutes', '-infinity')::text FROM action_verdicts
    """

_PRICED_DAYS = """(
        SELECT coalesce(range_agg(span), '{}') AS days FROM (
            SELECT daterange(date + 1, date + %(days)s + 1) AS span FROM session_loads
            UNION ALL
            SELECT daterange(lower(run), upper(run) + %(days)s)
            FROM symbol_loads, unnest(loaded) AS run
        ) AS spans
    )"""
"""Days shortly after a loaded session."""

# What the staged tables would be read for, without writing them: most refreshes find nothing.
_IS_UNCHANGED = f"""
    SELECT NOT EXISTS (SELECT FROM session_loads WHERE fetched_at > %(since)s)
       AND NOT EXISTS (SELECT FROM symbol_loads WHERE fetched_at > %(since)s)
       AND NOT EXISTS (SELECT FROM listings WHERE believed_from > %(since)s)
       AND NOT EXISTS (SELECT FROM listing_revisions WHERE replaced_at > %(since)s)
       AND NOT EXISTS (SELECT FROM splits WHERE believed_from > %(since)s)
       AND NOT EXISTS (SELECT FROM dividends WHERE believed_from > %(since)s)
       AND NOT EXISTS (SELECT FROM dividend_revisions WHERE replaced_at > %(since)s)
       AND NOT EXISTS (SELECT FROM action_overrides WHERE made_at > %(since)s)
       AND NOT EXISTS (
           SELECT FROM action_verdicts WHERE verdict = 'announced' AND action_date <= %(today)s)
       AND (SELECT count(*) FROM action_verdicts) = (
           SELECT count(*) FROM (
               SELECT 'split' AS kind, symbol, execution_date FROM splits
               UNION
               SELECT 'dividend', symbol, ex_date FROM dividends CROSS JOIN {_PRICED_DAYS} AS priced
               WHERE ex_date > %(today)s OR priced.days @> ex_date
               UNION
               SELECT kind, symbol, action_date FROM action_overrides
           ) AS listed)
    """

_LISTED = f"""
    CREATE TEMPORARY TABLE listed_actions ON COMMIT DROP AS
    SELECT kind, symbol, action_date,
           CASE WHEN o.removed IS NULL OR o.removed THEN a.split_from ELSE o.split_from END
               AS split_from,
           CASE WHEN o.removed IS NULL OR o.removed THEN a.split_to ELSE o.split_to END
               AS split_to,
           CASE WHEN o.removed IS NULL OR o.removed THEN a.cash ELSE o.cash END AS cash,
           coalesce(o.removed, false) AS removed, coalesce(NOT o.removed, false) AS by_owner,
           greatest(a.changed_at, o.made_at) AS changed_at
    FROM (
        SELECT 'split' COLLATE "C" AS kind, symbol, execution_date AS action_date,
               split_from, split_to, NULL::double precision AS cash, believed_from AS changed_at
        FROM splits
        UNION ALL
        SELECT 'dividend', symbol, ex_date, NULL, NULL,
               sum(cash_amount ORDER BY n) FILTER (WHERE coalesce(currency, 'USD') = 'USD'),
               greatest(max(d.believed_from), max(r.replaced_at))
        FROM dividends d
        CROSS JOIN {_PRICED_DAYS} AS priced
        LEFT JOIN (
            SELECT symbol, ex_date, max(replaced_at) AS replaced_at
            FROM dividend_revisions GROUP BY symbol, ex_date
        ) r USING (symbol, ex_date)
        WHERE ex_date > %(today)s OR priced.days @> ex_date
        GROUP BY symbol, ex_date
    ) a
    FULL JOIN action_overrides o USING (kind, symbol, action_date)
    """

_TOUCHED = """
    CREATE TEMPORARY TABLE touched_actions ON COMMIT DROP AS
    WITH sessions AS (
        SELECT coalesce(range_agg(daterange(date - %(after)s, date + %(before)s)), '{}') AS near
        FROM session_loads WHERE fetched_at > %(since)s
    ), securities_changed AS (
        SELECT security_id FROM listings WHERE believed_from > %(since)s
        UNION SELECT security_id FROM listing_revisions WHERE replaced_at > %(since)s
    ), symbols_changed AS (
        SELECT symbol FROM symbol_loads WHERE fetched_at > %(since)s
        UNION SELECT symbol FROM listings JOIN securities_changed USING (security_id)
        UNION SELECT symbol FROM listing_revisions WHERE replaced_at > %(since)s
    ), changed AS (
        SELECT symbol, action_date
        FROM listed_actions a CROSS JOIN sessions
        LEFT JOIN action_verdicts v USING (kind, symbol, action_date)
        WHERE v.kind IS NULL OR a.changed_at > %(since)s
           OR (action_date <= %(today)s AND (v.verdict = 'announced' OR near @> action_date))
           OR symbol IN (SELECT symbol FROM symbols_changed)
        UNION
        SELECT symbol, action_date FROM action_verdicts v WHERE NOT EXISTS (
            SELECT FROM listed_actions a
            WHERE (a.kind, a.symbol, a.action_date) = (v.kind, v.symbol, v.action_date))
    )
    SELECT symbol, action_date FROM changed
    UNION
    SELECT other.symbol, action_date
    FROM changed JOIN listings l USING (symbol) JOIN listings other USING (security_id)
    """

# Of a symbol that means another security on the day, the action stands under a later or an earlier
# ticker of one that is listed on the day.
_PENDING = """
    CREATE TEMPORARY TABLE pending_actions ON COMMIT DROP AS
    WITH near AS (
        SELECT symbol,
               range_agg(daterange(action_date - %(near)s, action_date + %(near)s + 1)) AS near,
               range_agg(daterange(action_date - %(around)s, action_date + %(around)s + 1))
                   AS around
        FROM touched_actions GROUP BY symbol
    ), held AS (
        SELECT a.*, n.near @> a.action_date AS wanted, h.security_id,
               CASE WHEN EXISTS (SELECT FROM listings) THEN h.security_id
                    ELSE dense_rank() OVER (ORDER BY a.symbol) END AS series
        FROM listed_actions a JOIN near n ON n.symbol = a.symbol AND n.around @> a.action_date
        LEFT JOIN LATERAL (
            SELECT l.security_id FROM listings l JOIN listings e USING (security_id)
            WHERE l.symbol = a.symbol
              AND e.valid_from <= a.action_date AND coalesce(e.valid_to, 'infinity') > a.action_date
            ORDER BY l.valid_from = e.valid_from DESC, l.valid_from > a.action_date DESC,
                     abs(l.valid_from - a.action_date)
            LIMIT 1
        ) h ON true
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY series, symbol, action_date) AS n FROM held
    )
    SELECT *, CASE WHEN series IS NULL THEN n ELSE min(n) OVER (PARTITION BY series) END
                  / %(batch)s AS batch,
           NULL::date AS priced_on, NULL::double precision AS price
    FROM numbered
    """

_NAMES = """
    CREATE TEMPORARY TABLE series_names ON COMMIT DROP AS
    SELECT DISTINCT p.series, coalesce(l.symbol, p.symbol) AS symbol,
           coalesce(l.valid_from, '-infinity') AS valid_from,
           coalesce(l.valid_to, 'infinity') AS valid_to
    FROM pending_actions p LEFT JOIN listings l USING (security_id)
    WHERE p.series IS NOT NULL
    """

# Bars are looked up, by symbol and each of a few sessions: any server finds those in its indexes,
# also in the open quarter, where symbols come second. OFFSET 0 keeps the lookups one by one.
_PRICED = """
    UPDATE pending_actions p SET priced_on = b.date, price = b.close
    FROM pending_actions a CROSS JOIN LATERAL (
        SELECT b.date, b.close
        FROM series_names n JOIN daily_bars b ON b.symbol = n.symbol
              AND b.date >= n.valid_from AND b.date < n.valid_to
        WHERE n.series = a.series AND b.date BETWEEN a.action_date - %(days)s AND a.action_date - 1
          AND b.date = ANY (ARRAY(
              SELECT s.date FROM nyse_sessions s
              WHERE s.date BETWEEN a.action_date - %(days)s AND a.action_date - 1))
        ORDER BY b.date DESC LIMIT 1
    ) b
    WHERE a.n = p.n AND p.kind = 'dividend' AND p.action_date <= %(today)s
    """

_ACTIONS = """
    SELECT kind, symbol, action_date, security_id, series, split_from, split_to, cash, removed,
           by_owner, wanted
    FROM pending_actions WHERE batch = %(batch)s
    ORDER BY series, action_date, symbol, kind
    """

# A bar without trades repeats an older price and shows no move; as the price before it will do.
_BARS = """
    WITH windows AS (
        SELECT series, unnest(range_agg(daterange(action_date - %(before)s,
                                                  action_date + %(after)s))) AS days, 0 AS volume
        FROM pending_actions
        WHERE batch = %(batch)s AND action_date <= %(today)s
          AND (kind = 'split' OR cash > %(least)s * price)
        GROUP BY series
        UNION ALL
        SELECT series, daterange(priced_on, priced_on, '[]'), -1 FROM pending_actions
        WHERE batch = %(batch)s AND priced_on IS NOT NULL
    )
    SELECT DISTINCT w.series, b.date, b.open, b.close
    FROM windows w JOIN series_names n USING (series)
    CROSS JOIN LATERAL (
        SELECT b.date, b.open, b.close FROM daily_bars b
        WHERE b.symbol = n.symbol AND b.date >= n.valid_from AND b.date < n.valid_to
          AND b.date >= lower(w.days) AND b.date < upper(w.days) AND b.volume > w.volume
          AND b.date = ANY (ARRAY(
              SELECT s.date FROM nyse_sessions s
              WHERE s.date >= lower(w.days) AND s.date < upper(w.days)))
        OFFSET 0
    ) b
    """


@dataclass(frozen=True, slots=True)
class Batch:
    """Actions to judge together, with the bars around them."""

    actions: pl.DataFrame
    """`ACTION_SCHEMA`."""
    bars: pl.DataFrame
    """`BAR_SCHEMA`."""


def stage(connection: psycopg.Connection, today: date) -> bool:
    """Find the actions to judge; they stay staged until the transaction ends.

    Args:
        connection: in a transaction; it waits for another refresh.
        today: the day in New York.

    Returns:
        Whether anything has changed; if not, nothing is staged.
    """
    connection.execute("SET LOCAL jit = off")  # it compiles for longer than this runs
    connection.execute("SET LOCAL work_mem = '64MB'")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (ACTIONS_LOCK,))
    (since,) = connection.execute(_SINCE).fetchall()[0]
    given = {"since": since, "today": today, "days": _BEFORE}
    if connection.execute(_IS_UNCHANGED, given).fetchall()[0][0]:
        return False
    days = {"before": DAYS_BEFORE + 1, "after": DAYS_AFTER}
    connection.execute(_LISTED, {"today": today, "days": _BEFORE})
    connection.execute("ANALYZE listed_actions")
    connection.execute(_TOUCHED, {"since": since, "today": today, **days})
    connection.execute(_PENDING, {"near": _NEAR, "around": _AROUND, "batch": _BATCH})
    connection.execute(_NAMES)
    for statement in (
        "CREATE INDEX ON pending_actions (n)",
        "CREATE INDEX ON series_names (series)",
        "ANALYZE pending_actions",
        "ANALYZE series_names",
    ):
        connection.execute(statement)
    connection.execute(_PRICED, {"today": today, "days": _BEFORE})
    return True


def batches(connection: psycopg.Connection, today: date) -> Iterator[Batch]:
    """Read what `stage` found, some thousand actions at a time."""
    numbers = connection.execute("SELECT DISTINCT batch FROM pending_actions ORDER BY 1").fetchall()
    for (number,) in numbers:
        yield _batch(connection, number, today)


def _batch(connection: psycopg.Connection, number: int, today: date) -> Batch:
    actions = connection.execute(_ACTIONS, {"batch": number}).fetchall()
    bars = connection.execute(
        _BARS,
        {
            "batch": number,
            "today": today,
            "least": LEAST_TESTED,
            "before": DAYS_BEFORE,
            "after": DAYS_AFTER + 1,
        },
    ).fetchall()
    return Batch(
        pl.DataFrame(actions, ACTION_SCHEMA, orient="row"),
        pl.DataFrame(bars, BAR_SCHEMA, orient="row"),
    )
