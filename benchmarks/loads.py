"""Ways through the product: the loader alone, and a ranged run of Dagster."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from benchmarks.figures import Target
from benchmarks.floor import Floor
from benchmarks.race import Run, Way
from benchmarks.stage import Stage

ASSETS = ("symbols", "daily_bars", "data_coverage")


def quarterly_floor(_: Stage, floor: Floor, sessions: Sequence[date]) -> Way:
    """The floor once more, in quarters as the product has them."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        return {"quarterly partitions": len(days) * floor.quarterly(days)}

    return Way("floor", run, sessions, {})


def loader(stage: Stage, _: Floor, sessions: Sequence[date]) -> Way:
    """Fetch, decode, validate, write: without Dagster."""
    return Way("loader", loader_run(stage), sessions, {"load": Target(1.3)})


def loader_run(stage: Stage) -> Run:
    """A load into a new database."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.database() as url:
            return {"load": stage.child("loader", days[0], days[-1], database_url=url)["seconds"]}

    return run


def dagster(stage: Stage, _: Floor, sessions: Sequence[date]) -> Way:
    """`universe historical`: three assets and all checks, in one run."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.database() as url:
            told = stage.child("historical", days[0], days[-1], database_url=url)
        steps: dict[str, float] = told["steps"]
        checks = sum(seconds for step, seconds in steps.items() if step not in ASSETS)
        return {
            "all steps": sum(steps.values()),
            **{f"step {asset}": steps[asset] for asset in ASSETS},
            "checks": checks,
            "whole command": told["wall"],
        }

    return Way("dagster", run, sessions, {"all steps": Target(1.6)})


WAYS: Mapping[str, Callable[[Stage, Floor, Sequence[date]], Way]] = {
    "floor": quarterly_floor,
    "loader": loader,
    "dagster": dagster,
}
