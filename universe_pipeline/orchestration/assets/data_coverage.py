"""`data_coverage`: for every symbol, which sessions have a bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from universe_pipeline.adapters.postgres import loads
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage import cover, symbol_count
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.io_manager import Committed, PartitionWriter
from universe_pipeline.orchestration.metadata import OWNERS, table
from universe_pipeline.orchestration.partitions import RANGES, SESSIONS, as_sessions, asked_for
from universe_pipeline.orchestration.resources import JudgedResource

DESCRIPTION = """\
For every symbol its first and last session, how many bars it has, and the unbroken runs of
sessions in between (a weekend or holiday breaks none; a session without a bar does).

A partition is done when the coverage knows its session. It is brought up to every committed load
at once, so it is exact however an earlier run ended.
"""


@dg.asset(
    partitions_def=SESSIONS,
    backfill_policy=RANGES,
    io_manager_key="postgres_io",
    deps=[daily_bars],
    group_name="universe",
    owners=OWNERS,
    kinds={"postgres"},
    description=DESCRIPTION,
    metadata=table("data_coverage"),
)
def data_coverage(context: dg.AssetExecutionContext, judged: JudgedResource) -> PartitionWriter:
    """Bring the coverage up to the committed sessions; the work is done by `postgres_io`."""
    return Coverage(asked_for(context.run, as_sessions(context.partition_keys)), judged)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The sessions of one run, on their way into `data_coverage`."""

    sessions: Sequence[date]
    judged: JudgedResource

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Cover everything that is committed, then tell which of the sessions that includes."""
        cover(connection, self.judged.bars)
        symbols = symbol_count(connection)
        known = loads.states(connection, self.sessions)
        for session, state in sorted(known.items()):
            if state.status in loads.COMMITTED:
                yield Committed(
                    session.isoformat(),
                    {
                        "dagster/row_count": symbols,
                        "bars": state.stored,
                        "status": state.status,
                    },
                )
