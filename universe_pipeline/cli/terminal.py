"""What people see on a terminal: progress and notes on stderr, results on stdout."""

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from universe_pipeline.adapters import json_log
from universe_pipeline.domain.foreign_text import visible_lines

WIDE = 240
"""Columns of a table that goes to a file or a pipe, so that nothing is cut."""


COLOURS = {"ok": "green", "info": "cyan", "warn": "yellow", "error": "red", "fail": "red"}
"""Of verdicts, where they are seen on a terminal."""


_lost: list[OSError] = []


def lost_output() -> OSError | None:
    """Why results could not be written to stdout, if some could not; the command went on."""
    return _lost[0] if _lost else None


@contextmanager
def _outlived() -> Generator[None]:
    """Go on without stdout where it takes no more, so that what was done is recorded as done."""
    try:
        yield
    except OSError as error:
        _lost.append(error)
        give_up(sys.stdout)


def note(text: str) -> None:
    """Say something to the person on stderr; above the bars while some are drawn.

    Where stderr takes no more, a full disk perhaps, the command goes on all the same.
    """
    if sys.stderr is not None:  # None where it is closed
        with suppress(OSError):
            sys.stderr.write(f"{json_log.as_line(visible_lines(text))}\n")


def result(text: str | Text) -> None:
    """Print a result to stdout, if there is one."""
    with _outlived():
        if isinstance(text, str):
            typer.echo(visible_lines(text))
        else:
            _plain().print(text, soft_wrap=True)


def verdict(word: str) -> Text:
    """A verdict in its colour: on a terminal only, and not where NO_COLOR is set."""
    return Text().append(word, COLOURS.get(word))


def table(rows: Table) -> None:
    """Print a table to stdout."""
    is_seen = sys.stdout is not None and sys.stdout.isatty()  # None where it is closed
    with _outlived():
        _plain(None if is_seen else WIDE).print(rows)


def give_up(stream: TextIO) -> None:
    """Write nothing more to a standard stream, not at the end either, where that has failed."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class _Console(Console):
    """Leaves to its caller what a reader's end means; Rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _plain(width: int | None = None) -> Console:
    """A console that shows every text as it is: the vendor's is data, not markup."""
    return _Console(width=width, highlight=False, markup=False, emoji=False)


class _Log(logging.Handler):
    """Writes to what stderr is at the moment: the bars put themselves in its place."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        if self._early is not None:
            self._early.append(record)
            return
        try:
            with suppress(OSError):
                if sys.stderr is not None:  # None where it is closed
                    sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # as every handler: a log line that fails ends no load
            self.handleError(record)

    def begin(self) -> None:
        """Write what has come so far, and from now on what comes."""
        early, self._early = self._early or [], None
        for record in early:
            self.emit(record)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(super().format(record))


@contextmanager
def logging_set_up() -> Generator[None]:
    """Show the log on stderr, from warnings on.

    After the block, which may choose JSON, and to which what it logs itself waits.
    """
    log = _Log()
    log.setFormatter(_TextFormatter("%(asctime)s %(levelname)s %(message)s"))
    json_log.write_text()
    logging.basicConfig(handlers=[log], level=logging.WARNING)
    try:
        yield
    finally:
        log.begin()


@contextmanager
def progress_bars() -> Generator[None]:
    """Show what reports its steps in the block: by bars on a terminal, by few lines elsewhere."""
    from universe_pipeline.cli.progress import progress_on

    with progress_on(sys.stderr) if _is_a_file(sys.stderr) else nullcontext():
        yield


def _is_a_file(stream: TextIO | None) -> bool:
    """Whether it has a descriptor: None where it is closed, and a notebook's may have none."""
    try:
        return stream is not None and stream.fileno() >= 0
    except OSError:
        return False
