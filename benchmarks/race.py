"""Ways to load the same sessions, interleaved with the floor.

On a shared machine a time means little; the floor is measured right before and right after each
way, and what counts is the ratio to it. Figures are medians over the rounds.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import mean, median

from benchmarks.figures import Figure, Target
from benchmarks.floor import Floor
from benchmarks.stage import note

Run = Callable[[Sequence[date]], Mapping[str, float]]
"""Loads sessions in a place of its own; seconds in all, under the name of each figure."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to load sessions."""

    part: str
    run: Run
    sessions: Sequence[date]
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
    """By the name of the figure."""


@dataclass(frozen=True, slots=True)
class Lap:
    """Seconds a session that a way took, and that the floor took next to it."""

    seconds: float
    floor: float


@dataclass(frozen=True, slots=True)
class Result:
    """A figure of a way over all rounds."""

    part: str
    what: str
    laps: Sequence[Lap]
    target: Target | None

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios to the floor."""
        return median(lap.seconds / lap.floor for lap in self.laps)

    def figure(self, against: str = "floor", reference: float = 1.0) -> Figure:
        """As it is shown: its ratio to the floor, or to what has that ratio to the floor."""
        return Figure(
            self.part,
            self.what,
            1000 * median(lap.seconds for lap in self.laps),
            "ms a session",
            floor=1000 * median(lap.floor for lap in self.laps),
            ratio=self.ratio / reference,
            against=against,
            target=self.target,
        )


def raced(
    floor: Floor, floor_sessions: Sequence[date], ways: Sequence[Way], rounds: int
) -> list[Result]:
    """Go each way once a round, every round beginning with another one."""
    laps: defaultdict[tuple[int, str], list[Lap]] = defaultdict(list)
    for number in range(rounds):
        before = floor.plain(floor_sessions)
        for position in range(len(ways)):
            place = (position + number) % len(ways)
            way = ways[place]
            took = way.run(way.sessions)
            after = floor.plain(floor_sessions)
            for what, seconds in took.items():
                lap = Lap(seconds / len(way.sessions), mean((before, after)))
                laps[place, what].append(lap)
                note(
                    f"{way.part}: {what} {1000 * lap.seconds:.1f} ms, floor {1000 * lap.floor:.1f}"
                )
            before = after
    return [
        Result(ways[place].part, what, found, ways[place].targets.get(what))
        for (place, what), found in sorted(laps.items(), key=lambda one: one[0][0])
    ]
