"""`discover`, `historical` and `daily`: what is missing is planned, and run through Dagster."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import load_jobs, session_states
from universe_pipeline.adapters.postgres.ledger.dividend_windows import reading
from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure, failures_of_run
from universe_pipeline.adapters.postgres.liveness import Hold
from universe_pipeline.adapters.postgres.quality.rule_results import broken_by
from universe_pipeline.adapters.postgres.reference.splits import newest_splits
from universe_pipeline.adapters.postgres.reference.symbols import Snapshot, newest_snapshot
from universe_pipeline.adapters.postgres.summaries.figures import DividendFigures, dividend_figures
from universe_pipeline.cli import changes
from universe_pipeline.cli.days import span, spans
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.lists import about_splits, about_symbols
from universe_pipeline.cli.status import write_checkpoint
from universe_pipeline.cli.terminal import note, progress_bars, result
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RangeError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.moments import is_fresh
from universe_pipeline.domain.session_state import COMMITTED, SessionStatus
from universe_pipeline.domain.sessions import (
    FIRST_SESSION,
    close_of,
    closed_range,
    last_known_session,
    newest_closed,
    require_closed_session,
    sessions_between,
)
from universe_pipeline.loading import load_job, load_states
from universe_pipeline.loading import plan as plans
from universe_pipeline.loading.dividends import requests_of
from universe_pipeline.loading.load_job import LoadJob
from universe_pipeline.loading.plan import SessionPlan
from universe_pipeline.orchestration.execution.in_process import Ended, open_runs
from universe_pipeline.orchestration.jobs.sealing import due_quarters
from universe_pipeline.settings import Settings

END_OF_CALENDAR = close_of(last_known_session())

LIST_REQUESTS = 50
"""About what universe and splits take together: lists of a thousand rows a page."""

LONG = 10
"""From so many requests on, dividends are announced with what they take."""


def tuned(settings: Settings, *, batch_size: int | None, concurrency: int | None) -> Settings:
    """The settings, with the options that are given in place of those of the same meaning."""
    given = {"universe_batch_size": batch_size, "universe_concurrency": concurrency}
    changed = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update=changed)


def discover_universe(settings: Settings, *, force: Collection[str] = ()) -> int:
    """Ask for the universe, the splits and the dividends unless all are fresh.

    Args:
        settings: of the command.
        force: of `WHOLE_LISTS`, those to ask for also when they are fresh.
    """
    wiring.require_vendor(settings)
    database = wiring.open_for_loading(settings)
    with database.connect() as connection:
        known, splits = newest_snapshot(connection), newest_splits(connection)
        paid = dividend_figures(connection, day_of(wiring.now(settings)))
        fresh = not _due_lists(settings, connection)
    if known is not None and fresh and not force:
        result(f"the universe is fresh: {_describe(settings, known)}; --force-refresh asks again")
        return DONE
    ended = _discover(settings, database, force)
    with database.connect() as connection:
        found, found_splits = newest_snapshot(connection), newest_splits(connection)
        dividends = _new_dividends(settings, connection, paid)
    discovered = found if found != known else None
    if discovered is not None or ended.success:  # otherwise a failure is what there is to say
        parts = [] if discovered is None else [f"discovered {_describe(settings, discovered)}"]
        if found_splits is not None and found_splits != splits:
            parts.append(f"{found_splits.rows:,} splits")
        if parts or dividends:
            result("; ".join([*parts, *dividends]))
    if discovered is not None:
        for line in about_symbols(discovered):
            result(line)
    if found_splits is not None and found_splits != splits:
        for line in about_splits(found_splits):
            result(line)
    return report_failures(database, ended)


def _new_dividends(
    settings: Settings, connection: Connection, before: DividendFigures
) -> list[str]:
    """The stored dividends in words, where a window of them came in since `before`."""
    now = wiring.now(settings)
    figures = dividend_figures(connection, day_of(now))
    if figures.fetched_at == before.fetched_at:
        return []
    since = reading(connection, settings.universe_start_date).complete_since(now)
    return [f"{figures.total:,} dividends" + (f" since {since}" if since else "")]


def _discover(settings: Settings, database: Database, force: Collection[str] = ()) -> Ended:
    newest = newest_closed(wiring.now(settings))
    with database.connect() as connection:
        _announce_lists(settings, connection, force)
    with open_runs(settings, database) as runs, progress_bars():
        return runs.run(
            "universe_discovery",
            [newest],
            name="universe_discovery",
            config={asset: {"force_refresh": True} for asset in force},
        )


def discover_if_stale(settings: Settings, database: Database) -> int:
    """Discover unless all lists are fresh, for commands whose own run does not."""
    with database.connect() as connection:
        due = _due_lists(settings, connection)
    return report_failures(database, _discover(settings, database)) if due else DONE


def discover_symbols_if_stale(settings: Settings, database: Database) -> int:
    """Ask for universe and splits unless both are fresh; dividends wait for another command."""
    with database.connect() as connection:
        if not _due_lists(settings, connection) - {Dataset.DIVIDENDS}:
            return DONE
    _announce_symbols(settings)
    newest = newest_closed(wiring.now(settings))
    with open_runs(settings, database) as runs, progress_bars():
        ended = runs.run("symbols_and_splits", [newest], name="symbols_and_splits")
    return report_failures(database, ended)


def _due_lists(settings: Settings, connection: Connection) -> set[str]:
    """The lists that a discovery asks for, of `WHOLE_LISTS`."""
    now = wiring.now(settings)
    symbols, splits = newest_snapshot(connection), newest_splits(connection)
    windows = reading(connection, settings.universe_start_date).due(now)
    is_due = {
        Dataset.SYMBOLS: symbols is None or not is_fresh(symbols.taken_at, now),
        Dataset.SPLITS: splits is None or not is_fresh(splits.taken_at, now),
        Dataset.DIVIDENDS: bool(windows),
    }
    return {name for name, due in is_due.items() if due}


def _announce_lists(
    settings: Settings, connection: Connection, force: Collection[str] = ()
) -> None:
    """Print what the lists that are due take."""
    due = _due_lists(settings, connection) | set(force)
    if due - {Dataset.DIVIDENDS}:
        _announce_symbols(settings)
    if Dataset.DIVIDENDS in due:
        _announce_dividends(settings, connection, force=Dataset.DIVIDENDS in force)


def _announce_symbols(settings: Settings) -> None:
    if settings.polygon_rate_limit:
        note(f"universe and splits are asked for, too, {at_pace(settings, LIST_REQUESTS)}")


def _announce_dividends(settings: Settings, connection: Connection, *, force: bool) -> None:
    now = wiring.now(settings)
    read = reading(connection, settings.universe_start_date)
    requests = requests_of(read.due(now, force=force), now)
    if settings.polygon_rate_limit and requests >= LONG:
        note(
            f"dividends since {read.since} are asked for last, once, in about {requests} "
            f"requests, {at_pace(settings, requests)}; ctrl-C keeps what has come, and the next "
            "command goes on"
        )


def _describe(settings: Settings, snapshot: Snapshot) -> str:
    counted = sum(snapshot.by_type.get(code, 0) for code in settings.universe_types)
    types = ",".join(settings.universe_types)
    return (
        f"{snapshot.symbols:,} symbols, {snapshot.active:,} active, {counted:,} of type {types}, "
        f"as of {snapshot.taken_at:%Y-%m-%d %H:%M} UTC"
    )


def historical_range(settings: Settings, start: date, end: date | None, *, reload: bool) -> int:
    """Load the sessions of a range that are not loaded yet, or all of them again."""
    now = time_for(settings, start, end)
    sessions = sessions_asked(settings, start, end, now)
    database = wiring.open_for_loading(settings)
    name = load_job.range_name(start, last_day(end, now))
    job = LoadJob("historical", name, sessions)
    return (load_again if reload else resume_job)(settings, database, job)


def time_for(settings: Settings, start: date, end: date | None) -> datetime:
    """The database's time, once there is a key and the range may hold a session at some time.

    Raises:
        RangeError: it never can: that is said also where there is no database.
    """
    if start <= END_OF_CALENDAR.date():
        closed_range(start, end, END_OF_CALENDAR)
    wiring.require_vendor(settings)
    return wiring.now(settings)


def sessions_asked(settings: Settings, start: date, end: date | None, now: datetime) -> list[date]:
    """The closed sessions of a range that are partitions; a note says where that cuts the range.

    Raises:
        RangeError: there is none.
    """
    closed = closed_range(start, end, now)
    found = _partitions(settings, closed)
    if not found:
        raise _before_start(settings, closed[0], closed[-1])
    _note_cut(settings, start, end, closed, newest_closed(now))
    return found


def _before_start(settings: Settings, first: date, last: date) -> RangeError:
    start = settings.universe_start_date
    return RangeError(f"{span(first, last)}: before UNIVERSE_START_DATE, {start}: set that earlier")


def _note_cut(
    settings: Settings, start: date, end: date | None, closed: Sequence[date], newest: date
) -> None:
    first = settings.universe_start_date
    if closed[0] < first:
        note(
            f"{start} is before UNIVERSE_START_DATE: loading from {first} on; "
            "set that earlier to load more"
        )
    elif start < FIRST_SESSION:
        note(f"{start} is before the vendor's first session: loading from {FIRST_SESSION} on")
    if end is not None and end > newest and sessions_between(newest, end)[1:]:
        note(f"{end} is after the newest closed session: loading up to {newest}")


def _partitions(settings: Settings, sessions: Sequence[date]) -> list[date]:
    """Those that are partitions: from UNIVERSE_START_DATE on."""
    first = settings.universe_start_date
    return [day for day in sessions if day >= first]


def last_day(end: date | None, now: datetime) -> date:
    """The end of a range as job names have it: a later day means the newest closed session."""
    newest = newest_closed(now)
    return newest if end is None else min(end, newest)


def resume_job(
    settings: Settings, database: Database, job: LoadJob, *, doubtful: bool = False
) -> int:
    """Load the sessions of a job that it has not loaded yet.

    Args:
        settings: of the command.
        database: the database.
        job: the job.
        doubtful: fetch the quarantined ones again.
    """
    with database.connect() as connection:
        planned = plan_of(settings, connection, job, doubtful=doubtful)
    return run_job(settings, database, job, planned)


def plan_of(
    settings: Settings, connection: Connection, job: LoadJob, *, doubtful: bool = False
) -> SessionPlan:
    """What of a job's sessions is not loaded yet; arguments as of `resume_job`."""
    since = load_jobs.fresh_since(connection, job.name)
    known = load_states.of_sessions(connection, job.sessions, since)
    start = settings.universe_start_date
    return plans.of_range(job.sessions, known, start=start, doubtful=doubtful)


