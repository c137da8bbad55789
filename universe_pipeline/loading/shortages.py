"""A list that lacks many of the stored rows: refused, until it is believed or a person approves."""

from collections.abc import Sequence
from dataclasses import dataclass

from universe_pipeline.adapters.postgres import refused
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.refused import OpenRefusal, Subject
from universe_pipeline.domain.completeness import ShortAnswer
from universe_pipeline.domain.errors import CollapsedError, FailureKind, UsageError


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
    if refused.believe_or_refuse(connection, short.subject, short.answer, run_id):
        return
    way_out = refused.way_out(connection, short.subject, short.answer)
    message = f"{'; '.join(short.reasons)}. {way_out}"
    raise CollapsedError(FailureKind.COLLAPSED, short.endpoint, message)


def approve(connection: Connection, subject: Subject, reason: str, by: str) -> OpenRefusal:
    """Approve the newest refused answer about `subject`: the same one is stored when it comes.

    Raises:
        UsageError: no refused answer about it waits; the message names those that do.
    """
    approved = refused.approve(connection, subject, reason, by)
    if approved is None:
        waiting = ", ".join(sorted(map(str, refused.open_refusals(connection)))) or "none"
        raise UsageError(
            f"no refused answer about {subject} waits for approval; waiting: {waiting}"
        )
    return approved
