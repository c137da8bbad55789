"""The real client, with little patience, on the simulated vendor; the worker's database."""

from collections.abc import Generator

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.reused_database import reused_database, store, store_database

__all__ = ["reused_database", "store", "store_database"]

BRISK = Patience(
    attempts=2, first_wait=0.001, longest_wait=0.001, read=20, request=20, rate_limited=0.0
)
"""Two tries at once, one of a 429; waits long for an answer, since a test machine may be slow."""


@pytest.fixture
def client(vendor: SimulatedVendor, connections: int) -> Generator[PolygonClient]:
    with PolygonClient(
        vendor.base_url, "key-of-tests", patience=BRISK, connections=connections
    ) as connected:
        yield connected


@pytest.fixture
def connections() -> int:
    """Most requests in flight; a test may ask for another number by parametrizing it."""
    return 50
