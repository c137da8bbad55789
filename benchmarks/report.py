"""RESULTS.md and its pictures."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import psycopg

from benchmarks.figures import COLUMNS, Figure, cells
from benchmarks.stage import BENCH_PYTHON, ROOT, Stage
from universe_pipeline.adapters.postgres.summaries.figures import server_version

HEAD = """\
# What it costs

Written by `make bench`: do not edit. Everything ran on one machine over loopback, on the embedded
PostgreSQL with its default, durable settings, against a vendor that serves prepared answers.

A time by itself says little about another machine: read the ratios, which are medians over pairs
measured side by side (so not quite the quotients of the medians shown). The floor is a plain COPY
of rows that are encoded already, a transaction a session, into one table with the key
(date, symbol), measured right before and after each compared load. The rows are in the order in
which the vendor sends them. In the order of the key COPY is quicker, and the product loads in that
order: figures with a target are compared with that, too. In all parts before the calls,
`compared with` shows the floor, also where the ratio is to the loader; `asked` is the project's
target.

A virtual machine gets memory that it has not used lately from its host, at ten times the cost of
writing to it: {reserve} GB were taken before, and let go as they were used. A server makes the
files of its log once, which costs the first gigabyte of a load a sixth more: it had made {log}
before.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="../docs/results-dark.svg">
  <img alt="Loads against the floor, reads against the best layout" src="../docs/results-light.svg">
</picture>
"""

EXPLAINED = {
    "floor": "What PostgreSQL takes for these rows, encoded and without `source`.",
    "loader": "Fetch, decode, validate, write, without Dagster.",
    "distance": """\
The loader, a vendor that answers later and sends 50 Mbit/s on a connection: from the first request
on, so that the first two round trips, which nothing can hide, count.""",
    "dagster": "`universe historical`: one run over three assets and all checks, universe known.",
    "peers": "What else people load such bars with; how many times slower than the loader.",
    "calls": "A month loaded twice by `universe historical`.",
    "reload": "Loaded sessions fetched again, answers unchanged.",
    "backfill": "Launched over GraphQL at a real `universe up`, as the UI does.",
    "memory": """\
Five years in one run, from an empty database; a month likewise. The last line is as much COPY of
encoded rows and nothing else.""",
    "years": """\
Twenty years of a growing market in one run, from an empty database; a month likewise. What COPY
alone takes for as many equal rows shows what of the growth is the disk's.""",
    "start-up": "Whole commands, on five years of data with the database up.",
    "reads": """\
Warm medians over five years, planning and transfer included. The reference is the best layout that
we know of: quarters in the order of arrival, closed ones with a covering index by symbol. Reads
through the view are compared with the same reads of `daily_bars`.""",
    "research": """\
`universe_pipeline.read` into Polars, compared with receiving the same rows of `daily_bars` by COPY
BINARY and dropping them. A quarter of the securities have a corporate action every two months.""",
    "verify": "`universe verify`, report included, compared with only reading the bars in columns.",
}


def write(
    folder: Path, pictures: Path, stage: Stage, figures: Sequence[Figure], seconds: float
) -> None:
    """Write RESULTS.md into a folder, results-light.svg and results-dark.svg into another."""
    head = HEAD.format(reserve=stage.scale.reserve, log=stage.scale.log)
    text = [head, *_machine(stage, seconds)]
    for part, found in groupby(figures, lambda figure: figure.part):
        text += [f"\n## {part.capitalize()}\n", EXPLAINED[part], "", *_table(list(found))]
    (folder / "RESULTS.md").write_text("\n".join(text) + "\n")
    subprocess.run(
        [str(BENCH_PYTHON), "-m", "benchmarks.picture", str(pictures)],
        input=json.dumps([asdict(figure) for figure in figures]),
        cwd=ROOT, check=True, text=True,
    )  # fmt: skip


def _machine(stage: Stage, seconds: float) -> list[str]:
    with psycopg.connect(stage.server_url) as connection:
        postgres = server_version(connection)
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    scale, load = stage.scale, os.getloadavg()[1]
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, {seconds / 60:.1f} minutes",
        f"- {os.cpu_count()} cores of {model[1] if model else platform.machine()},",
        f"  {memory:.0f} GB of memory, {platform.system()} {platform.release()}, load {load:.1f}",
        f"- PostgreSQL {postgres}, Python {platform.python_version()}",
        f"- {scale.rounds} rounds: {scale.sessions} sessions by each of the product's ways,",
        f"  {scale.peers} by each peer; {scale.archive:,} sessions as five years",
    ]


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "safe.directory=*", *arguments]
        return subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, text=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if changed else "")


def _table(figures: Sequence[Figure]) -> list[str]:
    rows = [cells(figure)[1:] for figure in figures]
    head = COLUMNS[1:]
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"
