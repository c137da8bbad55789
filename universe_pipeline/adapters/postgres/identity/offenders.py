"""What the rules about identities find, from coverage and listings: no bar is read."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

_UNLISTED = """
    WITH listed AS MATERIALIZED (
        SELECT symbol, range_agg(daterange(valid_from, valid_to)) AS days
        FROM listings GROUP BY symbol
    ), lacking AS (
        SELECT symbol, unnest(c.loaded - coalesce(l.days, '{}')) AS days
        FROM data_coverage c LEFT JOIN listed l USING (symbol)
        WHERE l.days IS NULL OR NOT c.loaded <@ l.days
    )
    SELECT symbol, min(s.date), max(s.date), count(*)
    FROM lacking JOIN nyse_sessions s ON s.date >= lower(days) AND s.date < upper(days)
    WHERE EXISTS (SELECT FROM listings)
    GROUP BY symbol
    """


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The bars of a symbol on days on which it has no listing."""

    symbol: str
    first: date
    last: date
    bars: int


def unlisted(connection: psycopg.Connection) -> list[Unlisted]:
    """The symbols with bars on days without any listing of them; none until listings are built."""
    return [Unlisted(*row) for row in connection.execute(_UNLISTED)]


# Of most symbols one listing holds all bars, which coverage has counted: the others are counted.
_KNOWN = """
    WITH held AS MATERIALIZED (
        SELECT symbol, evidence = 'unknown' AS is_unknown,
               range_agg(daterange(valid_from, valid_to)) AS days
        FROM listings WHERE type IN (SELECT type FROM chosen_types)
        GROUP BY 1, 2
    ), covered AS MATERIALIZED (
        SELECT symbol, is_unknown, bar_count, loaded, days, loaded <@ days AS is_whole
        FROM held JOIN data_coverage USING (symbol)
    ), counted AS (
        SELECT symbol, is_unknown, bar_count AS bars FROM covered WHERE is_whole
        UNION ALL
        SELECT symbol, is_unknown, count(*) FROM covered
        CROSS JOIN LATERAL unnest(loaded * days) AS run
        JOIN nyse_sessions s ON s.date >= lower(run) AND s.date < upper(run)
        WHERE NOT is_whole GROUP BY 1, 2
    )
    SELECT coalesce(sum(bars), 0)::bigint,
           coalesce(sum(bars) FILTER (WHERE is_unknown), 0)::bigint,
           (array_agg(symbol ORDER BY bars DESC, symbol) FILTER (WHERE is_unknown))[:3],
           (SELECT count(*) FROM session_loads WHERE status = 'loaded')
    FROM counted
    """


@dataclass(frozen=True, slots=True)
class KnownBars:
    """The bars of the universe's types, and those of them whose listing is unknown."""

    bars: int
    unknown: int
    most_unknown: list[str] | None
    """Symbols with the most of them."""
    sessions: int
    """Loaded ones."""


def known_bars(connection: psycopg.Connection) -> KnownBars:
    """Count bars by whether their listing is known."""
    return KnownBars(*connection.execute(_KNOWN).fetchall()[0])


_SHARED = """
    WITH borne AS MATERIALIZED (
        SELECT share_class_figi, security_id, symbol, valid_from,
               coalesce(valid_to, 'infinity') AS valid_to
        FROM securities JOIN listings USING (security_id)
        WHERE share_class_figi IN (
            SELECT share_class_figi FROM securities JOIN listings USING (security_id)
            GROUP BY 1 HAVING count(DISTINCT security_id) > 1)
    )
    SELECT one.symbol, greatest(one.valid_from, other.valid_from), one.share_class_figi,
           other.symbol
    FROM borne one JOIN borne other USING (share_class_figi)
    WHERE one.security_id < other.security_id
      AND one.valid_from < other.valid_to AND other.valid_from < one.valid_to
    """


def shared_figis(connection: psycopg.Connection) -> list[tuple[str, date, str, str]]:
    """Symbol, first common day, share class FIGI and other symbol of two securities that bear it.

    They are listed on the same day: one after the other may be a decision of the owner.
    """
    rows: list[Any] = connection.execute(_SHARED).fetchall()
    return rows


_OVERLAPPING = """
    SELECT symbol, valid_from, security_id FROM (
        SELECT symbol, valid_from, security_id,
               max(until) OVER (PARTITION BY symbol {earlier}) AS of_symbol,
               max(until) OVER (PARTITION BY security_id {earlier}) AS of_security
        FROM (SELECT *, coalesce(valid_to, 'infinity') AS until FROM listings) AS l
    ) AS ordered
    WHERE greatest(of_symbol, of_security) > valid_from
    """.format(earlier="ORDER BY valid_from ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING")


def overlapping(connection: psycopg.Connection) -> list[tuple[str, date, int]]:
    """Symbol, first day and security of listings that begin before an earlier one ended."""
    rows: list[Any] = connection.execute(_OVERLAPPING).fetchall()
    return rows


# A rename follows within a halt, which is under a month; over a longer time prices move anyway.
_RENAMED = """
    WITH followed AS (
        SELECT security_id, symbol AS earlier, valid_to,
               lead(symbol) OVER w AS symbol, lead(valid_from) OVER w AS since
        FROM listings WINDOW w AS (PARTITION BY security_id ORDER BY valid_from)
    ), renamed AS (
        SELECT f.*, (SELECT max(date) FROM nyse_sessions WHERE date < f.valid_to) AS last
        FROM followed f WHERE f.symbol <> f.earlier AND f.since < f.valid_to + 31
    )
    SELECT r.earlier, r.symbol, r.since,
           begun.open / ended.close * coalesce((
               SELECT exp(sum(ln(multiplier))) FROM action_verdicts v
               WHERE v.security_id = r.security_id
                 AND applied_on > r.last AND applied_on <= r.since
           ), 1)
    FROM renamed r
    JOIN daily_bars ended ON (ended.symbol, ended.date) = (r.earlier, r.last)
    JOIN daily_bars begun ON (begun.symbol, begun.date) = (r.symbol, r.since)
    WHERE ended.close > 0 AND begun.open > 0
    """


@dataclass(frozen=True, slots=True)
class Renamed:
    """A security's first session under another symbol."""

    earlier: str
    symbol: str
    day: date
    move: float
    """The open divided by the close before, without what the security's actions explain."""


def renames(connection: psycopg.Connection) -> list[Renamed]:
    """The renames of securities with bars on both sides, and how the price moved."""
    return [Renamed(*row) for row in connection.execute(_RENAMED)]
