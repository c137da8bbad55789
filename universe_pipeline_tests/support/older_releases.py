"""Databases as an older release made them."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Connection, Database


@contextmanager
def made_at(step: str, database: Database) -> Generator[Connection]:
    """A connection to an empty database, brought to a step of migrations/versions only."""
    with pytest.MonkeyPatch.context() as older, database.connect() as connection:
        older.setattr(schema, "HEAD", step)
        schema.bring_up_to_date(database)
        yield connection
