"""Readers read one database a worker, which each test fills."""

from collections.abc import Generator

import pytest

from universe_pipeline import read
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline_tests.support.reused_database import reused_database, store, store_database

__all__ = ["reused_database", "store", "store_database"]


@pytest.fixture
def data(store: Connection, store_database: Database) -> Generator[read.Reader]:
    """A reader of the test's database."""
    with read.connect(store_database.url) as data:
        yield data
