"""A Dagster instance has one daemon, whichever hosts start one."""

import pytest
import yaml

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.locks import DAEMON
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration.execution.services import WORKSPACE, sole_daemon


def test_a_second_daemon_is_refused_by_the_name_of_its_host_and_the_next_is_not(
    database: Database,
) -> None:
    with (
        liveness.hold_lock(database, DAEMON),
        pytest.raises(UsageError, match=r"has a daemon already, of .* on .*, process \d+"),
        sole_daemon(database),
    ):
        pass

    with sole_daemon(database):
        pass


@pytest.mark.parametrize("location", ["universe_pipeline", "2024", "null", "1.5"])
def test_a_location_of_any_allowed_name_is_a_text_in_the_workspace(location: str) -> None:
    (part,) = yaml.safe_load(WORKSPACE.format(location=location))["load_from"]

    assert part["python_module"]["location_name"] == location
