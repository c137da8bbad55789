"""`grant`: rights for a role that loads, or for one that reads."""

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import rights
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import Settings


def grant(settings: Settings, to: str, role: str) -> int:
    """Make what a load would have to make, and give `role` the rights of a loader or a reader."""
    database = wiring.open_for_judging(settings)
    with open_instance(settings), database.connect() as connection:  # with Dagster's tables
        if to == "loader":
            first = settings.universe_start_date
            make_quarters(connection, [day for day in all_sessions() if day >= first])
        is_new = rights.grant(connection, to, role)
    done = "is made, without a password, and" if is_new else "already exists, and"
    result(f"the role {visible(role)} {done} may {rights.MAY[to]}")
    return DONE
