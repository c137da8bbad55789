"""Far fewer rows than usual are not believed the first time, but asked for again."""

from collections.abc import Sequence

from universe_pipeline.adapters.postgres import failures, loads
from universe_pipeline.adapters.postgres.bars import EncodedSession
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.loading.doubts import Doubt


def is_disbelieved(connection: Connection, answer: EncodedSession, doubts: Sequence[Doubt]) -> bool:
    """Whether an answer that is about to be stored is to be asked for again first.

    That of a session which has rows is not: it is held against those when it is written.
    """
    if not any(doubt.collapsed for doubt in doubts):
        return False
    known = loads.states(connection, [answer.session]).get(answer.session)
    if known is not None and known.status in ("loaded", "quarantined"):
        return False
    return not failures.is_open(connection, answer.session, FailureKind.COLLAPSED)
