"""What Dagster's tables say is materialized, where nothing is: its own storage cannot forget it."""

from collections.abc import Iterable

from universe_pipeline.adapters.postgres.connection import Connection


def forget(connection: Connection, asset_key: str, partitions: Iterable[str]) -> None:
    """Delete the materializations of `partitions`, for good.

    Args:
        connection: to the database that has Dagster's tables in schema `dagster`.
        asset_key: as they hold it, like `["daily_bars"]`.
        partitions: their keys.
    """
    connection.execute(
        "DELETE FROM dagster.event_logs WHERE asset_key = %s AND partition = ANY (%s)"
        " AND dagster_event_type = 'ASSET_MATERIALIZATION'",
        (asset_key, list(partitions)),
    )
