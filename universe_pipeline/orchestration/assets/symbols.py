"""`symbols`: every security that the vendor knows, active and delisted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reference.symbols import Snapshot, listed_counts
from universe_pipeline.domain.errors import VendorError
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.loading.universe import Discovery, discover
from universe_pipeline.orchestration.assets.session_assets import session_asset
from universe_pipeline.orchestration.display.metadata import table
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.io_manager import Committed, PartitionWriter
from universe_pipeline.orchestration.partitions import closed_sessions
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource

DESCRIPTION = """\
Every security of the vendor's reference lists, active and delisted, one row a symbol.

It is discovered once a day by whatever runs first, staged, and swapped whole in one transaction.
A partition records which snapshot a session's run used. It has the same partitions as the other
tables so that one backfill selects all three; the rows themselves are not kept per session.
"""


class Discover(dg.Config):
    """Whether to ask for the universe; without configuration if it is older than 24 hours."""

    force_refresh: bool = Field(
        default=False,
        description="Ask the vendor even when the universe is younger than 24 hours.",
    )


@session_asset(
    op_tags={"dagster/priority": "2"},  # a run discovers before it loads
    kinds={"postgres", "polars"},
    description=DESCRIPTION,
    metadata=table("symbols"),
)
def symbols(
    context: dg.AssetExecutionContext,
    config: Discover,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> PartitionWriter:
    """Discover the universe unless it is fresh; `postgres_io` notes it on every session."""
    sessions = closed_sessions(context.partition_keys, wiring.now(postgres.settings))
    return Universe(_discover(context, config, polygon, postgres), sessions)


@dataclass(frozen=True, slots=True)
class Universe:
    """What is known of the universe, for the sessions of one run."""

    found: Discovery
    sessions: Sequence[date]

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Nothing is left to write: record for each session what was listed then."""
        listed = listed_counts(connection, self.sessions)
        shown = _metadata(self.found)
        for session in self.sessions:
            yield Committed(
                session.isoformat(), {**shown, "listed_securities": listed.get(session, 0)}
            )


def _discover(
    context: dg.AssetExecutionContext,
    config: Discover,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> Discovery:
    database = postgres.database
    rows = 0

    def on_page(page_rows: int) -> None:
        nonlocal rows
        rows += page_rows
        report(Step("universe", rows, None))

    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        try:
            found = discover(
                client,
                connection,
                wiring.clock(postgres.settings),
                force=config.force_refresh,
                run_id=context.run.run_id,
                on_page=on_page,
            )
        except VendorError as error:
            raise stop(f"the universe could not be discovered: {error}", error) from None
    if not found.reused:
        report(Step("universe", rows, rows))
    return found


def _metadata(found: Discovery) -> dict[str, Any]:
    snapshot: Snapshot = found.snapshot
    return {
        "snapshot_taken_at": dg.MetadataValue.timestamp(snapshot.taken_at),
        "reused": found.reused,
        "dagster/row_count": snapshot.symbols,
        "active": snapshot.active,
        "by_type": snapshot.by_type,
        "by_exchange": snapshot.by_exchange,
        "superseded_rows": found.superseded,
        "revised": snapshot.revised or 0,
        "rejected_rows": snapshot.rejected or 0,
        "kept_fields": {
            field.column: {"count": field.count, "symbols": list(field.symbols)}
            for field in snapshot.absent_fields or ()
        },
    }
