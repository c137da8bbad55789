"""What people see on a terminal: progress and notes on stderr, results on stdout."""

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from universe_pipeline.loading.progress import Step, listening
from universe_pipeline.settings import settings

WIDE = 240
"""Columns of a table that goes to a file or a pipe, so that nothing is cut."""


def note(text: str) -> None:
    """Say something to the person on stderr."""
    _plain(stderr=True).print(text, soft_wrap=True)


def result(text: str) -> None:
    """Print a result to stdout, if there is one."""
    typer.echo(text)


def table(rows: Table) -> None:
    """Print a table to stdout."""
    is_seen = sys.stdout is not None and sys.stdout.isatty()  # None where it is closed
    _plain(width=None if is_seen else WIDE).print(rows)


def give_up_output() -> None:
    """Write nothing more to stdout, not at the end either, where that has failed already."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _plain(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console that shows every text as it is: the vendor's is data, not markup."""
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def set_up_logging() -> None:
    """Our own log on stderr at LOG_LEVEL; libraries speak up only from warnings on."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("universe_pipeline").setLevel(settings().log_level)


@contextmanager
def progress_bars() -> Generator[None]:
    """Draw a bar for everything that reports its steps in the block."""
    bars: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = _plain(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def draw(step: Step) -> None:
            if step.what not in bars:
                bars[step.what] = progress.add_task(step.what, total=step.total, note="")
            progress.update(bars[step.what], completed=step.done, total=step.total, note=step.note)

        with listening(draw):
            yield
