"""How many requests may be in flight: fewer while the vendor fails or slows down.

Additive increase, multiplicative decrease, as TCP controls congestion (RFC 5681), and, as TCP
Vegas, a decrease already when answers take far longer than the quickest of late.
"""

import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from statistics import median
from threading import Condition

from universe_pipeline.domain.errors import RetryableError

REMEMBERED = 64
"""Answers whose times are remembered: a round or two at full traffic."""

LATEST = 9
"""Answers whose median counts as the time that the vendor takes now."""

SLOWED, SLACK = 2.0, 0.1
"""The vendor slows down when it takes so many times the quickest answer, and seconds more."""

ON_FAILURE, ON_SLOWING = 0.5, 0.7
"""What is left of the traffic after a failure, and after a slowing."""

FEWEST_WHEN_SLOW = 4
"""Slow answers to so few requests are not for their number."""


class Traffic:
    """The requests in flight to one vendor; thread-safe.

    At most `limit` are in flight. A failure (429, 5xx, time-out, broken connection) halves the
    limit, a slowing takes three tenths, each once a round trip; good answers to as many requests as
    the limit raise it by one.
    """

    def __init__(self, most: int) -> None:
        """Allow `most` requests at first, and never more."""
        self._most = self._limit = most
        self._in_flight = self._good = 0
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._keep_until = 0.0
        self._changed = Condition()

    @property
    def limit(self) -> int:
        """Most requests that may be in flight now."""
        return self._limit

    @property
    def round_trip(self) -> float | None:
        """Seconds from a request to the end of its answer: the median of late; None before any."""
        with self._changed:
            return median(self._seconds) if self._seconds else None

    @contextmanager
    def request(self) -> Generator[None]:
        """One request in flight, for the block; waits until there may be one more."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self._limit)
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    @contextmanager
    def answer(self) -> Generator[None]:
        """Learn from how the answer comes in this block, within `request`."""
        began = time.monotonic()
        try:
            yield
        except RetryableError:
            with self._changed:
                self._reduce(ON_FAILURE, fewest=1)
            raise
        with self._changed:
            self._answered(time.monotonic() - began)

    def _answered(self, seconds: float) -> None:
        self._seconds.append(seconds)
        self._good += 1
        if self._good >= self._limit:
            self._good, self._limit = 0, min(self._most, self._limit + 1)
        if self._has_slowed():
            self._reduce(ON_SLOWING, FEWEST_WHEN_SLOW)

    def _has_slowed(self) -> bool:
        latest = list(self._seconds)[-LATEST:]
        return median(latest) > SLOWED * min(self._seconds) + SLACK

    def _reduce(self, factor: float, fewest: int) -> None:
        now = time.monotonic()
        if now < self._keep_until:  # the requests that show it were sent before the last change
            return
        used = min(self._limit, self._in_flight)
        self._limit = max(min(fewest, self._limit), int(used * factor))
        self._good = 0
        self._keep_until = now + (median(self._seconds) if self._seconds else 1.0)
