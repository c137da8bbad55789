"""What a fault cost, in figures; the controller of the test run prints them as a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.simulated_answers import grouped
from universe_pipeline_tests.support.stored import bars, statuses

PROPERTY = "tally"


@dataclass(slots=True)
class Tally:
    """One line of the table."""

    fault: str
    times: int = 0
    """How often it was brought about."""
    sessions_lost: int = 0
    rows_lost: int = 0
    """Rows of the vendor that are not stored value for value."""
    rows_doubled: int = 0
    """Rows that the vendor does not have, and bars or partitions that were written twice."""
    calls_wasted: int = 0
    """Requests beyond one for each session and one for each answer that was spoilt."""
    stuck: int = 0
    """Jobs and runs that are not known to have ended."""

    @property
    def lost_or_doubled(self) -> tuple[int, int, int, int]:
        """What must be nothing but zeros."""
        return self.sessions_lost, self.rows_lost, self.rows_doubled, self.stuck

    def compare(
        self,
        connection: psycopg.Connection,
        vendor: SimulatedVendor,
        sessions: Sequence[str],
        *,
        again: bool = False,
    ) -> None:
        """Compare what is stored of `sessions` with the vendor's answers.

        With `again`, several runs may materialize a session, each of them once.
        """
        known = statuses(connection)
        for session in sessions:
            there, expected = bars(connection, session), set(grouped(vendor, session))
            missing = len(expected - set(there))
            self.rows_lost += missing
            self.rows_doubled += len(there) - len(expected & set(there))
            self.sessions_lost += missing > 0 or known.get(session) != "loaded"
        self.rows_doubled += _count(connection, "SELECT count(*) FROM bar_revisions")
        grouping = "run_id, partition" if again else "partition"
        self.rows_doubled += _count(connection, _MATERIALIZED_TWICE.format(grouping))
        self.sessions_lost += _count(connection, _NOT_MATERIALIZED)
        self.stuck += _count(connection, _STUCK)


_MATERIALIZED_TWICE = """
    SELECT coalesce(sum(times - 1), 0) FROM (
        SELECT count(*) AS times FROM dagster.event_logs
        WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND asset_key = '["daily_bars"]'
        GROUP BY {}
    ) each
    """

_NOT_MATERIALIZED = """
    SELECT count(*) FROM session_loads l
    WHERE status = 'loaded' AND NOT EXISTS (
        SELECT FROM dagster.event_logs e
        WHERE e.dagster_event_type = 'ASSET_MATERIALIZATION' AND e.asset_key = '["daily_bars"]'
          AND e.partition = l.date::text)
    """

_STUCK = """
    SELECT (SELECT count(*) FROM load_jobs WHERE status = 'in_progress')
         + (SELECT count(*) FROM dagster.runs
            WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED'))
    """


def _count(connection: psycopg.Connection, query: Any) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def table(reports: Sequence[pytest.TestReport]) -> list[str]:
    """The lines of all tallies, under a heading."""
    kept: list[Any] = [dict(report.user_properties)[PROPERTY] for report in reports if _has(report)]
    lines: list[dict[str, Any]] = kept
    if not lines:
        return []
    names = [field.name for field in fields(Tally)]
    rows = [[name.replace("_", " ") for name in names]]
    rows += [[str(line[name]) for name in names] for line in lines]
    widths = [max(len(row[n]) for row in rows) for n in range(len(names))]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]


def _has(report: pytest.TestReport) -> bool:
    # The last report of a test: the fixture that keeps the tally ends before it is made.
    return report.when == "teardown" and PROPERTY in dict(report.user_properties)


def keep(node: pytest.Item, tally: Tally) -> None:
    """Let the table have `tally`, also from another process."""
    node.user_properties.append((PROPERTY, asdict(tally)))
