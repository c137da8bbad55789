"""How many requests may be in flight: fewer while the vendor fails or slows down.

Additive increase and multiplicative decrease, as TCP controls congestion (RFC 5681). As TCP Vegas
does, it also decreases when answers take far longer than they took before.
"""

import time
from bisect import insort
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from statistics import median
from threading import Condition

from universe_pipeline.domain.errors import RetryableError

BLOCK = 15
"""Answers whose median time is compared with that of other blocks: single ones differ by nature."""

BLOCKS = 8
"""As many of the latest blocks are remembered; a way that has become longer is then the usual."""

SLOWED, SLACK = 2.0, 0.1
"""The vendor slows down when it takes so many times the quickest block, and seconds more."""

ON_FAILURE, ON_SLOWING = 0.5, 0.7
"""What is left of the requests in flight after a failure, and after a slowing."""

FEWEST_WHEN_SLOW = 4
"""That so few are answered slowly is not for their number."""


class Traffic:
    """The requests in flight to one vendor; thread-safe.

    At most `limit` are in flight. A failure (429, 5xx, time-out, broken connection) halves them, a
    slowing takes three tenths, each once a round trip. Good answers raise the limit again: after a
    single failure by one each, which doubles it every round trip, and above what has failed twice
    by one a round trip.
    """

    def __init__(self, most: int) -> None:
        """Allow `most` requests at first, and never more."""
        self._most = self._limit = self._known_good = most
        self._in_flight = self._good = 0
        self._waiting: list[int] = []
        self._latest: list[float] = []
        self._blocks: deque[float] = deque(maxlen=BLOCKS)
        self._keep_until = 0.0
        self._changed = Condition()

    @property
    def most(self) -> int:
        """Most requests that may ever be in flight."""
        return self._most

    @property
    def limit(self) -> int:
        """Most requests that may be in flight now."""
        return self._limit

    @property
    def round_trip(self) -> float | None:
        """Seconds from a request to the end of its answer, at present; None before any."""
        with self._changed:
            return self._round_trip()

    @contextmanager
    def request(self, number: int) -> Generator[None]:
        """One request in flight, for the block; waits until there may be one more.

        Of those that wait the one with the lowest `number` is next: what others wait for goes
        first, also when it is asked for again.
        """
        with self._changed:
            insort(self._waiting, number)
            try:
                self._changed.wait_for(lambda: self._is_next(number))
            finally:
                self._waiting.remove(number)
                self._changed.notify_all()
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    @contextmanager
    def answer(self) -> Generator[None]:
        """Learn from how an answer comes in this block; the end of `request` wakes others."""
        began = time.monotonic()
        try:
            yield
        except RetryableError:
            with self._changed:
                self._failed()
            raise
        with self._changed:
            self._answered(time.monotonic() - began)

    def _is_next(self, number: int) -> bool:
        return self._in_flight < self._limit and number == self._waiting[0]

    def _round_trip(self) -> float | None:
        if self._blocks:
            return self._blocks[-1]
        return median(self._latest) if self._latest else None

    def _answered(self, seconds: float) -> None:
        self._raise_limit()
        self._latest.append(seconds)
        if len(self._latest) == BLOCK:
            self._blocks.append(median(self._latest))
            self._latest.clear()
            if self._blocks[-1] > SLOWED * min(self._blocks) + SLACK:
                self._slowed()

    def _raise_limit(self) -> None:
        self._good += 1
        if self._limit < self._known_good or self._good >= self._limit:
            self._good, self._limit = 0, min(self._most, self._limit + 1)

    def _failed(self) -> None:
        if self._is_news():
            used = min(self._limit, self._in_flight)
            self._known_good = used if self._limit < self._known_good else self._limit
            self._reduce_to(max(1, int(used * ON_FAILURE)))

    def _slowed(self) -> None:
        used = min(self._limit, self._in_flight)
        if used > FEWEST_WHEN_SLOW and self._is_news():
            self._known_good = max(FEWEST_WHEN_SLOW, int(used * ON_SLOWING))
            self._reduce_to(self._known_good)

    def _is_news(self) -> bool:
        """Whether what shows it was sent after the last change."""
        return time.monotonic() >= self._keep_until

    def _reduce_to(self, limit: int) -> None:
        self._limit, self._good = limit, 0
        self._keep_until = time.monotonic() + (self._round_trip() or 1.0)
