"""Backfills as the webserver asks the daemon for them, made without a webserver.

Dagster documents no way to ask for one but its GraphQL. The daemon knows of the partitions what its
own class of them says, so a backfill names them in that class, and not in ours.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.partitions.snap import PartitionsSnap
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._core.utils import make_new_backfill_id

__all__ = ["BACKFILL_ID_TAG", "BulkActionStatus", "PartitionBackfill", "ask", "unfinished"]


def ask(
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetKey],
    partitions: dg.PartitionsDefinition[str],
    keys: Sequence[str],
    *,
    at: datetime,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
    title: str,
) -> str:
    """Ask the daemon for a backfill of partitions that `assets` share; its id.

    Args:
        instance: on which the daemon works.
        assets: what to materialize.
        partitions: their definition.
        keys: of the partitions to materialize.
        at: the moment it is asked for.
        tags: of the backfill and its runs.
        config: of its runs.
        title: what the UI shows.
    """
    plain = PartitionsSnap.from_def(partitions).get_partitions_definition()
    with dg.partition_loading_context(at, instance):
        subset = plain.subset_with_partition_keys(keys)
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=make_new_backfill_id(),
        backfill_timestamp=at.timestamp(),
        tags=tags,
        dynamic_partitions_store=instance,
        asset_graph_subset=AssetGraphSubset(dict.fromkeys(assets, subset)),
        title=title,
        description=None,
        run_config=config,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def unfinished(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> PartitionBackfill | None:
    """A backfill with these tags that has not ended, if there is one."""
    open_statuses = [one for one in BulkActionStatus if one not in BULK_ACTION_TERMINAL_STATUSES]
    wanted = BulkActionsFilter(statuses=open_statuses, tags=dict(tags))
    found = instance.get_backfills(filters=wanted, limit=1)
    return found[0] if found else None
