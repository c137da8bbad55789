"""A vendor with enough symbols for every rule, and the worker's database."""

from collections.abc import Generator
from datetime import datetime

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import NOON_AFTER
from universe_pipeline_tests.loading.conftest import BRISK
from universe_pipeline_tests.support.reused_database import reused_database, store, store_database

__all__ = ["reused_database", "store", "store_database"]


@pytest.fixture
def now() -> datetime:
    """The vendor's clock."""
    return NOON_AFTER


@pytest.fixture
def many(now: datetime) -> Generator[SimulatedVendor]:
    """A vendor with over a thousand bars a session."""
    with SimulatedVendor(symbols=1_600, now=lambda: now) as vendor:
        yield vendor


@pytest.fixture
def client(many: SimulatedVendor) -> Generator[PolygonClient]:
    with PolygonClient(many.base_url, "key-of-tests", patience=BRISK) as connected:
        yield connected
