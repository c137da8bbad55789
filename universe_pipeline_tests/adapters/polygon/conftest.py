"""A scripted vendor, and clients that talk to it."""

from collections.abc import Iterator

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline_tests.support.scripted_vendor import (
    ScriptedVendor,
    scripted_vendor,
)

KEY = "a-secret-key-0123456789-of-the-tests"

BRISK = Patience(attempts=3, first_wait=0.002, longest_wait=0.002, read=20, request=20)
"""Retries at once; waits long for an answer, since a test machine may be slow."""


class RecordingPace:
    """Lets everything pass at once and notes what it was asked."""

    spacing = 0.0

    def __init__(self) -> None:
        self.waits = 0
        self.back_offs: list[float] = []

    def wait(self) -> None:
        self.waits += 1

    def back_off(self, seconds: float) -> None:
        self.back_offs.append(seconds)


@pytest.fixture
def vendor() -> Iterator[ScriptedVendor]:
    with scripted_vendor() as serving:
        yield serving


@pytest.fixture
def other_vendor() -> Iterator[ScriptedVendor]:
    with scripted_vendor() as serving:
        yield serving


@pytest.fixture
def pace() -> RecordingPace:
    return RecordingPace()


@pytest.fixture
def client(vendor: ScriptedVendor, pace: RecordingPace) -> Iterator[PolygonClient]:
    with PolygonClient(vendor.base_url, KEY, pace=pace, patience=BRISK) as connected:
        yield connected
