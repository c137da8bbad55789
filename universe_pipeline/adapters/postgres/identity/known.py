"""What identity is judged by: segments, evidence and the owner's word."""

from collections.abc import Sequence
from datetime import date

import psycopg

from universe_pipeline.domain.listings.evidence import Evidence, Source
from universe_pipeline.domain.listings.judging import Known, Override
from universe_pipeline.domain.listings.segments import HALT, PAUSE, Calendar, Segment

# A run's end is found by its last day: a subquery for each run would take eight times as long.
_SEGMENTS = """
    WITH calendar AS MATERIALIZED (
        SELECT date, row_number() OVER (ORDER BY date) AS n FROM nyse_sessions
    ), runs AS MATERIALIZED (
        SELECT symbol, unnest(loaded) AS run FROM data_coverage
        WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
    ), bounded AS (
        SELECT symbol, first.date AS first, last.date AS last, first.n AS first_n, last.n AS last_n
        FROM runs JOIN calendar first ON first.date = lower(run)
        JOIN calendar last ON last.date = upper(run) - 1
    ), parted AS (
        SELECT *, first_n - lag(last_n) OVER onward - 1 > %(pause)s AS is_new
        FROM bounded WINDOW onward AS (PARTITION BY symbol ORDER BY first_n)
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY symbol ORDER BY first_n) AS part
        FROM parted
    )
    SELECT symbol, min(first), max(last) FROM numbered GROUP BY symbol, part
    """

_EVIDENCE = """
    SELECT symbol, first_on, last_on, source, name, type, primary_exchange, cik, composite_figi,
           share_class_figi, doubtful
    FROM listing_evidence
    WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
    """

_OVERRIDES = """
    SELECT symbol, day, other_symbol, other_day FROM listing_overrides
    WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
       OR other_symbol = ANY (%(symbols)s)
    ORDER BY id
    """


def known(connection: psycopg.Connection, symbols: Sequence[str] | None = None) -> Known:
    """What the listings of `symbols` are judged by; of all where none are given."""
    given = {"symbols": None if symbols is None else list(symbols), "pause": PAUSE}
    connection.execute("SET LOCAL jit = off")  # it compiles for seconds what runs for one
    connection.execute("SET LOCAL work_mem = '64MB'")
    calendar, newest = _calendar(connection)
    return Known(
        segments=[Segment(*row) for row in connection.execute(_SEGMENTS, given)],
        evidence=[Evidence(*row) for row in connection.execute(_EVIDENCE, given)],
        overrides=[_override(*row) for row in connection.execute(_OVERRIDES, given)],
        calendar=calendar,
        newest=newest,
        listed_on=listed_on(connection),
    )


def _override(symbol: str, day: date, other: str | None, other_day: date | None) -> Override:
    return Override(symbol, day, None if other is None or other_day is None else (other, other_day))


def _calendar(connection: psycopg.Connection) -> tuple[Calendar, date]:
    rows = connection.execute(
        "SELECT date, status IS NOT DISTINCT FROM 'loaded' FROM nyse_sessions"
        " LEFT JOIN session_loads USING (date) ORDER BY date"
    ).fetchall()
    newest = connection.execute("SELECT max(last_date) FROM data_coverage").fetchall()[0][0]
    days, loaded = zip(*rows, strict=True) if rows else ((), ())
    return Calendar(days, loaded), newest or date.min


def listed_on(connection: psycopg.Connection) -> date | None:
    """The day of the newest list of active tickers."""
    row = connection.execute(
        "SELECT max(last_on) FROM listing_evidence WHERE source = %s", (Source.DISCOVERY,)
    ).fetchone()
    return row[0] if row else None


# A symbol that goes on trading, and of which lists say the same, is judged as before. What it had
# until then is compared by a hash; since then it must be one run, or too short a time for a halt.
_CHANGED = """
    WITH newest AS (
        SELECT max(date) AS date FROM (
            SELECT date FROM nyse_sessions WHERE date <= (SELECT max(last_date) FROM data_coverage)
            ORDER BY date DESC OFFSET %(halt)s
        ) AS before
    ), listed AS (
        SELECT max(last_on) AS day FROM listing_evidence WHERE source = %(source)s
    )
    SELECT c.symbol FROM data_coverage c LEFT JOIN listing_states j USING (symbol)
    WHERE j.symbol IS NULL OR c.last_date < j.last_date
       OR c.last_date - j.last_date > %(days)s
          AND NOT c.loaded @> daterange(j.last_date, c.last_date, '[]')
       OR j.loaded_hash IS DISTINCT FROM hash_multirange_extended(
              c.loaded * datemultirange(daterange(NULL, j.last_date, '[]')), 0)
    UNION
    SELECT j.symbol FROM listing_states j
    WHERE NOT EXISTS (SELECT FROM data_coverage c WHERE c.symbol = j.symbol)
    UNION
    SELECT e.symbol FROM listing_evidence e JOIN listing_states j USING (symbol)
    WHERE e.changed_at > j.judged_at
    UNION
    SELECT j.symbol FROM listing_overrides o
    JOIN listing_states j ON j.symbol IN (o.symbol, o.other_symbol)
    WHERE o.made_at > j.judged_at
    UNION
    SELECT l.symbol FROM listings l JOIN data_coverage c USING (symbol)
    WHERE l.valid_to IS NULL AND c.last_date < (SELECT date FROM newest)
    UNION
    SELECT l.symbol FROM listings l JOIN listing_evidence e USING (symbol)
    WHERE l.valid_to IS NULL AND e.source = %(source)s
    GROUP BY l.symbol HAVING max(e.last_on) < (SELECT day FROM listed)
    UNION
    SELECT c.symbol FROM listings l JOIN data_coverage c USING (symbol)
    GROUP BY c.symbol, c.last_date HAVING max(coalesce(l.valid_to, 'infinity')) <= c.last_date
    """

# What has an identifier, a security or the owner's word in common is judged together.
_TOGETHER = """
    WITH RECURSIVE named AS MATERIALIZED (
        SELECT DISTINCT symbol, tie FROM listing_evidence
        CROSS JOIN LATERAL (VALUES (cik), (composite_figi), (share_class_figi)) AS ties (tie)
        WHERE tie IS NOT NULL
        UNION SELECT symbol, 'security ' || security_id FROM listings
        UNION SELECT symbol, 'override ' || id FROM listing_overrides
        UNION SELECT other_symbol, 'override ' || id FROM listing_overrides
            WHERE other_symbol IS NOT NULL
    ), together AS (
        SELECT unnest(%(symbols)s::text[]) COLLATE "C" AS symbol
        UNION
        SELECT other.symbol FROM together
        JOIN named mine USING (symbol) JOIN named other ON other.tie = mine.tie
    )
    SELECT symbol FROM together
    """


def changed(connection: psycopg.Connection) -> list[str] | None:
    """The symbols to judge again: what changed since they were, and what has to do with it.

    None are all: after a load of older sessions, which may also say of the others that they had no
    bar in them.
    """
    given = {"halt": HALT, "days": PAUSE * 7 // 5, "source": Source.DISCOVERY}
    symbols = [row[0] for row in connection.execute(_CHANGED, given)]
    if not symbols:
        return []
    (covered,) = connection.execute("SELECT count(*) FROM data_coverage").fetchall()[0]
    if len(symbols) > covered / 2:
        return None
    return [row[0] for row in connection.execute(_TOGETHER, {"symbols": symbols})]