def load_again(settings: Settings, database: Database, job: LoadJob) -> int:
    """Fetch all sessions of a job, loaded or not."""
    return run_job(settings, database, job, whole_plan(settings, job))


def whole_plan(settings: Settings, job: LoadJob) -> SessionPlan:
    """All of a job's sessions, loaded or not."""
    return plans.of_range(job.sessions, start=settings.universe_start_date)


def report_given_up(given_up: Collection[date], sessions: Sequence[date]) -> int:
    """Name the sessions that are not asked for again, of all that were meant."""
    if not given_up:
        return DONE
    note(f"failed for good before: {spans(given_up, sessions)}; `universe retry` asks again")
    return FAILED


def report_before_start_date(settings: Settings, early: Sequence[date]) -> int:
    """Name the sessions that are not partitions, as after the setting was changed."""
    if not early:
        return DONE
    first = settings.universe_start_date
    note(f"{span(early[0], early[-1])}: before UNIVERSE_START_DATE, {first}: set that earlier")
    return FAILED


def daily_update(settings: Settings, day: date | None) -> int:
    """Load a session, and fetch the trailing ones again.

    Args:
        settings: of the command.
        day: the session; None: the newest closed one, and what is missing of the last ten.
    """
    session = _session(settings, day)
    database = wiring.open_for_loading(settings)
    name = load_job.update_name(session)
    with database.connect() as connection:
        planned = load_states.plan_update(
            connection,
            session,
            start=settings.universe_start_date,
            revisit=settings.universe_revisit_sessions,
            look_back=plans.LOOK_BACK if day is None else 1,
            since=load_jobs.fresh_since(connection, name),
        )
    sessions = sorted({*planned.wanted, session})
    # The update that gave up the earlier ones has failed; this one has not.
    earlier = [day for day in planned.given_up if day != session]
    own = replace(planned, given_up=[day for day in planned.given_up if day == session])
    code = run_job(settings, database, LoadJob("daily", name, sessions), own)
    report_given_up(earlier, sessions_between(min(earlier, default=session), session))
    return code


