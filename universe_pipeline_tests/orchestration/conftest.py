"""Fixtures of the orchestration's tests: a user's process, and a Dagster instance inside it."""

from collections.abc import Callable, Generator

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.orchestration.execution.in_process import Runs, quieten_dagster
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.command_in_process import as_user, command

__all__ = ["as_user", "command"]


@pytest.fixture
def instance(as_user: Callable[[dict[str, str]], None]) -> Generator[dg.DagsterInstance]:
    """The user's instance, on the test's database."""
    as_user({})
    quieten_dagster()
    with open_instance(load_settings()) as instance:
        yield instance


@pytest.fixture
def runs(instance: dg.DagsterInstance, database: Database) -> Runs:
    """Runs in this process, as the UI or a backfill would ask for them."""
    return Runs(instance, database, load_settings())
