"""`listings`: which security a symbol meant, from when to when."""

from typing import Any

import dagster as dg
from pydantic import Field

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.identity.counts import identities
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.display.metadata import OWNERS, table
from universe_pipeline.orchestration.resources import PostgresResource

DESCRIPTION = """\
Every security under each of its symbols, from its first session to before the next one's: a rename
is one security, a reused symbol two.

Judged from the sessions that have bars and from what reference lists said, and only for symbols of
which either changed. Where nothing ties a symbol to a security, its listing is `unknown`. Earlier
beliefs stay in `listing_revisions`.
"""


class Judge(dg.Config):
    """Which symbols to judge; without configuration those of which anything changed."""

    whole: bool = Field(default=False, description="Judge all symbols again.")


@dg.asset(
    deps=[symbols, data_coverage],
    group_name="reference",
    owners=OWNERS,
    kinds={"postgres"},
    description=DESCRIPTION,
    metadata=table("listings"),
)
def listings(
    context: dg.AssetExecutionContext, config: Judge, postgres: PostgresResource
) -> dg.MaterializeResult[Any]:
    """Judge what changed since the last time."""
    with postgres.database.connect() as connection:
        refreshed = refresh(connection, context.run.run_id, whole=config.whole)
        # Actions belong to securities, and bars have come: their verdicts follow.
        refresh_actions(connection, wiring.now(postgres.settings), context.run.run_id)
        stands = identities(connection)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stands.listings,
            "securities": stands.securities,
            "unknown": stands.unknown,
            "judged_symbols": refreshed.judged,
            "changed": refreshed.changed,
        }
    )
