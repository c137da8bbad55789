"""Is the number of rows in a session's answer believable?"""

from enum import Enum, auto

from universe_pipeline.adapters.postgres import bars, failures, loads
from universe_pipeline.adapters.postgres.bars import EncodedSession
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import FailureKind


class RowCount(Enum):
    """What the number of rows says, beside the median of the twenty loaded sessions before."""

    PLAUSIBLE = auto()
    DOUBTED = auto()
    """Under 90 %: not believed the first time, but asked for again."""
    COLLAPSED = auto()
    """Under 90 %, and not for the first time: stored, and kept from readers."""


def judge(connection: Connection, answer: EncodedSession) -> RowCount:
    """Judge an answer that is about to be stored.

    A session that is loaded is not held against others: its answer is held against what it has
    stored, when it is written.
    """
    usual = loads.trailing_median(connection, answer.session)
    if usual is None or answer.rows >= bars.COLLAPSE * usual:
        return RowCount.PLAUSIBLE
    known = loads.states(connection, [answer.session]).get(answer.session)
    if known is not None and known.status == "loaded":
        return RowCount.PLAUSIBLE
    seen = known is not None and known.status == "quarantined"
    doubted = failures.is_open(connection, answer.session, FailureKind.COLLAPSED)
    return RowCount.COLLAPSED if seen or doubted else RowCount.DOUBTED
