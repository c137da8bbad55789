"""What a daily update asks for: one plan, for the command line and for the schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.domain.sessions import sessions_before

LOOK_BACK = 10
"""Closed sessions that a daily update looks at: it makes good an outage of two weeks by itself."""


@dataclass(frozen=True, slots=True)
class Daily:
    """The sessions of a daily update, each group in order; no session is in two of them."""

    missing: Sequence[date]
    """Neither loaded nor confirmed as empty."""
    revisit: Sequence[date]
    """Loaded, and the vendor may still correct them."""
    given_up: Sequence[date]
    """Missing because they failed for good or lie outside the plan: only `retry` asks again."""


def daily(
    connection: Connection,
    session: date,
    *,
    start: date,
    revisit: int,
    look_back: int = LOOK_BACK,
    since: datetime | None = None,
) -> Daily:
    """Plan the update of a session.

    Args:
        connection: to the database.
        session: a closed one.
        start: no session before this one is asked for (UNIVERSE_START_DATE).
        revisit: how many sessions before it are fetched again while they are not final.
        look_back: sessions up to this one that are looked at for missing ones.
        since: the session itself counts as missing unless it was fetched after this.
    """
    before = [day for day in sessions_before(session, look_back - 1) if day >= start]
    trailing = [day for day in sessions_before(session, revisit) if day >= start]
    there = session_loads.committed(connection, before) | session_loads.committed(
        connection, [session], since
    )
    lost = session_loads.given_up(connection, before) | session_loads.given_up(
        connection, [session], since
    )
    absent = [day for day in (*before, session) if day not in there]
    return Daily(
        missing=[day for day in absent if day not in lost],
        revisit=session_loads.revisitable(connection, trailing),
        given_up=[day for day in absent if day in lost],
    )
