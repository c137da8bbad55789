"""`symbol_repair`: chosen symbols over a range, by the per-symbol endpoint.

No asset: it writes into `daily_bars` and `symbol_loads`, and never marks a session as loaded.
"""

from datetime import date

import dagster as dg
from pydantic import Field

from universe_pipeline.adapters.postgres import calendar
from universe_pipeline.adapters.postgres.coverage import cover
from universe_pipeline.adapters.postgres.jobs import Heartbeat
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.by_symbol import load_symbols, unasked
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.orchestration.discovery import discover_if_stale
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource
from universe_pipeline.orchestration.tags import JOB_TAG


class Symbols(dg.Config):
    """Run configuration of `symbol_repair`."""

    symbols: list[str] = Field(description="Case-sensitive tickers.")
    start: str = Field(description="First day, YYYY-MM-DD.")
    end: str = Field(description="Last day, YYYY-MM-DD.")
    again: bool = Field(
        default=True, description="Ask also for what either endpoint was asked for already."
    )


@dg.op
def load_chosen_symbols(
    context: dg.OpExecutionContext,
    config: Symbols,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> None:
    """Load the symbols; fails at the end if any of them failed."""
    start, end = date.fromisoformat(config.start), date.fromisoformat(config.end)
    sessions = sessions_between(start, end)
    database, settings = postgres.database, postgres.settings
    failed: list[str] = []
    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        discover_if_stale(context, client, connection)
        wanted = (
            {symbol: list(sessions) for symbol in config.symbols}
            if config.again
            else unasked(connection, config.symbols, sessions).wanted
        )
        calendar.make_quarters(connection, sessions)
        outcomes = load_symbols(
            client,
            connection,
            wanted,
            settings.universe_concurrency,
            context.run.run_id,
            settings.universe_revisit_sessions,
        )
        heartbeat = Heartbeat(connection, context.run.tags.get(JOB_TAG))
        for done, outcome in enumerate(outcomes, start=1):
            heartbeat.beat()
            report(Step("symbols", done, len(wanted), outcome.symbol))
            if outcome.error is not None:
                failed.append(f"{outcome.symbol}: {outcome.error.message}")
        cover(connection)
    if failed:
        raise stop(f"{len(failed)} of {len(wanted)} symbols failed: {'; '.join(failed[:5])}")


@dg.job(description="Load chosen symbols over a range by the per-symbol endpoint.")
def symbol_repair() -> None:
    """One op."""
    load_chosen_symbols()
