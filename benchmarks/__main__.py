"""`python -m benchmarks`: measure, print, and write RESULTS.md. `--help` has the options."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.archive import SPARE, Archive, loaded, memory
from benchmarks.backfill import backfill
from benchmarks.calls import calls
from benchmarks.figures import Figure, text_table
from benchmarks.reads import reads
from benchmarks.reload import reload
from benchmarks.report import write
from benchmarks.research import research
from benchmarks.reserve import own_memory
from benchmarks.scale import FULL, SMALL, Scale
from benchmarks.stage import ROOT, Stage, note, open_stage
from benchmarks.startup import startup
from benchmarks.verification import verification
from benchmarks.ways import WAYS, race
from benchmarks.years import years

ALONE: Mapping[str, Callable[[Stage], list[Figure]]] = {
    "calls": calls,
    "reload": reload,
    "backfill": backfill,
    "years": years,
}
ON_ARCHIVE: Mapping[str, Callable[[Stage, Archive], list[Figure]]] = {
    "memory": memory,
    "startup": startup,
    "reads": reads,
    "research": research,
    "verify": verification,
}
PARTS = (*WAYS, *ALONE, *ON_ARCHIVE)


class _Options(argparse.Namespace):
    small: bool
    only: list[str]
    sessions: int | None
    rounds: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that are asked for."""
    options = _parser().parse_args(arguments, _Options())
    given = {"sessions": options.sessions, "rounds": options.rounds}
    scale = replace(
        SMALL if options.small else FULL, **{name: n for name, n in given.items() if n is not None}
    )
    signal.signal(signal.SIGTERM, _end)
    started = time.monotonic()
    with open_stage(scale, _sessions(scale, options.only)) as stage:
        figures = _measured(stage, options.only)
        if scale.symbols < FULL.symbols:  # says nothing about what was asked for
            figures = [replace(figure, target=None) for figure in figures]
        sys.stdout.write(text_table(figures) + "\n")
        if set(options.only) == set(PARTS):
            folder, pictures = Path(__file__).parent, ROOT / "docs"
            if scale != FULL:
                folder = pictures = Path(tempfile.mkdtemp(prefix="universe-bench-results-"))
            write(folder, pictures, stage, figures, time.monotonic() - started)
            note(f"written to {folder}")
    return 0


def _sessions(scale: Scale, parts: Sequence[str]) -> int:
    """How many the vendor must have prepared."""
    archive = scale.archive + SPARE if set(parts) & set(ON_ARCHIVE) else 0
    whole = scale.years if "years" in parts else 0
    return max(archive, whole, scale.sessions, scale.distant, scale.floor, scale.month)


def _measured(stage: Stage, parts: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    if set(parts) & set(WAYS):
        note("racing " + ", ".join(part for part in WAYS if part in parts))
        with own_memory(stage.scale.reserve):
            figures += race(stage, parts)
    for part in ALONE:
        if part in parts:
            note(part)
            figures += ALONE[part](stage)
    if set(parts) & set(ON_ARCHIVE):
        note(f"loading {stage.scale.archive:,} sessions")
        with own_memory(stage.scale.reserve):
            archive = loaded(stage)
        for part in ON_ARCHIVE:
            if part in parts:
                note(part)
                figures += ON_ARCHIVE[part](stage, archive)
    return figures


def _end(number: int, _: FrameType | None) -> NoReturn:
    """Clean up, as after any error."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what the product costs. All parts at full size write "
        "benchmarks/RESULTS.md; anything less only prints, or writes to a temporary folder.",
    )
    add = parser.add_argument
    add("--small", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    add(
        "--only",
        type=_parts,
        default=list(PARTS),
        metavar="PART,...",
        help=f"some of: {', '.join(PARTS)}",
    )
    add("--sessions", type=int, help="sessions that each way of the product loads in a round")
    add("--rounds", type=int, help="how often each way is taken")
    return parser


def _parts(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part: {', '.join(unknown)}; {', '.join(PARTS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
