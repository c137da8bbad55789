"""Dividends compared with those before: each one's amount, and how many a month has."""

from dataclasses import dataclass
from datetime import date

import psycopg

# Splits scale the amounts to shares of one day; a split on the ex-date counts for its dividend.
_COMPARED = """
    WITH events AS (
        SELECT coalesce(security_id::text, symbol) AS series, symbol, applied_on AS day,
               ln(multiplier) AS shares, NULL::double precision AS cash
        FROM action_verdicts WHERE kind = 'split' AND applied_on IS NOT NULL
        UNION ALL
        SELECT coalesce(security_id::text, symbol), symbol, action_date, 0, d.cash
        FROM action_verdicts v JOIN (
            SELECT symbol, ex_date AS action_date, sum(cash_amount) AS cash FROM dividends
            WHERE coalesce(currency, 'USD') = 'USD'
              AND coalesce(distribution_type, 'unknown') IN ('recurring', 'unknown')
            GROUP BY symbol, ex_date
        ) d USING (symbol, action_date)
        WHERE kind = 'dividend' AND applied_on IS NOT NULL AND NOT EXISTS (
            SELECT FROM action_overrides o
            WHERE (o.kind, o.symbol, o.action_date) = (v.kind, v.symbol, v.action_date))
    ), scaled AS (
        SELECT *, exp(sum(shares) OVER (PARTITION BY series ORDER BY day)) AS became FROM events
    ), lagged AS (
        SELECT symbol, day, cash, became,
               lag(cash * became, 1) OVER w AS a, lag(cash * became, 2) OVER w AS b,
               lag(cash * became, 3) OVER w AS c, lag(cash * became, 4) OVER w AS d
        FROM scaled WHERE cash IS NOT NULL
        WINDOW w AS (PARTITION BY series ORDER BY day, symbol)
    ), compared AS (
        SELECT symbol, day, cash,
               (a + b + c + d - greatest(a, b, c, d) - least(a, b, c, d)) / 2 / became AS median
        FROM lagged WHERE d IS NOT NULL
    )
    SELECT symbol, day, cash, median FROM compared
    WHERE cash > %(times)s * median OR cash * %(times)s < median
    """


@dataclass(frozen=True, slots=True)
class UnlikeAmount:
    """A dividend that is far from those before it."""

    symbol: str
    day: date
    cash: float
    """The day's regular amounts together, USD."""
    median: float
    """Of the last four before it, a share of its day."""


def unlike_amounts(connection: psycopg.Connection, times: float) -> list[UnlikeAmount]:
    """Applied regular dividends over so many times the median of the last four, or so far under."""
    return [UnlikeAmount(*row) for row in connection.execute(_COMPARED, {"times": times})]


_MONTHS = """
    WITH months AS (
        SELECT date_trunc('month', ex_date)::date AS month, count(*) AS dividends
        FROM dividends GROUP BY 1
    )
    SELECT before.month + interval '1 year', coalesce(months.dividends, 0), before.dividends
    FROM months before
    LEFT JOIN months ON months.month = before.month + interval '1 year'
    WHERE before.month >= dividends_complete_since()
      AND before.month + interval '13 months' <= (SELECT max(taken_at) FROM dividend_snapshots)
    ORDER BY 1
    """


@dataclass(frozen=True, slots=True)
class Month:
    """How many dividends went ex in a month."""

    first: date
    dividends: int
    before: int
    """In the same month a year before."""


def past_months(connection: psycopg.Connection) -> list[Month]:
    """The months that were read whole after they ended, and a year before as well."""
    rows = connection.execute(_MONTHS).fetchall()
    return [Month(first.date(), *counts) for first, *counts in rows]
