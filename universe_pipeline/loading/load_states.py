"""What is known of sessions and symbols, read from the ledger for `plan`."""

from collections.abc import Sequence
from datetime import date, datetime

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.domain.sessions import sessions_before
from universe_pipeline.loading import plan
from universe_pipeline.loading.plan import LOOK_BACK, SessionPlan, SessionStates, SymbolPlan


def of_sessions(
    connection: Connection, sessions: Sequence[date], since: datetime | None = None
) -> SessionStates:
    """What is known of `sessions`; what was fetched before `since` counts as unknown."""
    return SessionStates(
        committed=session_states.committed(connection, sessions, since),
        quarantined=session_states.quarantined(connection, sessions),
        given_up=session_states.given_up(connection, sessions, since),
        revisitable=set(session_states.revisitable(connection, sessions)),
    )


def plan_update(
    connection: Connection,
    session: date,
    *,
    start: date,
    revisit: int,
    look_back: int = LOOK_BACK,
    since: datetime | None = None,
) -> SessionPlan:
    """Plan the update of a session.

    Args:
        connection: to the database.
        session: a closed one.
        start: no session before this one is asked for (UNIVERSE_START_DATE).
        revisit: how many sessions before it are fetched again while they are not final.
        look_back: sessions up to this one that are looked at for missing ones.
        since: the session itself counts as missing unless it was fetched after this.
    """
    looked_at = plan.sessions_of_update(session, start, look_back)
    before = {*looked_at[:-1], *sessions_before(session, revisit)}
    known = of_sessions(connection, sorted(before)) | of_sessions(connection, [session], since)
    return plan.of_update(looked_at, known, start=start, revisit=revisit)


def plan_symbols(
    connection: Connection,
    symbols: Sequence[str],
    sessions: Sequence[date],
    since: datetime | None = None,
) -> SymbolPlan:
    """Plan to ask for what neither endpoint was asked for (after `since`)."""
    unasked = {
        symbol: session_states.sessions_unasked(connection, symbol, sessions, since)
        for symbol in symbols
    }
    given_up = frozenset(session_states.symbols_given_up(connection, symbols, since))
    until = session_states.outside_plan_until(connection, since)
    return plan.of_symbols(plan.SymbolStates(unasked, given_up, until))
