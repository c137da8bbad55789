"""How patient a request is, and whether another try is worth it.

Not stamina, for three reasons: its report of each retry is configuration of the whole process and
by default prints to stdout wherever structlog is installed, as it is with Dagster; its time-out
would count the minutes that a request waits for its turn; and 429s have a budget of their own.
"""

import logging
import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

from universe_pipeline.adapters.polygon.pacing import Pace
from universe_pipeline.domain.errors import RetryableError

logger = logging.getLogger("universe_pipeline.polygon")

ROUND_SECONDS = 300.0
"""Requests that fail for the same reason at the same try are one round for so long: those in
flight together, and the lists and sessions that a command asks for one after the other."""


class RateLimitedError(RetryableError):
    """A 429, and the seconds of quiet that it asks for, if it does."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on, in seconds. Waits for the pace do not count.

    A request costs at most `attempts` x (`request` + `longest_wait`), and its 429s on top.
    """

    attempts: int = 6
    """Most tries of a request that fails, 429s not counted."""
    first_wait: float = 1.0
    """Before the second try, and twice as long before each further one; up to half is left off
    at random."""
    longest_wait: float = 30.0
    connect: float = 10.0
    read: float = 30.0
    """Longest silence within an answer."""
    request: float = 120.0
    """From asking to the last byte of the answer, however slowly it drips."""
    rate_limited: float = 1800.0
    """How long one request goes on against 429s."""
    rate_limited_wait: float = 60.0
    """What a 429 without Retry-After asks for: the free plan counts by the minute."""
    shortest_rate_limited_wait: float = 1.0
    """What any 429 asks for, so that `Retry-After: 0` starts no storm."""


class _Rounds:
    """Which rounds of retries this process has reported; thread-safe."""

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}
        self._lock = Lock()

    def opens(self, a_round: Hashable, seconds: float) -> bool:
        """Whether the round is new; then it lasts for `seconds`."""
        now = time.monotonic()
        with self._lock:
            self._until = {known: until for known, until in self._until.items() if until > now}
            is_new = a_round not in self._until
            self._until.setdefault(a_round, now + seconds)
        return is_new


_rounds = _Rounds()


class Tries:
    """The tries of one request."""

    def __init__(
        self,
        patience: Patience,
        pace: Pace,
        sleep: Callable[[float], object],
        vendor: str = "",
    ) -> None:
        """Nothing has been tried yet.

        Args:
            patience: how long to go on.
            pace: asked before every try.
            sleep: may return early, when no other try is to follow.
            vendor: its address; requests to the same one are logged once a round.
        """
        self._patience, self._pace, self._rest, self._vendor = patience, pace, sleep, vendor
        self.requests = 0
        self._failures = 0
        self._limited_since: float | None = None

    def next(self) -> None:
        """Wait until the next request may be sent."""
        self._pace.wait()
        self.requests += 1

    def failed(self, error: RetryableError) -> None:
        """Return when it is worth asking again.

        Raises:
            RetryableError: `error`, when patience has ended.
        """
        if isinstance(error, RateLimitedError):
            self._quieten(error)
        else:
            self._sleep(error)

    def _sleep(self, error: RetryableError) -> None:
        self._failures += 1
        patience = self._patience
        if self._failures >= patience.attempts:
            raise error
        longest = min(patience.longest_wait, patience.first_wait * 2 ** (self._failures - 1))
        wait = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        is_new = self._opens_round(error, self._failures, ROUND_SECONDS)
        logger.log(
            logging.INFO if is_new else logging.DEBUG,
            "%s; try %d of %d in %.1f s",
            error,
            self._failures + 1,
            patience.attempts,
            wait,
        )
        self._rest(wait)

    def _quieten(self, error: RateLimitedError) -> None:
        now, patience = time.monotonic(), self._patience
        if self._limited_since is None:
            self._limited_since = now
        left = patience.rate_limited - (now - self._limited_since)
        if left <= 0:
            raise error
        asked = error.retry_after
        # At most what is left: a mistaken Retry-After must not stop everybody for years.
        wait = min(left, patience.rate_limited_wait if asked is None else asked)
        wait = max(wait, patience.shortest_rate_limited_wait)
        level = logging.WARNING if self._opens_round(error, 0, wait) else logging.DEBUG
        logger.log(level, "%s; all requests wait %.0f s", error, wait)
        self._pace.back_off(wait)

    def _opens_round(self, error: RetryableError, failures: int, seconds: float) -> bool:
        return _rounds.opens((self._vendor, error.kind, error.message, failures), seconds)
