"""`status` and `errors`: what is loaded, what is open; and the checkpoint document."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from typing import Any

from rich.table import Table

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.actions.verdicts import counts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.holders import all_holders, paces
from universe_pipeline.adapters.postgres.hosts import differences, hosts
from universe_pipeline.adapters.postgres.identity.counts import Identities, identities
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked
from universe_pipeline.adapters.postgres.ledger.dividend_windows import reading
from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure, open_failures
from universe_pipeline.adapters.postgres.ledger.load_jobs import Job
from universe_pipeline.adapters.postgres.ledger.refused_answers import OpenRefusal, open_refusals
from universe_pipeline.adapters.postgres.quality.standing import standing
from universe_pipeline.adapters.postgres.summaries.figures import (
    DividendFigures,
    Figures,
    dividend_figures,
    figures,
)
from universe_pipeline.adapters.whole_file import replacing
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.findings import sentence
from universe_pipeline.cli.others import (
    different_limits,
    host_documents,
    lock_document,
    lock_lines,
    pace_documents,
)
from universe_pipeline.cli.terminal import result, table
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.sessions import newest_closed
from universe_pipeline.domain.verdicts import Kind, Verdict
from universe_pipeline.settings import Settings

logger = logging.getLogger("universe_pipeline.status")

CHECKPOINT = "universe_loader_checkpoint.json"

NOT_WRITTEN = frozenset({ENOSPC, EDQUOT, EROFS, EACCES, EPERM})
"""Errors of a full disk and of a home that can only be read: no command fails by them."""

NOTHING = "Nothing is loaded yet: `universe historical --start YYYY-MM-DD` loads a range"


def show(settings: Settings, *, as_json: bool) -> int:
    """Print the state of everything."""
    limit = settings.polygon_rate_limit
    with wiring.reading(settings) as connection:
        now = wiring.now(settings)
        known, numbers = load_jobs.jobs(connection, now), figures(connection)
        refused = list(open_refusals(connection).values())
        held, asking = all_holders(connection), paces(connection)
        known_hosts = hosts(connection)
        paid = dividend_figures(connection, day_of(now))
        since = reading(connection, settings.universe_start_date).complete_since(now)
        quality = _quality(settings, connection)
        known_identities, verdicts = identities(connection), counts(connection)
    _write(settings, known)
    if as_json:
        dividends = {"dividends": _dividends_document(paid, since)}
        waiting = {"refused": [_refused_document(one) for one in refused]}
        others = {
            "listings": asdict(known_identities),
            "actions": verdicts,
            "pace": {
                "requests_per_minute": limit,
                "processes": pace_documents(asking),
                "hosts": host_documents(known_hosts),
            },
            "locks": [lock_document(one) for one in held],
        }
        document = _document(settings, known, numbers) | dividends | waiting | others | quality
        result(json.dumps(document, indent=2))
        return DONE
    if known:
        table(_job_table(known))
    limits = [f"limits    {line}" for line in different_limits(limit, asking)]
    differing = [f"hosts     {line}" for line in differences(known_hosts)]
    lines = [
        *_lines(settings, numbers, _dividends_line(paid, since)),
        _identity_line(known_identities),
        _verdict_line(verdicts),
        *limits,
        *differing,
    ]
    for line in [*lines, *_refused_lines(refused), *lock_lines(held)]:
        result(line)
    result(f"\n{quality['summary']}")
    return DONE


def _identity_line(known: Identities) -> str:
    return (
        f"listings  {known.listings:,} of {known.securities:,} securities, {known.unknown:,} of "
        "them unknown"
    )


def _verdict_line(verdicts: Mapping[str, Mapping[str, int]]) -> str:
    splits, dividends = (verdicts.get(kind, {}) for kind in Kind)
    return (
        f"actions   {sum(splits.values()):,} splits, {splits.get(Verdict.VERIFIED, 0):,} of them "
        f"verified; {sum(dividends.values()):,} ex-dates, {dividends.get(Verdict.USABLE, 0):,} "
        "of them usable"
    )


def _quality(settings: Settings, connection: Connection) -> dict[str, Any]:
    """How many rules are broken by what was judged so far, and how things stand, in a sentence."""
    asked = ever_asked(connection, newest_closed(wiring.now(settings)))
    severities = Counter(one.severity for one in standing(connection).values())
    counts = {"errors": severities[Severity.ERROR], "warnings": severities[Severity.WARN]}
    if not asked.sessions:
        return {"quality": counts, "summary": NOTHING}
    return {
        "quality": counts,
        "summary": sentence(settings, connection, asked, asked.sessions, severities),
    }


def show_errors(settings: Settings, *, as_json: bool) -> int:
    """Print every open failure."""
    with wiring.reading(settings) as connection:
        failures = open_failures(connection)
    if as_json:
        result(
            json.dumps({"errors": [_failure_document(failure) for failure in failures]}, indent=2)
        )
    elif failures:
        table(_failure_table(failures))
    else:
        result("no open errors")
    return DONE


def write_checkpoint(settings: Settings, connection: Connection) -> None:
    """Write the jobs to UNIVERSE_HOME, whole or not at all; the database stays the truth.

    On a full disk and in a home that can only be read that is logged, and the command goes on.
    """
    _write(settings, load_jobs.jobs(connection, wiring.now(settings)))


def _write(settings: Settings, known: Sequence[Job]) -> None:
    home = settings.universe_home
    document = json.dumps(_jobs_document(known), indent=2)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with replacing(home / CHECKPOINT) as file:
            file.write(document.encode())
    except OSError as error:
        if error.errno not in NOT_WRITTEN:
            raise
        logger.warning("%s was not written: %s", home / CHECKPOINT, error.strerror)


def _jobs_document(known: Sequence[Job]) -> dict[str, Any]:
    return {
        job.name: {
            "total_dates": job.total_dates,
            "processed_dates": [day.isoformat() for day in job.processed_dates],
            "total_bars": job.total_bars,
            "last_processed_date": job.processed_dates[-1].isoformat()
            if job.processed_dates
            else None,
            "status": job.status,
            "last_updated": job.last_updated.isoformat(),
            "run_id": job.run_id,
        }
        for job in known
    }


def _document(settings: Settings, known: Sequence[Job], numbers: Figures) -> dict[str, Any]:
    first, last = numbers.first_session, numbers.last_session
    return {
        "jobs": _jobs_document(known),
        "sessions": {
            **numbers.sessions,
            "first": first and first.isoformat(),
            "last": last and last.isoformat(),
        },
        "symbols": {
            "total": numbers.symbols,
            "active": numbers.active_symbols,
            "universe": numbers.universe_symbols,
            "types": list(settings.universe_types),
        },
        "coverage": {
            "bars": numbers.bars,
            "symbols": numbers.covered_symbols,
            "universe_symbols": numbers.universe_covered,
            "missing": numbers.missing_bars,
            "rejected": numbers.rejected,
            "rejected_of_symbols": numbers.rejected_of_symbols,
        },
        "splits": {
            "total": numbers.splits,
            "announced": numbers.announced_splits,
            "fetched_at": numbers.splits_fetched_at and numbers.splits_fetched_at.isoformat(),
        },
        "errors": {"open": numbers.open_failures},
    }


def _dividends_document(paid: DividendFigures, since: date | None) -> dict[str, Any]:
    return {
        "total": paid.total,
        "announced": paid.announced,
        "since": since and since.isoformat(),
        "fetched_at": paid.fetched_at and paid.fetched_at.isoformat(),
    }


def _dividends_line(paid: DividendFigures, since: date | None) -> str:
    complete = f"; complete since {since}" if since else ""
    return f"dividends {paid.total:,} known, {paid.announced:,} of them announced{complete}"


def _refused_document(refused: OpenRefusal) -> dict[str, Any]:
    subject = refused.subject
    return {
        "dataset": subject.dataset,
        "date": subject.session and subject.session.isoformat(),
        "symbol": subject.symbol,
        "window": subject.window and str(subject.window),
        "rows": refused.rows,
        "expected": refused.expected,
        "days": refused.days,
        "approved": refused.approved,
        "refused_at": refused.refused_at.isoformat(),
    }


def _refused_lines(refused: Sequence[OpenRefusal]) -> list[str]:
    """A line each, with the command that accepts what was refused."""
    return [
        f"refused   {one.subject}: {one.rows:,} rows where {one.expected:,} are expected; "
        + (
            "approved, stored when it comes again"
            if one.approved
            else f"`{one.subject.approval}` accepts it"
        )
        for one in refused
    ]


def _failure_document(failure: OpenFailure) -> dict[str, Any]:
    return {
        "occurred_at": failure.occurred_at.isoformat(),
        "dataset": failure.dataset,
        "endpoint": failure.endpoint,
        "symbol": failure.symbol,
        "date": failure.day and failure.day.isoformat(),
        "kind": failure.kind,
        "http_status": failure.http_status,
        "message": failure.message,
        "attempts": failure.attempts,
        "retryable": failure.retryable,
    }


def _job_table(known: Sequence[Job]) -> Table:
    rows = Table(
        "job", "status", "sessions", "bars", "last updated (UTC)", box=None, pad_edge=False
    )
    for job in known:
        rows.add_row(
            job.name,
            job.status,
            f"{len(job.processed_dates)} of {job.total_dates}",
            f"{job.total_bars:,}",
            f"{job.last_updated.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        )
    return rows


def _failure_table(failures: Sequence[OpenFailure]) -> Table:
    rows = Table("when (UTC)", "what", "kind", "attempts", "message", box=None, pad_edge=False)
    for failure in failures:
        rows.add_row(
            f"{failure.occurred_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            visible(failure.subject),
            failure.kind,
            str(failure.attempts),
            visible(failure.message),
        )
    return rows


def _lines(settings: Settings, numbers: Figures, dividends: str) -> list[str]:
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(numbers.sessions.items()))
    span = f" ({numbers.first_session} to {numbers.last_session})" if numbers.first_session else ""
    types, limit = ",".join(settings.universe_types), settings.polygon_rate_limit
    bars = f"{numbers.bars:,} of {numbers.covered_symbols:,} symbols"
    of_symbols = numbers.rejected_of_symbols
    by_symbol = f" ({of_symbols:,} of them in loads of symbols)" if of_symbols else ""
    symbols = f"{numbers.symbols:,} known, {numbers.active_symbols:,} active"
    universe = f"{numbers.universe_symbols:,} of type {types}"
    return [
        f"sessions  {states or 'none asked for yet'}{span}",
        f"bars      {bars}, {numbers.rejected:,} rows rejected{by_symbol}",
        f"symbols   {symbols}; {universe}, {numbers.universe_covered:,} of them with bars",
        f"splits    {numbers.splits:,} known, {numbers.announced_splits:,} of them announced",
        dividends,
        f"errors    {numbers.open_failures:,} open",
        f"pace      {f'{limit} requests a minute, all processes together' if limit else 'unpaced'}",
        f"database  {numbers.database_bytes / 1e6:,.0f} MB",
    ]
