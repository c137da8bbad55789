"""The NYSE sessions as Dagster partitions, and what a run asks for of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import dagster as dg
from dagster._core.instance import DynamicPartitionsStore
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from universe_pipeline.domain.sessions import (
    FIRST_SESSION,
    NEW_YORK,
    closed_days,
    last_known_session,
    sessions_between,
)
from universe_pipeline.settings import settings

WEEKENDS = "0 0 * * 0,6"


class SessionPartitions(dg.DailyPartitionsDefinition):
    """Daily partitions whose keys are listed once until there is another one.

    Dagster lists those of twenty years for each step of checks, a tenth of a second every time.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """As Dagster does."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            return list(_keys_up_to(self.get_last_partition_key(), self))


@lru_cache(maxsize=2)
def _keys_up_to(_last: str | None, partitions: SessionPartitions) -> Sequence[str]:
    return super(SessionPartitions, partitions).get_partition_keys()


def session_partitions(start: date) -> SessionPartitions:
    """A partition for every session from `start` on; today's is there from midnight in New York.

    Weekends are excluded as a cron string (a list of dates makes look-ups ten times slower),
    holidays as naive midnights (any other form excludes nothing). The end offset lets the
    partition of a session exist on its evening, when the vendor publishes it.
    """
    holidays = [
        datetime.combine(day, datetime.min.time())
        for day in closed_days(start, last_known_session())
    ]
    return SessionPartitions(
        start_date=start.isoformat(),
        timezone=NEW_YORK,
        end_offset=1,
        exclusions=[*holidays, WEEKENDS],
    )


SESSIONS = session_partitions(max(settings().universe_start_date, FIRST_SESSION))
"""The one definition that all session assets share, so that a backfill selects them together."""


def backfill_policy(sessions_per_run: int | None) -> dg.BackfillPolicy:
    """One run for a whole range, or runs of at most so many sessions that machines can share."""
    if sessions_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(sessions_per_run)


RANGES = backfill_policy(settings().universe_sessions_per_run)


def as_sessions(keys: Iterable[str]) -> list[date]:
    """Partition keys (YYYY-MM-DD) as session dates, in order."""
    return sorted(date.fromisoformat(key) for key in keys)


def sessions_of(tags: Mapping[str, str]) -> list[date]:
    """The sessions that the tags of a run name, in order; none for a run without partitions."""
    if PARTITION_NAME_TAG in tags:
        return as_sessions([tags[PARTITION_NAME_TAG]])
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first is None or last is None:
        return []
    return list(sessions_between(date.fromisoformat(first), date.fromisoformat(last)))


def asked_for(run: dg.DagsterRun, sessions: Sequence[date]) -> Sequence[date]:
    """The sessions that a run is to fetch: those its configuration names, otherwise all."""
    configuration: Any = run.run_config
    fetch = configuration.get("ops", {}).get("daily_bars", {}).get("config", {}).get("fetch")
    return sessions if fetch is None else as_sessions(fetch)


def tags_of(sessions: Sequence[date]) -> dict[str, str]:
    """The tags that make a run be about the sessions from the first to the last of `sessions`."""
    if not sessions:
        return {}
    first, last = sessions[0].isoformat(), sessions[-1].isoformat()
    if first == last:
        return {PARTITION_NAME_TAG: first}
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def span(sessions: Sequence[date]) -> str:
    """A range of sessions in words."""
    if len(sessions) == 1:
        return f"session {sessions[0]}"
    return f"{len(sessions)} sessions from {sessions[0]} to {sessions[-1]}"
