"""A lost database as SQLAlchemy reports it, through which Dagster's own storage connects."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from universe_pipeline.adapters.postgres.connecting.obstacles import first_line, in_one_line
from universe_pipeline.adapters.postgres.connecting.patience import WaitGivenUpError
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseLostError


@contextmanager
def translate_lost_database(database: Database) -> Generator[None]:
    """Run the block.

    Raises:
        DatabaseLostError: SQLAlchemy lost the database in it, or could not connect (Dagster hides
            that in an exception of its own, after some tries).
        KeyboardInterrupt: the process was interrupted while it waited for the database.
    """
    try:
        yield
    except WaitGivenUpError:
        raise KeyboardInterrupt from None
    except Exception as error:
        failed = next((each for each in _causes(error) if isinstance(each, DBAPIError)), None)
        if failed is None:
            raise
        cause = failed.orig or failed
        # psycopg2's name of it, and psycopg's.
        state = getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None)
        found = in_one_line(database.url, cause, state)
        raise found or DatabaseLostError(database.address, first_line(cause)) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
