"""`migrate`: the tables of this release and of its Dagster, before any other process starts."""

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.schema import HEAD
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.orchestration.execution.instance import DAGSTER_HEAD, migrate_dagster
from universe_pipeline.settings import Settings


def migrate(settings: Settings) -> int:
    """Bring both schemas to this release; any number of processes may do so at once.

    Raises:
        DatabaseError: the database cannot be reached, is of a newer release, or refuses.
    """
    database = wiring.open_for_judging(settings)
    migrate_dagster(settings)
    result(f"{database.address}: schema public at {HEAD}, schema dagster at {DAGSTER_HEAD}")
    return DONE