def _session(settings: Settings, day: date | None) -> date:
    """The session that an update is about, which has closed and is a partition."""
    if day is not None:
        _require_partition(settings, require_closed_session(day, END_OF_CALENDAR))
    wiring.require_vendor(settings)
    now = wiring.now(settings)
    return _require_partition(
        settings, newest_closed(now) if day is None else require_closed_session(day, now)
    )


def _require_partition(settings: Settings, session: date) -> date:
    if not _partitions(settings, [session]):
        raise _before_start(settings, session, session)
    return session


def run_job(settings: Settings, database: Database, job: LoadJob, planned: SessionPlan) -> int:
    """Fetch what is `planned` for a job in one run, and name what is not asked for."""
    now = wiring.clock(settings)
    with load_job.working(database, job, now, at_end=partial(write_checkpoint, settings)) as work:
        if not work.hold:
            note(running_elsewhere(job.name, work.hold))
            return FAILED
        code = _carry_out(settings, database, work.connection, job, planned.fetch)
        code = max(code, report_before_start_date(settings, planned.out_of_reach))
        code = max(code, report_given_up(planned.given_up, job.sessions))
        work.status = load_job.status(work.connection, job, failed=code != DONE)
        return FAILED if work.status == "failed" else code


def running_elsewhere(name: str, hold: Hold) -> str:
    """That the job's lock could not be taken, and which process has it."""
    holder = hold.holder()
    return f"{name} is running in another process" + (f": {holder}" if holder else "")


