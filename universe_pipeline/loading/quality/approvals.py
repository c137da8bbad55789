"""A person says that a quarantined session, or a refused answer, is right as it is."""

from datetime import date

from universe_pipeline.adapters.postgres.bars import fingerprints
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.refused_answers import OpenRefusal, Subject
from universe_pipeline.adapters.postgres.quality import context, rule_results
from universe_pipeline.adapters.postgres.quality.rule_results import Approval
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.session_state import SessionStatus

NAMED = 10
"""Of what waits, so much is named."""


def approve(connection: Connection, session: date, reason: str, by: str) -> list[str]:
    """Give a quarantined session to readers; the rules that it broke.

    Raises:
        UsageError: it is not quarantined.
    """
    known = context.stored_loads(connection).get(session)
    if known is None or known.status is not SessionStatus.QUARANTINED:
        state = "is loaded, and given to readers" if known else "is not stored"
        raise UsageError(
            f"the session {session} is not quarantined: it {state}; {_waiting(connection)}"
        )
    content = fingerprints.known(connection, session, known.content_hash)
    if content is None:  # the bars no longer are those of one answer
        content = fingerprints.of_stored_bars(connection, session)
    rules = rule_results.approve(connection, Approval(session, reason, by), content)
    cover(connection)
    return rules


def approve_refused(connection: Connection, subject: Subject, reason: str, by: str) -> OpenRefusal:
    """Approve the newest refused answer about a subject: the same one is stored when it comes.

    Raises:
        UsageError: none waits; it names what does.
    """
    approved = refused_answers.approve(connection, subject, reason, by)
    if approved is None:
        raise UsageError(f"no refused answer about {subject} waits; {_waiting(connection)}")
    return approved


def _waiting(connection: Connection) -> str:
    """What waits for approval, in words."""
    stored = context.stored_loads(connection).items()
    quarantined = [str(day) for day, load in stored if load.status is SessionStatus.QUARANTINED]
    waiting = sorted({*quarantined, *map(str, refused_answers.open_refusals(connection))})
    named = ", ".join(waiting[:NAMED]) + (" …" if len(waiting) > NAMED else "")
    return f"waiting for approval: {named or 'nothing'}"
