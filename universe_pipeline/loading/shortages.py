"""A list that lacks many of the stored rows: refused until it is believed or approved."""

from collections.abc import Sequence
from dataclasses import dataclass

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.refused_answers import Subject
from universe_pipeline.domain.completeness import ShortAnswer
from universe_pipeline.domain.errors import CollapsedError, FailureKind


@dataclass(frozen=True, slots=True)
class ShortList:
    """A short answer about a list, and why it is one."""

    subject: Subject
    endpoint: str
    answer: ShortAnswer
    reasons: Sequence[str]
    """A clause for each."""


def require_belief(connection: Connection, short: ShortList, run_id: str | None) -> None:
    """Return if the short list may be stored; otherwise record it as refused.

    Raises:
        CollapsedError: it is not believed yet; the message holds the day's number and the way out.
    """
    if refused_answers.believe_or_refuse(connection, short.subject, short.answer, run_id):
        return
    way_out = refused_answers.way_out(connection, short.subject, short.answer)
    message = f"{'; '.join(short.reasons)}. Nothing stored was changed. {way_out}"
    raise CollapsedError(FailureKind.COLLAPSED, short.endpoint, message)
