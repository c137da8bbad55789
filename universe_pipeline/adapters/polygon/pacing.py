"""When a request may be sent. The pace that processes share lives with the database."""

import time
from threading import Lock
from typing import Protocol


class Pace(Protocol):
    """Decides when each request may be sent; thread-safe."""

    @property
    def spacing(self) -> float:
        """Least seconds from one request of this process to the next, in the mean; 0 = none."""
        ...

    def wait(self) -> None:
        """Return when one request may be sent."""
        ...

    def back_off(self, seconds: float) -> None:
        """Hold back all requests for `seconds`: the vendor answered 429."""
        ...


class Unpaced:
    """No pace: requests wait only while the vendor wants quiet."""

    spacing = 0.0

    def __init__(self) -> None:
        self._not_before = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Return when one request may be sent."""
        while (pause := self._not_before - time.monotonic()) > 0:
            time.sleep(pause)

    def back_off(self, seconds: float) -> None:
        """Hold back all requests for `seconds`."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
