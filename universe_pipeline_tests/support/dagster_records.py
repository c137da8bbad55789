"""What Dagster's storage holds, in plain values."""

from datetime import date
from typing import Any

import dagster as dg

ASSETS = ("symbols", "daily_bars", "data_coverage")


def sessions(*days: str) -> list[date]:
    """Session dates."""
    return [date.fromisoformat(day) for day in days]


def materialized(instance: dg.DagsterInstance, asset: str) -> list[str | None]:
    """The partition of every materialization event of `asset`, sorted; None where it has none."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    return sorted((record.partition_key for record in records), key=lambda key: key or "")


def metadata(instance: dg.DagsterInstance, asset: str, partition: str) -> dict[str, Any]:
    """The metadata of the newest materialization of a partition."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
    materialization = (
        instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    )
    assert materialization is not None
    return {name: value.value for name, value in materialization.metadata.items()}