def _carry_out(
    settings: Settings,
    database: Database,
    connection: Connection,
    job: LoadJob,
    wanted: Sequence[date],
) -> int:
    if not wanted:
        with open_runs(settings, database):
            pass  # no run, but a killed one may have left Dagster behind the database
        result(nothing_to_fetch(connection, job))
        report_unusual(connection, job.sessions)
        return discover_if_stale(settings, database)
    announce(settings, wanted)
    _announce_lists(settings, connection)
    before = changes.before(connection, wanted)
    config = {"daily_bars": {"fetch": [day.isoformat() for day in wanted]}}
    with open_runs(settings, database) as runs, progress_bars():
        ended = runs.run(_dagster_job(job), wanted, name=job.name, config=config)
        if not ended.interrupted and due_quarters(connection, settings, wiring.now(settings)):
            note("sealing quarters that are over, so that they are read quickly by symbol")
            runs.run("sealing", [], name="sealing")
    if job.kind == "daily":
        done = changes.update(connection, job.sessions[-1], wanted, before, ended.run_id)
        result(done.line(wanted))
    else:
        _summarise(connection, job, wanted, ended)
    report_unusual(connection, {*job.sessions, *wanted})
    if ended.check_results:
        result(f"checks: {_checked(ended)}")
    return report_failures(database, ended, job)


def _dagster_job(job: LoadJob) -> str:
    return "daily_update" if job.kind == "daily" else "historical_load"


def nothing_to_fetch(connection: Connection, job: LoadJob) -> str:
    """That a job's sessions are there, in words."""
    if job.kind == "daily":
        before = changes.before(connection, job.sessions)
        return changes.update(connection, job.sessions[-1], [], before, None).line([])
    there = len(session_states.committed(connection, job.sessions))
    loaded = "all" if there == len(job.sessions) else f"{there} of"
    return f"{job.name}: {loaded} {len(job.sessions)} sessions are loaded, nothing to fetch"


def _checked(ended: Ended) -> str:
    passed = sum(one.passed for one in ended.check_results)
    failed = len(ended.failed_checks)
    warned = len(ended.check_results) - passed - failed
    failures = f", {failed} failed" if failed else ""
    warnings = f", {warned} with warnings" if warned else ""
    where = ", which `universe verify` lists" if failed or warned else ""
    return f"{passed} of {len(ended.check_results)} passed{failures}{warnings}{where}"


def announce(settings: Settings, wanted: Sequence[date]) -> None:
    """Say which sessions will be asked for, at which pace, and how long that takes."""
    days = span(wanted[0], wanted[-1])
    sessions = "1 session" if len(wanted) == 1 else f"{len(wanted):,} sessions"
    note(f"{sessions} to fetch ({days}), {at_pace(settings, len(wanted))}")


def at_pace(settings: Settings, requests: int) -> str:
    """The pace that is set, and how long `requests` take at it."""
    pace = wiring.Expected(requests, settings.polygon_rate_limit)
    takes = f", about {pace.minutes:,.0f} min" if pace.minutes >= 1 else ""
    return f"{pace.per_minute} requests a minute{takes}" if pace.per_minute else "unpaced"


