"""A lost database, as SQLAlchemy tells of it: Dagster's own storage goes through that."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from universe_pipeline.adapters.postgres.connection import Database, first_line
from universe_pipeline.adapters.postgres.embedded_losses import explained
from universe_pipeline.adapters.postgres.patience import WaitGivenUpError
from universe_pipeline.domain.errors import DatabaseLostError


@contextmanager
def told(database: Database) -> Generator[None]:
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
        lost = next((one for one in _causes(error) if isinstance(one, DBAPIError)), None)
        if lost is None:
            raise
        reason = explained(database.url, first_line(lost.orig or lost))
        raise DatabaseLostError(database.address, reason) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
