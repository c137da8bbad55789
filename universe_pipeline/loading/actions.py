"""Corporate actions, judged again where something about them changed."""

from datetime import datetime

from universe_pipeline.adapters.postgres.actions import pending, steps, verdicts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.verdicts import judge


def refresh_actions(connection: Connection, now: datetime, run_id: str | None = None) -> int:
    """Judge the actions that changed, or whose bars or listings did; how many were judged.

    One transaction: verdicts, their revisions and `adjustment_steps` always agree.

    Args:
        connection: outside of a transaction.
        now: the database's time.
        run_id: the run that judges.
    """
    today, judged = day_of(now), 0
    with connection.transaction():
        if not pending.stage(connection, today):
            return 0
        verdicts.prepare(connection)
        for batch in pending.batches(connection, today):
            found = judge(batch.actions, batch.bars, today)
            verdicts.store(connection, found, run_id)
            judged += found.height
        verdicts.remove_gone(connection, run_id)
        steps.rewrite(connection, verdicts.touched_securities(connection))
    return judged
