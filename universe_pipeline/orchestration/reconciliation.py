"""Making Dagster's storage agree with the database after a run that was killed.

Sessions are committed a moment before they are recorded as materialized, a run that ends early does
not come to its coverage, and a killed one never says that it ended. The next command,
or the sensor's next tick, makes good for all three.
"""

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import dagster as dg

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.adapters.postgres.ledger.session_states import SessionState
from universe_pipeline.orchestration.display.metadata import Metadata
from universe_pipeline.orchestration.internals import materializations
from universe_pipeline.orchestration.internals.partition_events import record_without_run
from universe_pipeline.orchestration.tags import is_of_command, lock_of

DATA_COVERAGE = dg.AssetKey("data_coverage")
SESSION_ASSETS = (dg.AssetKey("daily_bars"), DATA_COVERAGE)

UNLOCKED = timedelta(minutes=1)
"""A launched run takes its lock some seconds after Dagster shows it as started."""

ENDING = timedelta(seconds=3)
"""A run lets go of its lock a moment before it says how it ended."""

TAKEN_AGAIN = timedelta(seconds=1)
"""A process that lost the connection of its lock takes the lock again in less."""

IN_PROGRESS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

UNFINISHED_STATUSES = [dg.DagsterRunStatus.QUEUED, *IN_PROGRESS]

JUDGED = frozenset({dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING})
"""A launched run in one of these has a process. In the others it may wait in a broker or for a pod,
and Dagster's run monitoring gives it up after `run_monitoring.start_timeout_seconds`."""

ENDED = "its process ended without saying so; what it had committed is kept"


def reconcile(instance: dg.DagsterInstance, database: Database, now: datetime) -> int:
    """Report dead runs, cover every committed session, and let Dagster show exactly these.

    What was committed and not recorded is recorded as belonging to no run, since the run that owed
    it may be gone. What is recorded and not there (tables that were restored, rows that a person
    deleted) is forgotten, so that it counts as missing.

    Returns:
        How many partitions were shown otherwise than they are.
    """
    with database.connect() as connection:
        report_dead_runs(instance, connection, now)
        cover(connection)
        # Before the sessions: what is recorded meanwhile was committed before.
        known = {asset: instance.get_materialized_partitions(asset) for asset in SESSION_ASSETS}
        committed = session_states.all_committed(connection)
        return sum(
            _agree(instance, connection, asset, known[asset], committed) for asset in SESSION_ASSETS
        )


def _agree(
    instance: dg.DagsterInstance,
    connection: Connection,
    asset: dg.AssetKey,
    known: AbstractSet[str],
    committed: Sequence[SessionState],
) -> int:
    unknown = [state for state in committed if state.session.isoformat() not in known]
    alive = {run for run in {state.run_id for state in unknown} if _is_alive(connection, run)}
    owed = [state for state in unknown if state.run_id not in alive]  # the living record their own
    records = [(state.session.isoformat(), _metadata(asset, state)) for state in owed]
    record_without_run(instance, asset, records)
    surplus = known - {state.session.isoformat() for state in committed}
    if surplus:
        materializations.forget(connection, asset.to_string(), surplus)
        instance.event_log_storage.wipe_asset_cached_status(asset)
    return len(owed) + len(surplus)


def _is_alive(connection: Connection, run_id: str | None) -> bool:
    return run_id is not None and liveness.is_held(connection, lock_of(run_id))


def _metadata(asset: dg.AssetKey, state: SessionState) -> Metadata:
    if asset == DATA_COVERAGE:
        return {"bars": state.stored, "status": state.status.value, "reconciled": True}
    return {
        "dagster/row_count": state.stored,
        "received": state.received,
        "rejected": state.rejected,
        "reconciled": True,
    }


def report_dead_runs(
    instance: dg.DagsterInstance,
    connection: Connection,
    now: datetime,
    *,
    is_launching: bool = True,
) -> int:
    """Report runs that no process works on any more, as failed or, if asked to stop, as canceled.

    Args:
        instance: where the runs are recorded.
        connection: to the database in which the living hold their locks.
        now: the database's time.
        is_launching: whether a launched run may be about to take its lock.

    Returns:
        How many runs were dead.
    """
    dead = dead_runs(instance, connection, now, is_launching=is_launching)
    if dead:
        launched = not all(is_of_command(run) for run in dead)
        time.sleep((ENDING if launched else TAKEN_AGAIN).total_seconds())
        again = dead_runs(instance, connection, now, is_launching=is_launching)
        still = {run.run_id for run in again}
        dead = [run for run in dead if run.run_id in still]
    for run in dead:
        _report(instance, run)
    return len(dead)


def _report(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    if run.status is dg.DagsterRunStatus.CANCELING:  # Dagster would retry a failed one
        instance.report_run_canceled(run, ENDED)
    else:
        instance.report_run_failed(run, ENDED)


def dead_runs(
    instance: dg.DagsterInstance,
    connection: Connection,
    now: datetime,
    *,
    is_launching: bool = True,
) -> list[dg.DagsterRun]:
    """Runs in progress whose lock no process holds, though one should; as `report_dead_runs`.

    A run that ends lets go of its lock a moment before Dagster shows its end.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=IN_PROGRESS))
    return [
        record.dagster_run
        for record in records
        if (not is_launching or _should_hold(record, now))
        and not liveness.is_held(connection, lock_of(record.dagster_run.run_id))
    ]


def _should_hold(record: dg.RunRecord, now: datetime) -> bool:
    """Whether the run's process has its lock by now, if there is a process."""
    run = record.dagster_run
    if is_of_command(run):
        return True
    return run.status in JUDGED and record.update_timestamp < now - UNLOCKED
