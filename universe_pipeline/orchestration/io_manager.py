"""`postgres_io`: takes what a session asset returns into PostgreSQL, partition by partition.

An asset hands over the work instead of the data: an object that writes one partition after the
other, each in a transaction of its own, and says what it wrote. So a range of years streams
through in constant memory, and what is committed stays committed and shown, however the run ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import dagster as dg
import polars as pl

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reading import session_bars
from universe_pipeline.orchestration.partition_events import Metadata, PartitionEvents
from universe_pipeline.orchestration.partitions import as_sessions
from universe_pipeline.orchestration.resources import PostgresResource


@dataclass(frozen=True, slots=True)
class Committed:
    """A partition whose rows stand in the database, and what to show for it."""

    partition: str
    metadata: Metadata


@runtime_checkable  # Dagster checks the type of what an asset returns
class PartitionWriter(Protocol):
    """What a session asset returns: it commits partitions and tells each one that it has."""

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Commit partition by partition; one that cannot be committed is left out."""
        ...


class PostgresIOManager(dg.ConfigurableIOManager):
    """Writes the session assets to PostgreSQL; gives other assets their sessions' bars (Polars)."""

    postgres: dg.ResourceDependency[PostgresResource]

    def handle_output(self, context: dg.OutputContext, obj: PartitionWriter) -> None:
        """Write, and record every partition that is committed as materialized."""
        with self.postgres.database.connect() as connection, PartitionEvents(context) as events:
            for committed in obj.write(connection):
                events.add(committed.partition, committed.metadata)

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """The bars of the sessions of `context`, as stored: `DATED_BAR_SCHEMA`."""
        sessions = as_sessions(context.asset_partition_keys)
        with self.postgres.database.connect() as connection:
            return session_bars(connection, sessions)
