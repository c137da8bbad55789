"""What a process counts until the database keeps it: requests by outcome, seconds by stage."""

import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from threading import Lock
from typing import NamedTuple, TypeAlias

HAND_OVER_EVERY = 1.0
"""Seconds: a quick load stores its counts with one session of many, a paced one with each."""


class Counter(StrEnum):
    """What is counted: `daily_counters.counter`."""

    REQUESTS = "requests"
    STAGE_SECONDS = "stage_seconds"


class Stage(StrEnum):
    """A stage of a session's way from the vendor into the database."""

    WAIT = "wait"
    """A request waits for its turn at the pace."""
    FETCH = "fetch"
    """From a request to the last byte of its answer."""
    UNPACK = "unpack"
    """Decompressing an answer."""
    DECODE = "decode"
    """From JSON to columns."""
    ENCODE = "encode"
    """Validating a session and encoding it for COPY."""
    STORE = "store"
    """A session's transaction: comparison, COPY, commit."""


OK, NOT_PUBLISHED, UNREAD = "ok", "not_published", "unread"
"""Outcomes of a request besides those of `FailureKind`: its answer could be used, the session is
not published yet, the load ended before it read the answer."""


class Count(NamedTuple):
    """What an amount is of. Rows are written in this order, so that no writers deadlock."""

    counter: Counter
    subject: str
    """A request's endpoint, or a stage."""
    outcome: str = ""
    """A request's."""


Amounts: TypeAlias = Mapping[Count, float]


class Tally:
    """Adds up until something stores it; thread-safe."""

    def __init__(self) -> None:
        """Nothing has been counted."""
        self._amounts = defaultdict[Count, float](float)
        self._lock = Lock()
        self._due = 0.0

    def add(self, count: Count, amount: float = 1.0) -> None:
        """Count `amount` more."""
        with self._lock:
            self._amounts[count] += amount

    def request(self, endpoint: str, outcome: str) -> None:
        """Count a request that was sent."""
        self.add(Count(Counter.REQUESTS, endpoint, outcome))

    @contextmanager
    def seconds(self, stage: Stage) -> Generator[None]:
        """Count the seconds of the block, however it ends."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(Count(Counter.STAGE_SECONDS, stage), time.monotonic() - began)

    @contextmanager
    def handed_over(self, *, at_once: bool = False) -> Generator[Amounts]:
        """What is to be stored in the block; it counts again where the block raises.

        Nothing for `HAND_OVER_EVERY` after the last time, unless `at_once`.
        """
        amounts = self._taken(at_once=at_once)
        try:
            yield amounts
        except BaseException:
            self._take_back(amounts)
            raise

    def _taken(self, *, at_once: bool) -> Amounts:
        now = time.monotonic()
        with self._lock:
            if now < self._due and not at_once:
                return {}
            amounts, self._amounts = self._amounts, defaultdict[Count, float](float)
            self._due = now + HAND_OVER_EVERY
        return amounts

    def _take_back(self, amounts: Amounts) -> None:
        with self._lock:
            for count, amount in amounts.items():
                self._amounts[count] += amount
            self._due = 0.0
