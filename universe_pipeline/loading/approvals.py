"""A quarantined session is right as it is, says a person."""

from datetime import date

from universe_pipeline.adapters.postgres import judging, packed, verdicts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.copy_binary import fingerprint
from universe_pipeline.adapters.postgres.coverage import cover
from universe_pipeline.adapters.postgres.verdicts import Approval
from universe_pipeline.domain.bars import BAR_SCHEMA
from universe_pipeline.domain.errors import UsageError


def approve(connection: Connection, session: date, reason: str, by: str) -> list[str]:
    """Give a quarantined session to readers; the rules that it broke.

    Raises:
        UsageError: it is not quarantined.
    """
    known = judging.stored_loads(connection).get(session)
    if known is None or known.status != "quarantined":
        state = "is loaded, and given to readers" if known else "is not stored"
        raise UsageError(f"the session {session} is not quarantined: it {state}")
    content = known.content_hash or _fingerprint(connection, session)
    rules = verdicts.approve(connection, Approval(session, reason, by), content)
    cover(connection)
    return rules


def _fingerprint(connection: Connection, session: date) -> str:
    """Of bars that no longer are those of one answer."""
    bars = packed.read(connection, session, session, "grouped").bars
    return fingerprint(bars.select(BAR_SCHEMA.names()))
