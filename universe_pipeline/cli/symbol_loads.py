"""`historical --symbols`: chosen symbols, by whichever endpoint takes fewer requests."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256

from universe_pipeline.adapters.postgres import jobs, loads
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.reading import bar_counts
from universe_pipeline.adapters.postgres.symbols import unknown_symbols
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.load import (
    Plan,
    at_pace,
    carry_out,
    discover_if_stale,
    last_day,
    open_for_loading,
    sessions_asked,
    tell_failures,
)
from universe_pipeline.cli.status import write_checkpoint
from universe_pipeline.cli.terminal import note, progress_bars, result
from universe_pipeline.loading.by_symbol import unasked
from universe_pipeline.orchestration.runs import open_runs
from universe_pipeline.settings import settings


def load_range(symbols: Sequence[str], start: date, end: date | None, *, again: bool) -> int:
    """Load `symbols` over a range; what either endpoint was asked for already is skipped."""
    sessions = sessions_asked(start, end)
    settings().require_api_key()
    database = open_for_loading()
    discovered = discover_if_stale(database)
    name = job_name("historical_load", symbols, start, last_day(end))
    code = go_on(database, symbols, sessions, name, again=again)
    with database.connect() as connection:
        _tell_bars(connection, symbols, sessions)
    return code or discovered


def repair(symbols: Sequence[str], start: date, end: date) -> int:
    """Fetch chosen symbols again by the per-symbol endpoint, over every session of a range."""
    sessions = sessions_asked(start, end)
    settings().require_api_key()
    database = open_for_loading()
    discovered = discover_if_stale(database)
    note(f"{len(symbols)} symbols to fetch, {at_pace(len(symbols))}")
    name = job_name("symbol_repair", symbols, start, last_day(end))
    code = run_symbols(database, symbols, sessions, name, again=True)
    with database.connect() as connection:
        _tell_bars(connection, symbols, sessions)
    return code or discovered


def job_name(kind: str, symbols: Sequence[str], start: date, end: date) -> str:
    """The name of a job on chosen symbols."""
    digest = sha256(",".join(sorted(symbols)).encode()).hexdigest()[:8]
    return f"{kind}_{start}_{end}_symbols_{digest}"


def go_on(
    database: Database, symbols: Sequence[str], sessions: Sequence[date], name: str, *, again: bool
) -> int:
    """Load what neither endpoint was asked for yet, or everything again, the cheaper way."""
    with database.connect() as connection:
        since = jobs.fresh_since(connection, name)
        missing = dict.fromkeys(symbols) if again else unasked(connection, symbols, sessions, since)
        there = set[date]() if again else loads.committed(connection, sessions, since)
    by_session = [day for day in sessions if day not in there]
    if not missing:
        result(f"{name}: every session of these symbols is loaded, nothing to fetch")
        return DONE
    if len(by_session) <= len(missing):
        note(_choice("grouped", len(by_session), len(missing)))
        plan = Plan("historical", name, sessions)
        return carry_out(database, plan, by_session)
    note(_choice("per-symbol", len(by_session), len(missing)))
    return run_symbols(database, symbols, sessions, name, again=again or since is not None)


def _choice(endpoint: str, grouped: int, by_symbol: int) -> str:
    return (
        f"{endpoint} requests: {grouped} sessions would take {grouped} grouped requests, "
        f"{by_symbol} symbols take {by_symbol}; {at_pace(min(grouped, by_symbol))}"
    )


def run_symbols(
    database: Database, symbols: Sequence[str], sessions: Sequence[date], name: str, *, again: bool
) -> int:
    """Load symbols by the per-symbol endpoint in a run of `symbol_repair`."""
    config = {
        "symbols": list(symbols),
        "start": sessions[0].isoformat(),
        "end": sessions[-1].isoformat(),
        "again": again,
    }
    with jobs.held(database, name) as held, database.connect() as connection:
        if not held:
            note(f"{name} is running in another process")
            return FAILED
        jobs.begin_job(connection, name, "symbols", (sessions[0], sessions[-1]), symbols)
        status = "interrupted"
        try:
            with progress_bars(), open_runs(settings(), database) as runs:
                ended = runs.run(
                    "symbol_repair", [], name=name, config={"load_chosen_symbols": config}
                )
            code = tell_failures(database, ended)
            status = "completed" if code == DONE else "failed"
        finally:
            jobs.end_job(connection, name, status)
            write_checkpoint(connection)
    return code


def _tell_bars(connection: Connection, symbols: Sequence[str], sessions: Sequence[date]) -> None:
    counts = bar_counts(connection, symbols, sessions[0], sessions[-1])
    for symbol in symbols:
        result(f"{symbol}: {counts.get(symbol, 0):,} bars in {len(sessions):,} sessions")
    bare = [symbol for symbol in symbols if symbol not in counts]
    for symbol in unknown_symbols(connection, bare):
        note(
            f"{symbol} is in no reference list and the vendor has no bar of it: "
            "check the spelling, symbols are case-sensitive"
        )