def _summarise(connection: Connection, job: LoadJob, wanted: Sequence[date], ended: Ended) -> None:
    """Print what the run has loaded: a session that it fetched again in vain is stored, only."""
    failed = {one.day for one in failures_of_run(connection, ended.run_id)}
    result(summary(connection, job.name, wanted, failed))


def summary(
    connection: Connection, name: str, wanted: Sequence[date], failed: Collection[date | None]
) -> str:
    """What a load has stored of the sessions that were `wanted` and have not `failed`."""
    states = session_states.states(connection, [day for day in wanted if day not in failed])
    loaded = [state for state in states.values() if state.status in COMMITTED]
    bars = sum(state.stored for state in loaded)
    revised = sum(state.revised for state in loaded)
    rejected = sum(state.rejected for state in loaded)
    return (
        f"{name}: {len(loaded)} of {len(wanted)} sessions loaded, {bars:,} bars, "
        f"{revised:,} revised, {rejected:,} rejected"
    )


def report_unusual(connection: Connection, sessions: Collection[date]) -> None:
    """Name the sessions that are not out yet, or kept from readers."""
    broken = broken_by(connection, list(sessions))
    for session, state in sorted(session_states.states(connection, list(sessions)).items()):
        if state.status is SessionStatus.PENDING:
            result(f"{session}: not published yet; `universe daily` or `resume` asks again")
        elif state.status is SessionStatus.QUARANTINED:
            why = "; ".join(broken.get(session, ()))
            result(f"{session}: quarantined, {why}; `universe approve` takes it as it is")


def report_failures(database: Database, ended: Ended, job: LoadJob | None = None) -> int:
    """Report what failed, each thing once, and the command that goes on; return the exit code.

    Args:
        database: the database.
        ended: the run.
        job: the job on sessions that the run worked for, if it did.

    Raises:
        KeyboardInterrupt: the run was interrupted.
    """
    if ended.interrupted:
        raise KeyboardInterrupt
    with database.connect() as connection:
        failures = failures_of_run(connection, ended.run_id)
        next_step = _next_step(connection, ended, failures, job)
    note_failures(failures)
    for message in ended.messages if not failures else ():
        note(message)
    explained = {"daily_bars_cover_every_session"} if failures else set[str]()
    for check in ended.failed_checks:
        if check not in explained:
            note(f"check failed: {check}")
    if next_step:
        note(f"next: {next_step}")
    return DONE if ended.success and not failures and not ended.failed_checks else FAILED


def note_failures(failures: Sequence[OpenFailure]) -> None:
    """Say what failed, each thing once."""
    by_message: dict[str, list[OpenFailure]] = {}
    for failure in failures:
        by_message.setdefault(failure.message, []).append(failure)
    for alike in by_message.values():
        note(_failure_line(alike))


def _next_step(
    connection: Connection, ended: Ended, failures: Sequence[OpenFailure], job: LoadJob | None
) -> str | None:
    """The command that asks again for what failed: `resume` for a job's own sessions, or `retry`.

    `resume` leaves out what failed for good, and a loaded session whose re-fetch failed.
    """
    if not failures:
        return "`universe resume` goes on" if job and ended.messages else None
    if any(one.refuses_key for one in failures):
        way_on = "`universe resume` goes on" if job else "run the same command again"
        return f"mend the key or the plan, then {way_on}"
    days = [one.day for one in failures if one.day is not None]
    beyond_plan = (FailureKind.OUTSIDE_PLAN, FailureKind.NOT_ENTITLED)
    if all(one.kind in beyond_plan for one in failures):
        return "`universe retry` asks again, once the plan includes that"
    loaded = session_states.committed(connection, days)
    is_own = all(one.retryable and one.symbol is None for one in failures) and not loaded
    if job and job.kind != "retry" and days and is_own:
        return "`universe resume` fetches what is missing"
    return "`universe retry` fetches what failed"


def _failure_line(alike: Sequence[OpenFailure]) -> str:
    first = alike[0]
    if first.refuses_key:
        return f"{first.message} [{first.kind}]"
    days = [one.day for one in alike if one.day is not None]
    if first.kind == FailureKind.OUTSIDE_PLAN and days:
        return f"{span(min(days), max(days))}: {first.message} [{first.kind}]"
    if first.message.startswith(first.subject):
        return visible(f"{first.message} [{first.kind}]")
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return visible(f"{first.subject}{more}: {first.message} [{first.kind}]")
