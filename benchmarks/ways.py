"""The ways that are raced: the product's two, and its peers'."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from benchmarks.answers import rows_of
from benchmarks.figures import Figure, Target
from benchmarks.floor import Floor, open_floor
from benchmarks.race import Result, Way, raced
from benchmarks.stage import BENCH_PYTHON, Stage, far_away

ASSETS = ("symbols", "daily_bars", "data_coverage")
PEERS = {
    "client_copy": ("vendor's client, COPY of rows", Target(4.2, at_least=True)),
    "client_executemany": ("vendor's client, executemany", Target(6, at_least=True)),
    "pandas_to_sql": ("vendor's client, pandas to_sql", None),
    "dlt_merge": ("dlt merge", Target(15, at_least=True)),
}
"""What each module of `peers` is, and how many times faster the loader must be."""


DISTANCES = {0.1: 1.3, 0.4: 1.3, 1.0: 1.5}
"""Seconds from a request to the first byte of its answer, and how many times the floor a load from
there may take."""

CLIENT_AWAY = 0.4
DISTANT_CLIENT = f"vendor's client, COPY of rows, {CLIENT_AWAY} s away"

DATABASE_AWAY = 0.01
FAR_DATABASE = f"load, database {1000 * DATABASE_AWAY:g} ms away"

IN_ORDER = "COPY in the order of the key"


def other_floors(stage: Stage, floor: Floor) -> list[Way]:
    """What else COPY of these rows may take."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        return {
            IN_ORDER: len(days) * floor.ordered(days),
            "the same, into quarters": len(days) * floor.quarterly(days),
            "COPY without a key": len(days) * floor.keyless(days),
        }

    return [Way("floor", run, stage.newest(stage.scale.floor))]


def loader(stage: Stage, _: Floor) -> list[Way]:
    """Fetch, decode, validate, write: without Dagster."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.database() as url:
            return {"load": stage.child("loader", days[0], days[-1], database_url=url)["seconds"]}

    return [Way("loader", run, stage.newest(stage.scale.sessions), {"load": Target(1.3)})]


def distance(stage: Stage, _: Floor) -> list[Way]:
    """The loader from a vendor far away, and the vendor's client."""
    return [
        *(_distant(stage, seconds, Target(limit)) for seconds, limit in DISTANCES.items()),
        _distant_client(stage),
        _far_database(stage),
    ]


def _distant(stage: Stage, seconds: float, target: Target) -> Way:
    what = f"load, {seconds} s away"

    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.vendor_at(seconds) as far, stage.database() as url:
            return {what: far.child("loader", days[0], days[-1], database_url=url)["seconds"]}

    return Way("distance", run, stage.newest(stage.scale.distant), {what: target})


def _distant_client(stage: Stage) -> Way:
    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.vendor_at(CLIENT_AWAY) as far:
            near = _peer(far, "client_copy", DISTANT_CLIENT, None)
            return near.run(days)

    days = stage.newest(stage.scale.peers)
    return Way("distance", run, days, {DISTANT_CLIENT: Target(15, at_least=True)})


def _far_database(stage: Stage) -> Way:
    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.database() as url, far_away(url, DATABASE_AWAY) as far:
            return {
                FAR_DATABASE: stage.child("loader", days[0], days[-1], database_url=far)["seconds"]
            }

    days = stage.newest(stage.scale.floor)
    return Way("distance", run, days, {FAR_DATABASE: Target(1.5)})


def dagster(stage: Stage, _: Floor) -> list[Way]:
    """`universe historical`: three assets and all checks, in one run."""

    def run(days: Sequence[date]) -> Mapping[str, float]:
        with stage.database() as url:
            printed = stage.child("historical", days[0], days[-1], database_url=url)
        steps: dict[str, float] = printed["steps"]
        return {
            "all steps": sum(steps.values()),
            **{f"step {asset}": steps[asset] for asset in ASSETS},
            "steps of checks": sum(steps[step] for step in steps if step not in ASSETS),
            "whole command": printed["wall"],
        }

    asked = {"all steps": Target(1.35), "whole command": Target(1.6)}
    return [Way("dagster", run, stage.newest(stage.scale.sessions), asked)]


def peers(stage: Stage, _: Floor) -> list[Way]:
    """Each peer into a new database."""
    return [_peer(stage, module, *named) for module, named in PEERS.items()]


def _peer(stage: Stage, module: str, name: str, target: Target | None) -> Way:
    def run(days: Sequence[date]) -> Mapping[str, float]:
        command = [str(BENCH_PYTHON), "-m", f"benchmarks.peers.{module}", stage.vendor_url]
        with stage.database(template="template0") as url:
            printed = stage.output_of([*command, url, *map(str, days)], stage.environment(url))
        rows = sum(rows_of(stage.answers, day) for day in days)
        assert printed["bars"] == rows, f"{name} stored {printed['bars']} of {rows} rows"
        return {name: printed["seconds"]}

    return Way("peers", run, stage.newest(stage.scale.peers), {name: target} if target else {})


WAYS: Mapping[str, Callable[[Stage, Floor], list[Way]]] = {
    "floor": other_floors,
    "loader": loader,
    "distance": distance,
    "dagster": dagster,
    "peers": peers,
}


def race(stage: Stage, parts: Sequence[str]) -> list[Figure]:
    """Race the ways of `parts`; some are compared with the loader, which then takes part."""
    compared = {"peers", "distance"}.intersection(parts)
    taking = [part for part in WAYS if part in parts or (part == "loader" and compared)]
    scale = stage.scale
    with open_floor(stage, stage.newest(max(scale.sessions, scale.floor))) as floor:
        ways = [way for part in taking for way in WAYS[part](stage, floor)]
        results = raced(floor, stage.newest(scale.floor), ways, scale.rounds)
    return [
        *_plain_floor(results),
        *(figure for result in results for figure in _figures(result, results)),
    ]


def _plain_floor(results: Sequence[Result]) -> list[Figure]:
    plain = Result(
        "floor", "COPY of encoded rows", [lap for one in results for lap in one.laps], None
    )
    figure = plain.figure()
    assert figure.floor is not None
    return [Figure("floor", plain.what, figure.floor, figure.unit, figure.floor, 1.0)]


def _figures(result: Result, results: Sequence[Result]) -> Iterator[Figure]:
    """A result; one with a target also compared with COPY in the order of the key."""
    near = {DISTANT_CLIENT: f"load, {CLIENT_AWAY} s away", FAR_DATABASE: "load"}.get(
        result.what, "load" if result.part == "peers" else None
    )
    if near:
        loader = next(one for one in results if one.what == near)
        yield result.figure("loader", loader.ratio)
        return
    yield result.figure()
    in_order = next((one for one in results if one.what == IN_ORDER), None)
    if result.target and in_order:
        same = replace(result, what="the same", target=None)
        yield same.figure(IN_ORDER, in_order.ratio)
