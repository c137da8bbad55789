"""`historical --symbols`: chosen symbols, by whichever endpoint takes fewer requests."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.bars.reading import bar_counts
from universe_pipeline.adapters.postgres.bars.rejected import of_symbols
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.quality.rule_results import results_of
from universe_pipeline.adapters.postgres.reference.symbols import listed_symbols, unknown_symbols
from universe_pipeline.cli.days import NAMED
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.findings import broken, is_broken, show
from universe_pipeline.cli.load import (
    at_pace,
    discover_symbols_if_stale,
    last_day,
    load_again,
    report_failures,
    report_given_up,
    run_job,
    running_elsewhere,
    sessions_asked,
    time_for,
)
from universe_pipeline.cli.status import write_checkpoint
from universe_pipeline.cli.terminal import note, progress_bars, result
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.spelling import nearest
from universe_pipeline.loading import load_job, load_states, plan
from universe_pipeline.loading.load_job import LoadJob
from universe_pipeline.loading.load_states import plan_symbols
from universe_pipeline.loading.plan import SymbolPlan
from universe_pipeline.orchestration.execution.in_process import open_runs
from universe_pipeline.settings import Settings


def load_range(
    settings: Settings, symbols: Sequence[str], start: date, end: date | None, *, again: bool
) -> int:
    """Load `symbols` over a range; what either endpoint was asked for already is skipped."""
    now = time_for(settings, start, end)
    name = load_job.symbols_name(symbols, start, last_day(end, now))
    job = LoadJob("symbols", name, sessions_asked(settings, start, end, now), symbols)
    database, discovered = _open_discovered(settings)
    code = _load_all(settings, database, job) if again else resume_job(settings, database, job)
    with database.connect() as connection:
        bars_code = _print_bars(connection, job, code)
    return max(code, discovered, bars_code)


def repair(settings: Settings, symbols: Sequence[str], start: date, end: date) -> int:
    """Fetch chosen symbols again by the per-symbol endpoint, over every session of a range."""
    now = time_for(settings, start, end)
    name = load_job.repair_name(symbols, start, last_day(end, now))
    job = LoadJob("symbols", name, sessions_asked(settings, start, end, now), symbols)
    database, discovered = _open_discovered(settings)
    note(f"{len(symbols)} symbols to fetch, {at_pace(settings, len(symbols))}")
    code = run_symbols(settings, database, job, _everything(job), afresh=True)
    with database.connect() as connection:
        bars_code = _print_bars(connection, job, code)
    return max(code, discovered, bars_code)


def _open_discovered(settings: Settings) -> tuple[Database, int]:
    database = wiring.open_for_loading(settings)
    return database, discover_symbols_if_stale(settings, database)


def _of_sessions(job: LoadJob) -> LoadJob:
    """The same job, loaded by whole sessions."""
    return LoadJob("historical", job.name, job.sessions)


def _everything(job: LoadJob) -> dict[str, Any]:
    return _asking_for(dict.fromkeys(job.symbols, job.sessions), again=True)


def _load_all(settings: Settings, database: Database, job: LoadJob) -> int:
    """Load everything again, the cheaper way."""
    if _grouped_is_cheaper(settings, len(job.sessions), len(job.symbols)):
        return load_again(settings, database, _of_sessions(job))
    return run_symbols(settings, database, job, _everything(job))


def resume_job(settings: Settings, database: Database, job: LoadJob) -> int:
    """Load what neither endpoint was asked for yet, the cheaper way; a repair always by symbol."""
    is_repair = load_job.is_repair(job.name)
    with database.connect() as connection:
        since = load_jobs.fresh_since(connection, job.name)
        missing = plan_symbols(connection, job.symbols, job.sessions, since)
        known = load_states.of_sessions(connection, job.sessions, since)
    grouped = plan.of_range(job.sessions, known, start=settings.universe_start_date)
    lacking = len(grouped.wanted) + len(grouped.out_of_reach)
    if not missing.wanted:
        code = _end_without_run(settings, database, job, missing)
    elif not is_repair and _grouped_is_cheaper(settings, lacking, len(missing.wanted)):
        code = run_job(settings, database, _of_sessions(job), grouped)
    else:
        asked = _asking_for(missing.wanted, again=is_repair or since is not None)
        code = run_symbols(settings, database, job, asked)
    return max(code, _report_given_up(job, missing))


def _end_without_run(
    settings: Settings, database: Database, job: LoadJob, missing: SymbolPlan
) -> int:
    """Complete a job whose sessions other jobs have loaded."""
    if missing.given_up or missing.out_of_reach:
        return DONE
    now = wiring.clock(settings)
    with load_job.working(database, job, now, at_end=partial(write_checkpoint, settings)) as work:
        if not work.hold:
            note(running_elsewhere(job.name, work.hold))
            return FAILED
        result(f"{job.name}: every session of these symbols is loaded, nothing to fetch")
        work.status = "completed"
    return DONE


def _report_given_up(job: LoadJob, missing: SymbolPlan) -> int:
    """Name the symbols and sessions that are missing and not asked for again."""
    if missing.given_up:
        named = _named(missing.given_up)
        note(f"failed for good before: {named}; `universe retry` asks again")
    code = FAILED if missing.given_up else DONE
    return max(code, report_given_up(missing.out_of_reach, job.sessions))


def _named(symbols: Sequence[str]) -> str:
    return visible(", ".join(symbols[:NAMED])) + (" …" if len(symbols) > NAMED else "")


def _grouped_is_cheaper(settings: Settings, grouped: int, by_symbol: int) -> bool:
    """Whether sessions are to be asked for instead of symbols; says so, and why."""
    cheaper = grouped <= by_symbol
    note(
        f"{'grouped' if cheaper else 'per-symbol'} requests: {grouped} sessions would take "
        f"{grouped} grouped requests, {by_symbol} symbols take {by_symbol}; "
        f"{at_pace(settings, min(grouped, by_symbol))}"
    )
    return cheaper


def _asking_for(wanted: Mapping[str, Sequence[date]], *, again: bool) -> dict[str, Any]:
    """The configuration of a run of `symbol_repair`.

    Args:
        wanted: the sessions by symbol that are missing.
        again: ask also for what either endpoint was asked for.
    """
    return {
        "symbols": list(wanted),
        "start": min(days[0] for days in wanted.values()).isoformat(),
        "end": max(days[-1] for days in wanted.values()).isoformat(),
        "again": again,
    }


def run_symbols(
    settings: Settings,
    database: Database,
    job: LoadJob,
    config: Mapping[str, Any],
    *,
    afresh: bool = False,
) -> int:
    """Load symbols by the per-symbol endpoint in a run of `symbol_repair`.

    Args:
        settings: of the command.
        database: the database.
        job: what the run works for.
        config: of the run: see `_asking_for`.
        afresh: the job fetches everything again.
    """
    now, at_end = wiring.clock(settings), partial(write_checkpoint, settings)
    with load_job.working(database, job, now, afresh=afresh, at_end=at_end) as work:
        if not work.hold:
            note(running_elsewhere(job.name, work.hold))
            return FAILED
        with open_runs(settings, database) as runs, progress_bars():
            ended = runs.run(
                "symbol_repair", [], name=job.name, config={"load_chosen_symbols": config}
            )
        code = report_failures(database, ended)
        found = results_of(work.connection, ended.run_id)
        show([one for one in found if is_broken(one)], every_rule=False)
        code = max(code, FAILED if broken(found)[Severity.ERROR] else DONE)
        work.status = load_job.status(work.connection, job, failed=code != DONE)
        if work.status == "interrupted":
            _report_unpublished(work.connection, job)
    return code


def _report_unpublished(connection: Connection, job: LoadJob) -> None:
    unpublished = load_job.unpublished(connection, job)
    for first in sorted({days[0] for days in unpublished.values()}):
        symbols = [symbol for symbol, days in unpublished.items() if days[0] == first]
        result(f"{first}: no bar of {_named(symbols)} yet; it is asked for again later")


def _rejected(by_rule: Mapping[str, int]) -> str:
    if not by_rule:
        return ""
    rules = ", ".join(
        f"{count:,} {rule}" if len(by_rule) > 1 else rule for rule, count in by_rule.items()
    )
    return f", {sum(by_rule.values()):,} rows rejected ({rules})"


def _print_bars(connection: Connection, job: LoadJob, code: int) -> int:
    """Print how many bars each symbol has, and name those that do not exist; the exit code.

    Args:
        connection: to the database.
        job: what was loaded.
        code: how that ended; of a symbol whose request failed nothing is known.
    """
    span = (job.sessions[0], job.sessions[-1])
    counts = bar_counts(connection, job.symbols, *span)
    rejected = of_symbols(connection, job.symbols, *span)
    for symbol in job.symbols:
        bars = f"{counts.get(symbol, 0):,} bars in {len(job.sessions):,} sessions"
        result(f"{visible(symbol)}: {bars}{_rejected(rejected.get(symbol, {}))}")
    bare = [symbol for symbol in job.symbols if symbol not in counts]
    unknown = unknown_symbols(connection, bare)
    if code != DONE:
        open_days = plan_symbols(connection, unknown, job.sessions)
        unanswered = {*open_days.wanted, *open_days.given_up}
        unknown = [symbol for symbol in unknown if symbol not in unanswered]
    listed = listed_symbols(connection) if unknown else []
    for symbol in unknown:
        note(
            f"{visible(symbol)} is in no reference list and the vendor has no bar of it: "
            f"{_advice(symbol, listed)}"
        )
    return FAILED if unknown else DONE


def _advice(symbol: str, listed: Sequence[str]) -> str:
    *others, last = nearest(symbol, listed) or [""]
    if not last:
        return "check the spelling, symbols are case-sensitive"
    named = visible(f"{', '.join(others)} or {last}" if others else last)
    return f"did you mean {named}? Symbols are case-sensitive"
