"""`approve` of bars: a quarantined session, or an answer that was refused as too small.

A refused answer is not kept: the vendor is asked again, and the approval lets the same one in.
"""

from datetime import date

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers, session_states
from universe_pipeline.adapters.postgres.ledger.refused_answers import OpenRefusal
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.load import load_again, run_job
from universe_pipeline.cli.symbol_loads import repair
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.foreign_text import symbols_option
from universe_pipeline.loading.load_job import LoadJob, retry_name
from universe_pipeline.loading.plan import SessionPlan
from universe_pipeline.loading.quality import approvals
from universe_pipeline.settings import Settings


def approve_session(settings: Settings, session: date, reason: str, by: str) -> int:
    """Give a quarantined session to readers, or store the smaller answer that it was refused.

    Raises:
        UsageError: it is neither quarantined, nor was an answer refused.
    """
    subject = refused_answers.of_session(session)
    with wiring.connected(settings) as connection:
        is_refusing = subject in refused_answers.open_refusals(connection)
        if not is_refusing or session_states.quarantined(connection, [session]):
            return _give_to_readers(connection, session, reason, by)
        result(described(approvals.approve_refused(connection, subject, reason, by)))
    if settings.polygon_api_key is None:
        return _not_asked(f"universe historical --start {session} --end {session} --reload")
    return _store_session(settings, session, reason, by)


def approve_symbol(settings: Settings, symbol: str, reason: str, by: str) -> int:
    """Store the smaller answer about a symbol that was refused last, over the range of that one.

    Raises:
        UsageError: none was.
    """
    with wiring.connected(settings) as connection:
        approved = approvals.approve_refused(
            connection, refused_answers.of_symbol(symbol), reason, by
        )
    result(described(approved))
    start, end = approved.subject.span
    if settings.polygon_api_key is None:
        return _not_asked(f"universe repair {symbols_option([symbol])} --start {start} --end {end}")
    return repair(settings, [symbol], start, end)


def _give_to_readers(connection: Connection, session: date, reason: str, by: str) -> int:
    rules = approvals.approve(connection, session, reason, by)
    broke = f" though it breaks {', '.join(rules)}" if rules else ""
    result(f"{session} is given to readers{broke}; another content is judged again")
    return DONE


def described(approved: OpenRefusal) -> str:
    """What was approved, in a line."""
    return (
        f"approved: {approved.subject} with {approved.rows:,} rows where {approved.expected:,} "
        f"are expected, as refused on {approved.refused_at:%Y-%m-%d %H:%M} UTC"
    )


def _not_asked(command: str) -> int:
    note(f"no POLYGON_API_KEY is set, so that the vendor is not asked; `{command}` stores it")
    return DONE


def _store_session(settings: Settings, session: date, reason: str, by: str) -> int:
    database, days = wiring.open_for_loading(settings), [session]
    job = LoadJob("retry", retry_name(days), days)
    code = load_again(settings, database, job)
    with database.connect() as connection:
        waits = refused_answers.of_session(session) in refused_answers.open_refusals(connection)
        if waits or not session_states.quarantined(connection, days):
            return code
        # So few rows are unusual, too: it is this answer that the person took for right.
        _give_to_readers(connection, session, reason, by)
    return run_job(settings, database, job, SessionPlan())
