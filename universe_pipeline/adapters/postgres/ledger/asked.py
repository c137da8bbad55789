"""What was ever asked for: whole sessions, and sessions of chosen symbols.

A load that failed, or that ended before its first session, asked for its sessions all the same. So
the ranges of `load_jobs` count as well as the rows of `session_loads` and `symbol_loads`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus
from universe_pipeline.domain.sessions import sessions_before, sessions_between


@dataclass(frozen=True, slots=True)
class Asked:
    """Sessions that were asked for and have closed, in order."""

    whole: tuple[date, ...]
    """From the first to the last session that was asked for with all symbols."""
    of_symbols: frozenset[date]
    """Those that were asked for with chosen symbols."""

    @property
    def sessions(self) -> list[date]:
        """All of them."""
        return sorted(self.of_symbols.union(self.whole))

    def with_all_symbols(self, sessions: Sequence[date]) -> list[date]:
        """Those of `sessions` that are judged as whole ones.

        All but those between or around which only chosen symbols were asked for.
        """
        whole = frozenset(self.whole)
        return [day for day in sessions if day in whole or day not in self.of_symbols]


def ever_asked(connection: psycopg.Connection, newest: date) -> Asked:
    """What was asked for up to `newest`, the newest closed session."""
    given = {"newest": newest}
    first, last = connection.execute(_WHOLE, given).fetchall()[0]
    runs = connection.execute(_OF_SYMBOLS, given).fetchall()
    return Asked(
        whole=() if first is None else sessions_between(first, min(last, newest)),
        of_symbols=frozenset(
            day for lower, upper in runs for day in sessions_between(lower, min(upper, newest))
        ),
    )


_WHOLE = """
    SELECT min(first), max(last) FROM (
        SELECT date AS first, date AS last FROM session_loads
        UNION ALL SELECT start_date, end_date FROM load_jobs WHERE symbols IS NULL
    ) asked WHERE first <= %(newest)s
    """

_OF_SYMBOLS = """
    SELECT lower(run), upper(run) - 1 FROM unnest((
        SELECT range_agg(days) FROM (
            SELECT unnest(loaded) AS days FROM symbol_loads
            UNION ALL
            SELECT daterange(start_date, end_date, '[]') FROM load_jobs WHERE symbols IS NOT NULL
        ) asked
    )) AS run WHERE lower(run) <= %(newest)s
    """


@dataclass(frozen=True, slots=True)
class Lacking:
    """A session that readers do not have, or a symbol that lacks sessions of its job."""

    session: date
    """The first one, where a symbol lacks several."""
    state: str
    """`failed`, `quarantined`, `pending`, `not asked for` or `not closed`."""
    symbol: str | None = None
    sessions: int = 1
    failure: str | None = None
    """The kind of the symbol's open failure, if it has one."""

    @property
    def is_failure(self) -> bool:
        """Whether it was asked for in vain, or is kept from readers."""
        return self.state in (SessionStatus.FAILED, SessionStatus.QUARANTINED)

    def __str__(self) -> str:
        if self.symbol is None:
            return self.state
        count = f"{self.sessions:,} session{'s' if self.sessions > 1 else ''}"
        return f"{count} {self.state}" + (f", {self.failure}" if self.failure else "")


def lacking(
    connection: psycopg.Connection,
    asked: Asked,
    sessions: Sequence[date],
    newest: date,
    revisit: int,
) -> list[Lacking]:
    """What of `sessions` is not there: by the session, then by the symbol.

    A session that only chosen symbols were asked for is judged by these symbols.

    Args:
        connection: to read.
        asked: what was ever asked for.
        sessions: in order.
        newest: the newest closed session.
        revisit: so many sessions before it may still lack a symbol's bars.
    """
    if not sessions:
        return []
    whole = asked.with_all_symbols(sessions)
    known = session_states.states(connection, whole)
    states = {day: known[day].status if day in known else None for day in whole}
    unasked = [
        Lacking(day, status or ("not closed" if day > newest else "not asked for"))
        for day, status in states.items()
        if status not in (SessionStatus.LOADED, SessionStatus.EMPTY)
    ]
    asked_until = sessions_before(newest, revisit + 1)[0]
    return [*unasked, *_symbols(connection, sessions[0], min(sessions[-1], newest), asked_until)]


def _symbols(
    connection: psycopg.Connection, start: date, end: date, asked_until: date
) -> list[Lacking]:
    """The symbols of jobs that were not fetched over every session from `start` to `end`.

    After `asked_until`, a symbol that was fetched may still have no bar.
    """
    given = {
        "start": start,
        "end": end,
        "asked_until": asked_until,
        "committed": list(COMMITTED),
    }
    return [
        Lacking(
            first, SessionStatus.FAILED if failure else "not asked for", symbol, sessions, failure
        )
        for symbol, first, sessions, failure in connection.execute(_LACKING, given)
    ]


# Multiranges first, sessions last: symbols times sessions would be millions of rows.
_LACKING = """
    WITH asked AS (
        SELECT symbol, range_agg(daterange(
            greatest(j.start_date, %(start)s), least(j.end_date, %(end)s), '[]')) AS days
        FROM load_jobs j CROSS JOIN unnest(j.symbols) AS symbol
        WHERE j.start_date <= %(end)s AND j.end_date >= %(start)s
        GROUP BY symbol
    ), lacking AS (
        SELECT symbol, unnest(asked.days - coalesce(a.loaded, '{}')) AS run,
               a.symbol IS NOT NULL AS fetched
        FROM asked LEFT JOIN symbol_loads a USING (symbol)
    )
    SELECT symbol, min(k.date), count(*), (
        SELECT min(e.kind) FROM data_fetch_errors e
        WHERE e.symbol = lacking.symbol AND e.resolved_at IS NULL)
    FROM lacking
    JOIN nyse_sessions k ON lacking.run @> k.date AND NOT (fetched AND k.date > %(asked_until)s)
    LEFT JOIN session_loads l ON l.date = k.date AND l.status = ANY (%(committed)s)
    WHERE l.date IS NULL
    GROUP BY symbol ORDER BY symbol
    """
