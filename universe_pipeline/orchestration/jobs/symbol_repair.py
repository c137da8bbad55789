"""`symbol_repair`: chosen symbols over a range, by the per-symbol endpoint.

No asset: it writes into `daily_bars` and `symbol_loads`, and never marks a session as loaded.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import dagster as dg
from pydantic import Field

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.bars import quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.quality.rule_results import record_results
from universe_pipeline.domain.foreign_text import as_markdown
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.by_symbol import SymbolOutcome, load_symbols
from universe_pipeline.loading.load_job import Heartbeat
from universe_pipeline.loading.load_states import plan_symbols
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.loading.quality.symbols import judge_symbol_bars
from universe_pipeline.orchestration.assets.daily_bars import SUPERSEDED
from universe_pipeline.orchestration.discovery import discover_if_stale
from universe_pipeline.orchestration.display.metadata import Metadata
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource

logger = logging.getLogger("universe_pipeline.loading")

MOST_NAMED = 50
"""Symbols with rejected rows that a run's metadata names."""


class Symbols(dg.Config):
    """The symbols and days to load."""

    symbols: list[str] = Field(
        description="Tickers as the vendor writes them (case-sensitive), for example AAPL."
    )
    start: str = Field(description="First day, YYYY-MM-DD; need not be a session.")
    end: str = Field(description="Last day, YYYY-MM-DD; need not be a session.")
    again: bool = Field(
        default=True,
        description="Ask for all bars of these days; false = only for sessions that neither a load "
        "of sessions nor one of symbols has asked for.",
    )


@dg.op
def load_chosen_symbols(
    context: dg.OpExecutionContext,
    config: Symbols,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> None:
    """Load the symbols one by one; the run fails at its end if any of them failed."""
    start, end = date.fromisoformat(config.start), date.fromisoformat(config.end)
    sessions = sessions_between(start, end)
    database, settings = postgres.database, postgres.settings
    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        now = wiring.clock(settings)
        discover_if_stale(context, client, connection, now)
        wanted = (
            {symbol: list(sessions) for symbol in config.symbols}
            if config.again
            else plan_symbols(connection, config.symbols, sessions).wanted
        )
        quarters.make_quarters(connection, sessions)
        outcomes = load_symbols(
            client,
            connection,
            wanted,
            settings.universe_concurrency,
            now,
            context.run.run_id,
            settings.universe_revisit_sessions,
        )
        heartbeat = Heartbeat(connection, context.run.run_id, now)
        done: list[SymbolOutcome] = []
        failed: list[str] = []
        report(Step("symbols", 0, len(wanted)))
        for outcome in outcomes:
            heartbeat.beat()
            done.append(outcome)
            _warn_of(outcome)
            if outcome.error is not None:
                failed.append(f"{outcome.symbol}: {outcome.error.message}")
            report(Step.tried("symbols", len(done), len(failed), len(wanted), outcome.symbol))
        cover(connection)
        _judge(context, connection, wanted, settings.thresholds, now())
    context.add_output_metadata(_metadata(done))
    if failed:
        raise stop(f"{len(failed)} of {len(wanted)} symbols failed: {'; '.join(failed[:5])}")


def _warn_of(outcome: SymbolOutcome) -> None:
    """Name a symbol of which an answer came too late to be stored whole."""
    if outcome.write is not None and outcome.write.overtaken:
        logger.warning("%s: %s bars %s", outcome.symbol, outcome.write.overtaken, SUPERSEDED)


def _metadata(outcomes: Sequence[SymbolOutcome]) -> Metadata:
    writes = [(one.symbol, one.write) for one in outcomes if one.write is not None]
    rejected = {symbol: write.rejected for symbol, write in writes if write.rejected}
    lines = [f"- {as_markdown(symbol)}: {count:,}" for symbol, count in rejected.items()]
    return {
        "symbols": len(outcomes),
        "failed": sum(one.error is not None for one in outcomes),
        "bars": sum(write.stored for _, write in writes),
        "revised": sum(write.revised for _, write in writes),
        "superseded": sum(write.overtaken for _, write in writes),
        "rejected": sum(rejected.values()),
        "rejected_by_symbol": dg.MetadataValue.md("\n".join(lines[:MOST_NAMED]) or "none"),
    }


def _judge(
    context: dg.OpExecutionContext,
    connection: Connection,
    wanted: Mapping[str, Sequence[date]],
    thresholds: Thresholds,
    now: datetime,
) -> None:
    """Judge the symbols as they are stored by now, and record what the rules find."""
    if not wanted:
        return
    first = min(days[0] for days in wanted.values())
    last = max(days[-1] for days in wanted.values())
    findings = judge_symbol_bars(connection, list(wanted), first, last, thresholds)
    record_results(connection, "load", findings, (first, last), context.run_id, now)
    for each in findings:
        if each.fails:
            context.log.warning("%s: %s offenders, %s …", each.rule.name, each.count, each.worst[0])


@dg.job(
    description="Load chosen symbols over a range of days, with a request each: what "
    "`universe repair` and `universe historical --symbols` run."
)
def symbol_repair() -> None:
    """One op."""
    load_chosen_symbols()
