"""`python -m benchmarks`: measure, print, and write RESULTS.md.

--small             every part at a tiny size: shows that it works, measures nothing
--only loader,...   some parts
--sessions N        sessions that each way loads in each round
--rounds N          how often
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.figures import Figure, text_table
from benchmarks.floor import open_floor
from benchmarks.loads import WAYS
from benchmarks.race import raced
from benchmarks.scale import FULL, SMALL, Scale
from benchmarks.stage import Stage, open_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that are asked for."""
    options = _parser().parse_args(arguments)
    scale: Scale = SMALL if options.small else FULL
    given = {"sessions": options.sessions, "rounds": options.rounds}
    scale = replace(scale, **{name: value for name, value in given.items() if value})
    chosen: list[str] = options.only.split(",") if options.only else list(WAYS)
    with open_stage(scale, scale.sessions) as stage:
        figures = _raced(stage, chosen)
    sys.stdout.write(text_table(figures) + "\n")
    return 0


def _raced(stage: Stage, parts: Sequence[str]) -> list[Figure]:
    sessions = stage.sessions[-stage.scale.sessions :]
    with open_floor(stage, sessions) as floor:
        ways = [WAYS[part](stage, floor, sessions) for part in parts]
        results = raced(floor, sessions[-stage.scale.floor :], ways, stage.scale.rounds)
    return [result.figure for result in results]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure.")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--sessions", type=int)
    parser.add_argument("--rounds", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
