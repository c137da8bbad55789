"""Discovery by runs that do not select `symbols`: the first run of a day discovers."""

import dagster as dg

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import VendorError
from universe_pipeline.domain.moments import Now
from universe_pipeline.loading.universe import discover


def discover_if_stale(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    client: PolygonClient,
    connection: Connection,
    now: Now,
) -> None:
    """Discover unless the universe is fresh; a failure is reported and stops nothing else."""
    try:
        discover(client, connection, now, run_id=context.run.run_id)
    except VendorError as error:
        context.log.warning("the universe could not be discovered: %s", error)
