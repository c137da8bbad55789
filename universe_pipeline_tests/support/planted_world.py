"""A vendor whose lists err, and the sessions with its planted cases loaded from it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command


def sessions_until(newest: date) -> Sequence[date]:
    """The sessions in which the cases lie."""
    place = all_sessions().index(newest)
    return all_sessions()[place - 59 : place + 1]


@contextmanager
def planted(
    command: Command, newest: date, *, symbols: int = 200, **changes: Any
) -> Generator[SimulatedVendor]:
    """A vendor whose lists err, and the sessions up to `newest` loaded from it."""
    first = sessions_until(newest)[0]
    with SimulatedVendor(symbols=symbols, planted_until=newest, **changes) as vendor:
        ended = command(
            *("historical", "--start", f"{first}", "--end", f"{newest}"),
            POLYGON_BASE_URL=vendor.base_url,
        )
        assert "60 of 60 sessions loaded" in ended.out
        yield vendor
