"""Making Dagster's storage agree with the database after a run that was killed.

Sessions are committed a moment before they are recorded as materialized, a run that ends early does
not come to its coverage, and a killed one never says that it ended. Whatever starts next makes
good for all three.
"""

from datetime import timedelta

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import liveness, loads
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage import cover
from universe_pipeline.orchestration.partition_events import record_without_run
from universe_pipeline.orchestration.tags import lock_of

SESSION_ASSETS = (dg.AssetKey("daily_bars"), dg.AssetKey("data_coverage"))

STARTING = timedelta(minutes=1)
"""A run that a daemon has launched needs some seconds until it can show that it is alive."""

IN_PROGRESS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

UNFINISHED_STATUSES = [dg.DagsterRunStatus.QUEUED, *IN_PROGRESS]


def reconcile(instance: dg.DagsterInstance, database: Database) -> int:
    """Report dead runs, cover every committed session and record it as materialized.

    The records belong to no run, since the run that owed them may be gone.

    Returns:
        How many partitions had not been recorded.
    """
    with database.connect() as connection:
        report_dead_runs(instance, connection)
        cover(connection)
        states = loads.all_committed(connection)
    recorded = 0
    for asset in SESSION_ASSETS:
        known = instance.get_materialized_partitions(asset)
        missing = [
            (
                state.session.isoformat(),
                {
                    "dagster/row_count": state.stored,
                    "received": state.received,
                    "rejected": state.rejected,
                    "reconciled": True,
                },
            )
            for state in states
            if state.session.isoformat() not in known
        ]
        record_without_run(instance, asset, missing)
        recorded += len(missing)
    return recorded


def report_dead_runs(
    instance: dg.DagsterInstance, connection: Connection, starting: timedelta = STARTING
) -> int:
    """Report runs that no process works on any more as failed; how many.

    Args:
        instance: where the runs are recorded.
        connection: to the database in which the living hold their locks.
        starting: how long a launched run may take until it holds its lock.
    """
    dead = [
        record.dagster_run
        for record in instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS))
        if not liveness.is_held(connection, lock_of(record.dagster_run.run_id))
        and (
            # The command line holds the lock before its run is there.
            GRPC_INFO_TAG not in record.dagster_run.tags
            or wiring.now() - record.update_timestamp > starting
        )
    ]
    for run in dead:
        instance.report_run_failed(
            run, "its process ended without saying so; what it had committed is kept"
        )
    return len(dead)
