"""docs/tour.py runs whole on what the demo has, and fails where a cell does."""

import subprocess
import sys
from datetime import UTC, date, datetime

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline.loading import dated_lists
from universe_pipeline_tests.support.command_in_process import Command, as_user, command
from universe_pipeline_tests.support.documents import REPOSITORY
from universe_pipeline_tests.support.planted_world import planted, sessions_until

__all__ = ["as_user", "command"]

NEWEST = date(2024, 7, 9)
NOW = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)


def toured(database: Database) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, REPOSITORY / "docs/tour.py"],
        env={"UNIVERSE_DATABASE_URL": database.url, "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_cell_runs_on_todays_lists_and_on_those_of_past_days(
    command: Command, connection: Connection, database: Database
) -> None:
    with (
        planted(command, NEWEST, now=lambda: NOW) as vendor,
        PolygonClient(vendor.base_url, "key") as client,
    ):
        of_today = toured(database)
        dated_lists.fetch(client, connection, sessions_until(NEWEST)[::-21], lambda: NOW)
        refresh(connection)
        of_the_past = toured(database)

    assert (of_today.returncode, of_today.stderr) == (0, "")
    assert (of_the_past.returncode, of_the_past.stderr) == (0, "")
    held = "SELECT DISTINCT security_id FROM listings WHERE symbol IN ('FIGOL', 'FIGNE')"
    assert connection.execute(held).rowcount == 1, "the tour showed both states of the rename"


def test_it_fails_where_a_cell_fails(database: Database) -> None:
    ended = toured(database)

    assert ended.returncode != 0
    assert "NotLoaded" in ended.stderr
