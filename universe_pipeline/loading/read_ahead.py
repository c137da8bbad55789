"""How many sessions to ask for ahead of the writer, so that it never waits."""

import math
from collections.abc import Callable

FEWEST = 6
"""Answers of loopback vary in time as much as this covers."""

MARGIN, SPARE = 1.25, 4
"""Answers differ in time: so much more than the median needs, and so many more."""

WAITING = 2
"""Times the requests in flight: answers come in bursts, and what waits for the writer must not keep
the next ones from being asked for."""

_QUICK = 0.01
"""Seconds that a quick writer takes for a session: assumed until the first one is written."""

_WEIGHT = 0.2
"""Of the latest session, in the mean of what the writer takes."""


class ReadAhead:
    """Little's law: in flight are as many as the writer writes in one round trip.

    Until the writer's pace is known, it is assumed to be quick.
    """

    def __init__(self, most: int, spacing: float, round_trip: Callable[[], float | None]) -> None:
        """Begin before any answer.

        Args:
            most: requests that may be in flight.
            spacing: least seconds from a request to the next; 0 = none.
            round_trip: seconds that answers take at present, where any has come.
        """
        self._most, self._spacing, self._round_trip = most, spacing, round_trip
        self._writing = max(spacing, _QUICK)

    def wrote(self, seconds: float) -> None:
        """Count what the writer took for a session, without its waiting."""
        self._writing += _WEIGHT * (seconds - self._writing)

    def sessions(self) -> int:
        """How many to ask for ahead now, those included whose answers wait for the writer."""
        between = max(self._spacing, self._writing)
        needed = math.ceil(MARGIN * (self._round_trip() or 0.0) / between) + SPARE
        return min(WAITING * self._most, max(FEWEST, needed))
