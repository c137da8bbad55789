from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from universe_pipeline.simulator.server import SimulatedVendor

EVENING = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
"""17:00 in New York, after the publication of 2026-11-23."""


@pytest.fixture(scope="session")
def healthy() -> Iterator[SimulatedVendor]:
    """A vendor of 300 symbols that no test breaks."""
    with SimulatedVendor(symbols=300, now=lambda: EVENING) as vendor:
        yield vendor


@pytest.fixture
def vendor() -> Iterator[SimulatedVendor]:
    """A vendor of 300 symbols of this test's own, to break and to count on."""
    with SimulatedVendor(symbols=300, now=lambda: EVENING) as vendor:
        yield vendor
