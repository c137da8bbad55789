"""`data_coverage`: for every symbol, which sessions have a bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover, symbol_count
from universe_pipeline.adapters.postgres.ledger import session_states
from universe_pipeline.domain.session_state import COMMITTED
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.session_assets import session_asset
from universe_pipeline.orchestration.display.metadata import table
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.io_manager import Committed, PartitionWriter
from universe_pipeline.orchestration.partitions import (
    asked_for,
    closed_sessions,
    span,
)
from universe_pipeline.orchestration.resources import JudgedResource, PostgresResource

DESCRIPTION = """\
For every symbol its first and last session, how many bars it has, and the unbroken runs of
sessions in between (a weekend or holiday breaks none; a session without a bar does).

A partition is done when the coverage knows its session. It is brought up to every committed load
at once, so it is exact however an earlier run ended.
"""


@session_asset(
    deps=[daily_bars],
    kinds={"postgres"},
    description=DESCRIPTION,
    metadata=table("data_coverage"),
)
def data_coverage(
    context: dg.AssetExecutionContext, judged: JudgedResource, postgres: PostgresResource
) -> PartitionWriter:
    """Bring the coverage up to the committed sessions; the work is done by `postgres_io`."""
    closed = closed_sessions(context.partition_keys, wiring.now(postgres.settings))
    sessions = asked_for(context.run, closed)
    selected = context.run.asset_selection  # None: all of the job, the bars among them
    return Coverage(sessions, judged, loads_bars=selected is None or daily_bars.key in selected)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The sessions of one run, on their way into `data_coverage`."""

    sessions: Sequence[date]
    judged: JudgedResource
    loads_bars: bool
    """Whether the run loads the bars too, and reports by itself what it cannot load."""

    def write(self, connection: Connection) -> Iterator[Committed]:
        """Cover everything that is committed, then report which of the sessions that includes.

        Raises:
            dagster.Failure: none of the sessions is loaded, and the run does not load them either.
        """
        cover(connection, self.judged.bars)
        symbols = symbol_count(connection)
        known = session_states.states(connection, self.sessions)
        committed = [state for state in known.values() if state.status in COMMITTED]
        if not (committed or self.loads_bars):
            raise stop(f"nothing is loaded of {span(self.sessions)}: materialize daily_bars first")
        for state in sorted(committed, key=lambda state: state.session):
            yield Committed(
                state.session.isoformat(),
                {"dagster/row_count": symbols, "bars": state.stored, "status": state.status.value},
            )
