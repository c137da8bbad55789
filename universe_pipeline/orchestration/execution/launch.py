"""Backfills that the instance's launcher executes, on any host, and how far they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.sessions import FIRST_SESSION
from universe_pipeline.orchestration.internals.backfills import (
    BACKFILL_ID_TAG,
    BulkActionStatus,
    PartitionBackfill,
    ask,
    unfinished,
)
from universe_pipeline.orchestration.partitions import session_partitions
from universe_pipeline.settings import Settings

SESSION_ASSETS = [dg.AssetKey(name) for name in ("symbols", "daily_bars", "data_coverage")]

LAUNCHED_TAG = "universe/launched"
"""The load that a command asked for; by it the same command finds its backfill again."""

AT_WORK = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

SUCCESS = (BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED)
OVER = (
    *SUCCESS,
    BulkActionStatus.COMPLETED_FAILED,
    BulkActionStatus.FAILED,
    BulkActionStatus.CANCELED,
)


@dataclass(frozen=True, slots=True)
class Launched:
    """A backfill that was asked for."""

    id: str
    asked_at: datetime

    @classmethod
    def of(cls, backfill: PartitionBackfill) -> "Launched":
        """What a command needs of a backfill to follow it."""
        return cls(backfill.backfill_id, datetime.fromtimestamp(backfill.backfill_timestamp, UTC))


@dataclass(frozen=True, slots=True)
class Look:
    """How far a backfill is."""

    status: BulkActionStatus
    runs: Sequence[dg.DagsterRun]
    """Oldest first."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    @property
    def is_success(self) -> bool:
        """Whether all that was asked for is there."""
        return self.status in SUCCESS

    @property
    def words(self) -> str:
        """How many runs are at work, wait, and have ended."""
        counted = Counter(_condition(run.status) for run in self.runs)
        return ", ".join(f"{counted[one]} {one}" for one in ("at work", "waiting", "ended"))


def _condition(status: dg.DagsterRunStatus) -> str:
    if status in AT_WORK:
        return "at work"
    return "ended" if status in ENDED else "waiting"


def require_daemon(instance: dg.DagsterInstance) -> None:
    """Return if a daemon works on the instance.

    Raises:
        UsageError: nothing would begin the backfill.
    """
    if not instance.get_daemon_statuses(["BACKFILL"])["BACKFILL"].healthy:
        raise UsageError(
            "no daemon of Dagster works on this database, so nothing would be launched: "
            "start `universe up`, or `dagster-daemon run` where the launcher's other parts run"
        )


def find(instance: dg.DagsterInstance, name: str) -> Launched | None:
    """The backfill of a load that has not ended, if there is one."""
    found = unfinished(instance, {LAUNCHED_TAG: name})
    return None if found is None else Launched.of(found)


def launch(
    instance: dg.DagsterInstance,
    settings: Settings,
    sessions: Sequence[date],
    *,
    name: str,
    reload: bool,
    at: datetime,
) -> Launched:
    """Ask for sessions, in runs of UNIVERSE_SESSIONS_PER_RUN of the code location.

    Args:
        instance: on which a daemon works.
        settings: of the command.
        sessions: what to load.
        name: of the load.
        reload: fetch loaded sessions again.
        at: the database's time.
    """
    config = {"ops": {"daily_bars": {"config": {"reload": True}}}} if reload else {}
    backfill = ask(
        instance,
        SESSION_ASSETS,
        session_partitions(max(settings.universe_start_date, FIRST_SESSION)),
        [day.isoformat() for day in sessions],
        at=at,
        tags={LAUNCHED_TAG: name},
        config=config,
        title=name,
    )
    return Launched(backfill, at)


def look(instance: dg.DagsterInstance, backfill_id: str) -> Look:
    """How far a backfill is.

    Raises:
        UsageError: its record was deleted.
    """
    found = instance.get_backfill(backfill_id)
    if found is None:
        raise UsageError(f"Dagster's record of backfill {backfill_id} was deleted")
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill_id}))
    return Look(found.status, list(runs)[::-1])
