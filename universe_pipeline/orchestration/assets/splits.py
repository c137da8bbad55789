"""`splits`: the vendor's whole list of splits, announced ones included."""

from datetime import date
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.actions.verdicts import counts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import failures_of_run
from universe_pipeline.adapters.postgres.reference.splits import split_figures
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.errors import FailureKind, VendorError
from universe_pipeline.domain.verdicts import Kind
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.loading.splits import RefreshedSplits, refresh_splits
from universe_pipeline.orchestration.assets.refresh import Refresh
from universe_pipeline.orchestration.display.metadata import OWNERS, table
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource

DESCRIPTION = """\
Every split of the vendor's list, announced ones included, one a symbol and date.

It is asked for once a day by whatever runs first, staged, and swapped whole in one transaction;
what a later list changed or no longer has goes to `split_revisions`. Without partitions: a list
has no sessions, and no bar needs it. Bars are stored as traded; the view `adjusted_bars` applies
the splits that have been executed. Prices say which of them are right: each has a verdict in
`action_verdicts`, and is applied as that says.
"""


@dg.asset(
    op_tags={"dagster/priority": "1"},  # bars are judged by them as they come
    group_name="corporate_actions",
    owners=OWNERS,
    kinds={"postgres", "polars"},
    description=DESCRIPTION,
    metadata=table("splits"),
)
def splits(
    context: dg.AssetExecutionContext,
    config: Refresh,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> dg.MaterializeResult[Any]:
    """Ask for the splits unless they are fresh."""
    database = postgres.database
    rows = 0

    def on_page(page_rows: int) -> None:
        nonlocal rows
        rows += page_rows
        report(Step("splits", rows, None))

    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        require_accepted_key(connection, context.run)
        try:
            refreshed = refresh_splits(
                client,
                connection,
                wiring.clock(postgres.settings),
                force=config.force_refresh,
                run_id=context.run.run_id,
                on_page=on_page,
            )
        except VendorError as error:
            raise stop(f"the splits could not be had: {error}", error) from None
        if not refreshed.reused:
            report(Step("splits", rows, rows))
        now = wiring.now(postgres.settings)
        if not refreshed.reused:
            refresh_actions(connection, now, context.run.run_id)
        return dg.MaterializeResult(metadata=_metadata(connection, refreshed, day_of(now)))


def require_accepted_key(connection: Connection, run: dg.DagsterRun) -> None:
    """Once is enough to learn that a key is not accepted."""
    for failure in failures_of_run(connection, run.run_id):
        if failure.kind == FailureKind.UNAUTHORIZED:
            raise stop(failure.message)


def _metadata(connection: Connection, refreshed: RefreshedSplits, today: date) -> dict[str, Any]:
    snapshot = refreshed.snapshot
    figures = split_figures(connection, today)
    return {
        "dagster/row_count": snapshot.rows,
        "by_type": figures.by_type,
        "newest": str(figures.newest),
        "announced": figures.announced,
        "added": snapshot.added,
        "changed": snapshot.changed,
        "removed": snapshot.removed,
        "rejected": snapshot.rejected,
        "endpoint": snapshot.endpoint,
        "fetched_at": dg.MetadataValue.timestamp(snapshot.taken_at),
        "reused": refreshed.reused,
        "verdicts": counts(connection).get(Kind.SPLIT, {}),
    }
