"""The NYSE sessions as Dagster partitions, and what a run asks for of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import dagster as dg

from universe_pipeline.adapters.postgres import clock
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.sessions import (
    FIRST_SESSION,
    closed_days,
    last_known_session,
    newest_closed,
    require_closed_session,
    sessions_between,
)
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.internals.names import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    DynamicPartitionsStore,
)

WEEKENDS = "0 0 * * 0,6"

CLOSE_TO_CLOSE = "Etc/GMT-3"
"""The time zone of the partitions: its midnight is 21:00 UTC, for us the end of a session.

That is 16:00 in New York in winter, the close, and 17:00 in summer, when the first daily update
asks for the session. (The sign of such names is reversed: this is three hours *ahead* of UTC.)
"""


class SessionPartitions(dg.DailyPartitionsDefinition):
    """Daily partitions, of which one exists from the close of its session on.

    The code location and runs read the calendar, early closes included. The webserver and the
    daemon know only the fields of Dagster's own class: for them a partition exists from the end of
    its day in `CLOSE_TO_CLOSE` on, never before the close and up to an hour after it (three hours
    after an early close). New York's time and a second tick a day would be exact everywhere; then
    Dagster needs 25 times as long to list the partitions of twenty years, on each of its pages.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """The sessions that have closed by `current_time` (none: now), in order."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            return list(_keys(self.start.date(), self._newest()))

    def get_last_partition_window(self) -> dg.TimeWindow | None:
        """The window of the newest closed session; none before the first one has closed."""
        newest = self._newest()
        if newest < self.start.date():
            return None
        return self.time_window_for_partition_key(newest.isoformat())

    def _newest(self) -> date:
        now = datetime.fromtimestamp(self._get_current_timestamp(), UTC)
        return newest_closed(now - clock.error())


@lru_cache(maxsize=8)
def _keys(first: date, last: date) -> Sequence[str]:
    return [session.isoformat() for session in sessions_between(first, last)]


def session_partitions(start: date) -> SessionPartitions:
    """A partition for every session from `start` on, from its close on.

    Weekends are excluded as a cron string (a list of dates makes look-ups ten times slower),
    holidays as naive midnights (any other form excludes nothing).
    """
    holidays = [
        datetime.combine(day, datetime.min.time())
        for day in closed_days(start, last_known_session())
    ]
    return SessionPartitions(
        start_date=start.isoformat(), timezone=CLOSE_TO_CLOSE, exclusions=[*holidays, WEEKENDS]
    )


SESSIONS = session_partitions(FIRST_SESSION)
"""Every session of which the vendor has bars; `build_defs` begins at `UNIVERSE_START_DATE`."""


def backfill_policy(sessions_per_run: int | None) -> dg.BackfillPolicy:
    """One run for a whole range, or runs of at most so many sessions that machines can share."""
    if sessions_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(sessions_per_run)


def as_sessions(keys: Iterable[str]) -> list[date]:
    """Partition keys (YYYY-MM-DD) as session dates, in order."""
    return sorted(date.fromisoformat(key) for key in keys)


def closed_sessions(keys: Iterable[str], now: datetime) -> list[date]:
    """Partition keys as session dates, in order.

    Raises:
        dagster.Failure: the last of them has not closed by `now`, or is not a session.
    """
    sessions = as_sessions(keys)
    try:
        require_closed_session(sessions[-1], now)
    except UsageError as error:
        raise stop(f"nothing is loaded: {error}") from None
    return sessions


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
