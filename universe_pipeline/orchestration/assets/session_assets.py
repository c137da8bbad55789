"""What the assets by session share: partitions, ranges, the IO manager, group and owner."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from universe_pipeline.orchestration.display.metadata import OWNERS
from universe_pipeline.orchestration.internals import betas
from universe_pipeline.orchestration.partitions import RANGES, SESSIONS

_asset: Any = dg.asset  # its overloads do not fit settings that are passed on


def session_asset(**settings: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` for a table that a run fills for a range of sessions, through `postgres_io`."""
    with betas.accepted("backfill_policy"):
        return _asset(
            partitions_def=SESSIONS,
            backfill_policy=RANGES,
            io_manager_key="postgres_io",
            group_name="universe",
            owners=OWNERS,
            **settings,
        )
