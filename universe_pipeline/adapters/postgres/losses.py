"""A lost database, as SQLAlchemy tells of it: Dagster's own storage goes through that."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from universe_pipeline.adapters.postgres.connection import Database, first_line
from universe_pipeline.adapters.postgres.patience import WaitGivenUpError
from universe_pipeline.domain.errors import DatabaseLostError


@contextmanager
def told(database: Database) -> Generator[None]:
    """Run the block.

    Raises:
        DatabaseLostError: SQLAlchemy lost the database in it.
        KeyboardInterrupt: the process was interrupted while it waited for the database.
    """
    try:
        yield
    except WaitGivenUpError:
        raise KeyboardInterrupt from None
    except DBAPIError as lost:
        raise DatabaseLostError(database.address, first_line(lost.orig or lost)) from None
