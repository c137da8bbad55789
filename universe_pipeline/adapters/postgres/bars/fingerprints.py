"""Stored fingerprints of sessions; those of another version are made again from the stored bars.

A fingerprint of another version says nothing about what is stored (`domain/fingerprint.py`): it is
compared with none, and gives way to the fingerprint of the bars. Approvals of the stored content
follow it.
"""

from datetime import date

import psycopg

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.domain.fingerprint import OF_NO_BARS, is_known
from universe_pipeline.domain.quality.rules import CONTENTS_KEPT


def of_stored_bars(connection: psycopg.Connection, session: date) -> str:
    """The fingerprint of the session's bars of the grouped endpoint, as they are stored."""
    received = packed.receive(connection, session, session, "grouped")
    return received.fingerprints([session]).get(session, OF_NO_BARS)


def known(connection: psycopg.Connection, session: date, stored: str | None) -> str | None:
    """The session's `stored` fingerprint, renewed if it is of another version; None stays None."""
    if stored is None or is_known(stored):
        return stored
    found = of_stored_bars(connection, session)
    session_loads.renew_fingerprints(connection, {session: (stored, found)})
    return found


def altered_sessions(connection: psycopg.Connection) -> set[date]:
    """Sessions whose bars are known not to be those of their answer."""
    rows = connection.execute(
        "SELECT date FROM broken_rules WHERE rule = %s", (CONTENTS_KEPT.name,)
    )
    return {row[0] for row in rows}
