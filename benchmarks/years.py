"""Twenty years of a growing market in one run: time, memory, size, verification and report."""

import psycopg

from benchmarks.archive import years_cost
from benchmarks.figures import Figure, Target
from benchmarks.floor import open_floor
from benchmarks.reserve import own_memory
from benchmarks.stage import Stage

YEARS = 20
LOADING_SECONDS = 240


def years(stage: Stage) -> list[Figure]:
    """Load the whole range into an empty database, then verify it; a month likewise.

    The growth of a session's cost from the first year to the last is compared with that of COPY of
    equal rows, in the first and last of as many tables: the rest is the product's.
    """
    scale = stage.scale
    sessions, month = stage.newest(scale.years), stage.newest(scale.month)
    year = scale.years // YEARS
    with stage.database(template="template0") as url:
        a_month = stage.child("historical", month[0], month[-1], database_url=url)
    with stage.database(template="template0") as url, own_memory(scale.reserve):
        load = stage.child("historical", sessions[0], sessions[-1], database_url=url)
        first, last = years_cost(url, year)
        with psycopg.connect(url) as connection:
            row = connection.execute(_SIZE).fetchone()
        verify = stage.child("verify", database_url=url)
    newest = stage.newest(min(year, scale.floor))
    with open_floor(stage, newest) as floor, own_memory(scale.reserve):
        floor_first, floor_last = floor.growth(newest, YEARS)
    bars, size = row or (0, 0)
    peak, of_a_month = load["peak_mb"], a_month["peak_mb"]
    ratio, of_copy = last / first, floor_last / floor_first
    seconds = load["steps"]["daily_bars"]
    return [
        Figure("years", "bars", bars, ""),
        Figure("years", "loading", seconds, "s", target=Target(LOADING_SECONDS, of="value")),
        Figure("years", "whole command", load["wall"], "s"),
        Figure(
            "years", "peak", peak, "MB",
            of_a_month, peak / of_a_month, "a month", Target(1.1),
        ),
        Figure("years", "a session in year 20", 1000 * last, "ms", 1000 * first, ratio, "year 1"),
        Figure(
            "years", "COPY alone in year 20", 1000 * floor_last, "ms",
            1000 * floor_first, of_copy, "year 1",
        ),
        Figure(
            "years", "growth of the cost", ratio, "",
            of_copy, ratio / of_copy, "COPY's", Target(1.1),
        ),
        Figure("years", "database", size / 1e9, "GB"),
        Figure("years", "verification and report", verify["wall"], "s"),
        Figure("years", "peak of the verification", verify["peak_mb"], "MB"),
    ]  # fmt: skip


_SIZE = "SELECT (SELECT sum(stored) FROM session_loads), pg_database_size(current_database())"
