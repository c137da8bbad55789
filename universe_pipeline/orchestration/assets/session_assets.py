"""What the assets by session share: partitions, backfills, the IO manager, group and owner."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from universe_pipeline.orchestration.display.metadata import OWNERS
from universe_pipeline.orchestration.internals import betas
from universe_pipeline.orchestration.partitions import SESSIONS, SessionPartitions

_asset: Any = dg.asset  # its overloads do not fit settings that are passed on


def session_asset(**settings: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` for a table that a run fills for a range of sessions, through `postgres_io`."""
    return _asset(
        partitions_def=SESSIONS,
        io_manager_key="postgres_io",
        group_name="universe",
        owners=OWNERS,
        **settings,
    )


def partitioned(
    assets: Sequence[dg.AssetsDefinition], partitions: SessionPartitions, policy: dg.BackfillPolicy
) -> list[dg.AssetsDefinition]:
    """Session assets with the one definition that they share: a backfill selects them together."""

    def of_sessions(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(partitions_def=partitions)

    with betas.accepted("backfill_policy"):
        return [
            asset.with_attributes(backfill_policy=policy)
            for asset in dg.map_asset_specs(of_sessions, assets)
        ]
