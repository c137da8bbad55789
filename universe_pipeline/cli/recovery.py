"""`resume`, `clear-checkpoint` and `retry`: going on after failures and interruptions."""

from datetime import date

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger import load_jobs, session_states
from universe_pipeline.adapters.postgres.ledger.fetch_errors import (
    OpenFailure,
    last_refusal,
    open_failures,
    repairs,
)
from universe_pipeline.adapters.postgres.ledger.load_jobs import Job
from universe_pipeline.adapters.postgres.text import storable
from universe_pipeline.cli import symbol_loads
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.load import (
    discover_universe,
    load_again,
    resume_job,
)
from universe_pipeline.cli.symbol_loads import repair
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import closed_range, newest_closed
from universe_pipeline.loading.load_job import LoadJob, retry_name
from universe_pipeline.settings import Settings

UNFINISHED = ("failed", "interrupted", "stuck")


def resume(settings: Settings, name: str | None) -> int:
    """Go on with every unfinished job, or with the one of that name."""
    wiring.require_vendor(settings)
    database = wiring.open_for_loading(settings)
    with database.connect() as connection:
        known = load_jobs.jobs(connection, wiring.now(settings))
    if name is not None and name not in {job.name for job in known}:
        raise _unknown(name, known)
    chosen = [job for job in known if name in (None, job.name) and job.status in UNFINISHED]
    if not chosen:
        result("no interrupted or failed job to go on with")
    code = DONE
    for done, job in enumerate(chosen, start=1):
        known = _last_refusal(database)
        code = max(code, _go_on(settings, database, job))
        if done < len(chosen) and _last_refusal(database) != known:
            note(
                f"{len(chosen) - done} more jobs are left: the vendor refuses the key to all alike"
            )
            break
    return code


def _last_refusal(database: Database) -> int | None:
    with database.connect() as connection:
        return last_refusal(connection)


def _go_on(settings: Settings, database: Database, job: Job) -> int:
    note(f"going on with {job.name}")
    sessions = job.sessions or closed_range(job.start, job.end, wiring.now(settings))
    if job.symbols is not None:
        chosen = LoadJob("symbols", job.name, sessions, job.symbols)
        return symbol_loads.resume_job(settings, database, chosen)
    return resume_job(settings, database, LoadJob(job.kind, job.name, sessions), doubtful=True)


def clear_checkpoint(settings: Settings, name: str) -> int:
    """Let the job's next run fetch every session of its range again."""
    with wiring.connected(settings) as connection:
        now = wiring.now(settings)
        if not load_jobs.clear_checkpoint(connection, storable(name), now):
            raise _unknown(name, load_jobs.jobs(connection, now))
    result(f"{name}: its next run fetches every session again; bars stay readable meanwhile")
    return DONE


def _unknown(name: str, known: list[Job]) -> UsageError:
    names = ", ".join(job.name for job in known) or "none yet"
    return UsageError(f"there is no job {visible(name)}; the jobs are: {names}")


def retry(settings: Settings) -> int:
    """Fetch again what has an open row in `data_fetch_errors`, failed or is quarantined."""
    wiring.require_vendor(settings)
    database = wiring.open_for_loading(settings)
    with database.connect() as connection:
        failures = open_failures(connection)
        doubtful = session_states.with_status(
            connection, (SessionStatus.FAILED, SessionStatus.QUARANTINED)
        )
    if not failures and not doubtful:
        result("no open errors")
        return DONE
    days = {one.day for one in failures if one.day is not None and one.symbol is None}
    return max(
        _retry_lists(settings, failures),
        _retry_sessions(settings, database, days | doubtful),
        _retry_symbols(settings, failures),
    )


def _retry_lists(settings: Settings, failures: list[OpenFailure]) -> int:
    lists = {failure.dataset for failure in failures if failure.is_of_list}
    return discover_universe(settings, force=lists) if lists else DONE


def _retry_sessions(settings: Settings, database: Database, failed: set[date]) -> int:
    if not failed:
        return DONE
    days = sorted(failed)
    return load_again(settings, database, LoadJob("retry", retry_name(days), days))


def _retry_symbols(settings: Settings, failures: list[OpenFailure]) -> int:
    chosen = repairs(failures, newest_closed(wiring.now(settings)))
    return max((repair(settings, one.symbols, one.start, one.end) for one in chosen), default=DONE)
