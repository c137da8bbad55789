"""A PostgreSQL whose clock tests move, by libfaketime."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from universe_pipeline_tests.support.ordinary_server import OrdinaryServer, free_port

BINARIES = Path("/usr/lib/postgresql/15/bin")


class MovableServer:
    """A server of its own whose clock is some time ahead of the machine's (or behind)."""

    def __init__(self, home: Path) -> None:
        self._clock = home / "clock"
        self.set_ahead(timedelta())
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.server = OrdinaryServer(home / "data", BINARIES, free_port(), environment=environment)

    def set_ahead(self, ahead: timedelta) -> None:
        """Set the clock, of the running server too."""
        self.ahead = ahead
        self._clock.write_text(f"{ahead.total_seconds():+.0f}")
        self._clock.chmod(0o644)

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + self.ahead


@contextmanager
def movable_server() -> Generator[MovableServer]:
    """A server that runs for the block."""
    home = Path("/tmp") / f"universe-clocks-{uuid4().hex}"  # noqa: S108  # named by a random id
    home.mkdir(mode=0o755)
    movable = MovableServer(home)
    try:
        movable.server.make()
        yield movable
    finally:
        movable.server.stop()
        shutil.rmtree(home)
