"""`dividends`: cash dividends as declared, announced ones included, read by windows of ex-dates."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.actions.verdicts import counts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.dividend_windows import reading
from universe_pipeline.adapters.postgres.reference.whole_lists import ListSnapshot
from universe_pipeline.adapters.postgres.summaries.figures import dividend_figures
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.errors import VendorError
from universe_pipeline.domain.verdicts import Kind
from universe_pipeline.domain.windows import Window
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.dividends import refresh_dividends, requests_of
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.orchestration.assets.refresh import Refresh
from universe_pipeline.orchestration.assets.splits import require_accepted_key
from universe_pipeline.orchestration.display.metadata import OWNERS, table
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource
from universe_pipeline.settings import Settings

DESCRIPTION = """\
Every cash dividend of the vendor, as declared, announced ones included. A symbol can have several
a day; equal rows count once.

The history is read once, by years of ex-dates; then daily what is recent, and the three months
that were read longest ago. Each window is staged, and swapped whole in one transaction; what a
later answer changed or no longer has goes to `dividend_revisions`. It runs last, so that no bar
waits for it.
"""


@dg.asset(
    op_tags={"dagster/priority": "-1"},  # no bar waits for the history of dividends
    group_name="corporate_actions",
    owners=OWNERS,
    kinds={"postgres", "polars"},
    description=DESCRIPTION,
    metadata=table("dividends"),
)
def dividends(
    context: dg.AssetExecutionContext,
    config: Refresh,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> dg.MaterializeResult[Any]:
    """Ask for the windows that are due."""
    database, settings = postgres.database, postgres.settings
    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        require_accepted_key(connection, context.run)
        _log_cost(context, settings, connection, force=config.force_refresh)
        try:
            taken = refresh_dividends(
                client,
                connection,
                wiring.clock(settings),
                settings.universe_start_date,
                force=config.force_refresh,
                run_id=context.run.run_id,
                on_window=_show,
            )
        except VendorError as error:
            raise stop(_said(error), error) from None
        if taken:
            refresh_actions(connection, wiring.now(settings), context.run.run_id)
        return dg.MaterializeResult(metadata=_metadata(settings, connection, taken))


def _log_cost(
    context: dg.AssetExecutionContext, settings: Settings, connection: Connection, *, force: bool
) -> None:
    now = wiring.now(settings)
    due = reading(connection, settings.universe_start_date).due(now, force=force)
    cost = wiring.Expected(requests_of(due, now), settings.polygon_rate_limit)
    context.log.info(
        "%s windows of ex-dates, about %s requests, %.0f min", len(due), cost.requests, cost.minutes
    )


def _show(done: int, due: int, window: Window | None) -> None:
    report(Step("dividends", done, due, str(window or "")))


def _said(error: VendorError) -> str:
    """The failure in words; some of its messages name the dividends themselves."""
    is_named = error.message.startswith("dividends")
    return error.message if is_named else f"the dividends could not be had: {error}"


def _metadata(
    settings: Settings, connection: Connection, taken: Sequence[ListSnapshot]
) -> dict[str, Any]:
    now = wiring.now(settings)
    figures = dividend_figures(connection, day_of(now))
    since = reading(connection, settings.universe_start_date).complete_since(now)
    return {
        "dagster/row_count": figures.total,
        "announced": figures.announced,
        "since": _text(since),
        "windows": len(taken),
        **{name: sum(getattr(one, name) for one in taken) for name in _COUNTED},
        "fetched_at": dg.MetadataValue.timestamp(figures.fetched_at or now),
        "reused": not taken,
        "verdicts": counts(connection).get(Kind.DIVIDEND, {}),
    }


_COUNTED = ("added", "changed", "removed", "rejected")


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
