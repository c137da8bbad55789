"""`postgres_io`: takes what a session asset returns into PostgreSQL, partition by partition.

An asset hands over the work instead of the data: an object that writes one partition after the
other, each in a transaction of its own, and says what it wrote. So a range of years streams
through in constant memory, and what is committed stays committed and shown, however the run ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

import dagster as dg
import polars as pl

from universe_pipeline.adapters.postgres.bars.reading import session_bars
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration.internals.partition_events import Metadata, PartitionEvents
from universe_pipeline.orchestration.partitions import as_sessions
from universe_pipeline.orchestration.resources import PostgresResource

READ = {dg.AssetKey("daily_bars"): session_bars}
"""How rows of an asset are read by session; bars as `DATED_BAR_SCHEMA`. Others are not read."""

_READABLE = ", ".join(key.to_user_string() for key in READ)


@dataclass(frozen=True, slots=True)
class Committed:
    """A partition whose rows stand in the database, and what to show for it."""

    partition: str
    metadata: Metadata


@runtime_checkable  # Dagster checks the type of what an asset returns
class PartitionWriter(Protocol):
    """What a session asset returns: it commits partitions and reports each."""

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Commit partition by partition; one that cannot be committed is left out."""
        ...


class PostgresIOManager(dg.ConfigurableIOManager):
    """Writes the session assets to PostgreSQL; gives other assets the rows of `READ` (Polars)."""

    postgres: dg.ResourceDependency[PostgresResource]

    def handle_output(self, context: dg.OutputContext, obj: PartitionWriter) -> None:
        """Write, and record every partition that is committed as materialized."""
        with self.postgres.database.connect() as connection, PartitionEvents(context) as events:
            for committed in obj.write(connection):
                events.add(committed.partition, committed.metadata)

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """The rows that the asset of this input has in the sessions of `context`, as stored.

        Raises:
            UsageError: the asset is not in `READ`, or the input asks for no sessions of it.
        """
        read = _reader(context)
        sessions = as_sessions(context.asset_partition_keys)
        with self.postgres.database.connect() as connection:
            return read(connection, sessions)


def _reader(context: dg.InputContext) -> Callable[[Connection, Sequence[date]], pl.DataFrame]:
    asked = context.asset_key if context.has_asset_key else None
    if asked not in READ:
        named = f"the asset {asked.to_user_string()!r}" if asked else "the output of an op"
        raise UsageError(
            f"the input {context.name!r} is {named}, which postgres_io does not read: it reads "
            f"{_READABLE}; declare the asset by `deps`, and query its table"
        )
    if not context.has_asset_partitions:
        raise UsageError(
            f"the input {context.name!r} asks for all of {asked.to_user_string()!r}, which is read "
            "by session: give the asset partitions (`SESSIONS`)"
        )
    return READ[asked]
