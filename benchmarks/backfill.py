"""A year launched from the UI: the real webserver and daemon of `universe up`."""

import time
from statistics import mean

from benchmarks.figures import Figure, Target
from benchmarks.floor import open_floor
from benchmarks.stage import Stage
from universe_pipeline_tests.support.serving import serving
from universe_pipeline_tests.support.webserver import ASSETS, Webserver, until

LOOK_SECONDS = 0.5
PATIENCE = 600.0

AWAY = 0.4
"""Seconds from a request to its answer."""


def backfill(stage: Stage) -> list[Figure]:
    """Launch it as the UI does, from a vendor near and from one far away."""
    near = _backfill(stage, "near", 45)
    with stage.vendor_at(AWAY) as far:
        return [*near, *_backfill(far, f"{AWAY} s away", 30)]


def _backfill(stage: Stage, where: str, limit: float) -> list[Figure]:
    """Look until every partition of the three assets is green."""
    days = [str(day) for day in stage.newest(stage.scale.sessions)]
    floor_days = stage.newest(stage.scale.floor)
    with open_floor(stage, floor_days) as floor, stage.database() as url:
        folder = stage.home / f"backfill {where}"
        folder.mkdir()
        before = floor.plain(floor_days)
        with serving(stage.environment(url), folder) as up:
            webserver = up.webserver
            started = time.perf_counter()
            launched = webserver.launch_range(days[0], days[-1])
            until(lambda: _is_green(webserver, days), PATIENCE)
            seconds = time.perf_counter() - started
            runs = len(webserver.backfill(launched)["runs"])
            up.end()
        least = len(days) * mean((before, floor.plain(floor_days)))
    part, what = "backfill", f"{len(days)} sessions green, {where}"
    target = Target(limit, of="value")
    return [
        Figure(part, what, seconds, "s", least, seconds / least, target=target),
        Figure(part, f"runs, {where}", runs, "", target=Target(1, of="value")),
    ]


def _is_green(webserver: Webserver, days: list[str]) -> bool:
    # The last asset first: while it is not, the others need not be asked for.
    for asset in reversed(ASSETS):
        if webserver.partitions(asset).within(days[0], days[-1]).materialized != days:
            time.sleep(LOOK_SECONDS)
            return False
    return True
