"""Far fewer rows than usual, or than are stored, are not believed the first time."""

from collections.abc import Sequence

import polars as pl

from universe_pipeline.adapters.postgres.bars import reading
from universe_pipeline.adapters.postgres.bars.writing import EncodedSession, Standing
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import fetch_errors, refused_answers
from universe_pipeline.domain.completeness import ShortAnswer, day_of
from universe_pipeline.domain.errors import FailureKind
from universe_pipeline.loading.quality.before_commit import QuarantineReason


def is_disbelieved(
    connection: Connection,
    standing: Standing,
    answer: EncodedSession,
    reasons: Sequence[QuarantineReason],
) -> bool:
    """Whether an answer with far fewer rows than usual is to be asked for again first.

    That of a loaded session is not: it is compared with the rows that are stored. Nor is one that
    is stored already, and quarantined.
    """
    if not any(reason.collapsed for reason in reasons) or standing.measure:
        return False
    if standing.content_hash == answer.content_hash:
        return False
    return not fetch_errors.is_open(connection, answer.session, FailureKind.COLLAPSED)


def refusal(
    connection: Connection,
    standing: Standing,
    answer: EncodedSession,
    bars: pl.DataFrame | None,
    run_id: str | None,
) -> str | None:
    """Why an answer that is short of the stored rows may not replace them; None if it may.

    A refused one is recorded, so that it is believed when it stays so.

    Args:
        connection: in the session's transaction.
        standing: what stands of the session.
        answer: the short answer.
        bars: its usable rows (`BAR_SCHEMA`).
        run_id: the run that asked.
    """
    held = set[str]() if bars is None else set(bars["symbol"])
    short = ShortAnswer(
        rows=answer.rows,
        expected=standing.measure,
        missing=frozenset(reading.symbols_on(connection, answer.session) - held),
        day=day_of(answer.requested_at),
    )
    subject = refused_answers.of_session(answer.session)
    if refused_answers.believe_or_refuse(connection, subject, short, run_id):
        return None
    way_out = refused_answers.way_out(connection, subject, short)
    return f"{standing.measure:,} are stored. Nothing stored was changed. {way_out}"
