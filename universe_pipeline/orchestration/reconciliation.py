"""Making Dagster's storage agree with the database after a run that was killed.

Sessions are committed a moment before they are recorded as materialized, and a run that ends early
does not come to its coverage. Whatever starts next records what is missing.
"""

import dagster as dg

from universe_pipeline.adapters.postgres import loads
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.coverage import cover

SESSION_ASSETS = (dg.AssetKey("daily_bars"), dg.AssetKey("data_coverage"))


def reconcile(instance: dg.DagsterInstance, database: Database) -> int:
    """Cover every committed session and record it as materialized; how many records were missing.

    The records belong to no run, since the run that owed them may be gone.
    """
    with database.connect() as connection:
        cover(connection)
        states = loads.all_committed(connection)
    recorded = 0
    for asset in SESSION_ASSETS:
        known = instance.get_materialized_partitions(asset)
        for state in states:
            if state.session.isoformat() not in known:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        asset,
                        partition=state.session.isoformat(),
                        metadata={
                            "dagster/row_count": state.stored,
                            "received": state.received,
                            "rejected": state.rejected,
                            "reconciled": True,
                        },
                    )
                )
                recorded += 1
    return recorded
