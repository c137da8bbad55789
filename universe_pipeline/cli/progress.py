"""Progress of a long command: bars on a terminal, a line now and then in a log file."""

import io
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console, ConsoleDimensions
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from universe_pipeline.adapters import json_log
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.loading.progress import Step, listening

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BAR_WIDTH = 18
"""Columns of a bar: count, clock and note of a line still fit into 80."""

SPEED_SECONDS = 300.0
"""The time left is estimated from so many last seconds: at one request a minute too."""

REDRAWS_A_SECOND = 5
"""Each takes the interpreter for a millisecond or two, which a load could use."""

FIRST_LINE = 60.0
"""Seconds of an activity before a log file gets its first line."""

MOST_BETWEEN_LINES = 600.0
"""Seconds: a log file never waits longer for the next line while steps come in."""


@contextmanager
def progress_on(stderr: TextIO) -> Generator[None]:
    """Show every step that is reported in the block.

    On a copy of stderr's descriptor: Dagster points the original, and descriptor 1, into its
    compute logs for as long as a step runs.
    """
    with _copy_of(stderr) as file:
        console = _Screen(file=file, highlight=False, markup=False, emoji=False)
        if not (file.isatty() and console.is_interactive):
            with listening(Lines(file).take):
                yield
            return
        with _only_by(console, stderr), Bars(console) as bars, listening(bars.take):
            yield


@contextmanager
def _copy_of(stream: TextIO) -> Generator[TextIO]:
    raw = _Tolerant(os.dup(stream.fileno()), "w")
    with io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors="backslashreplace"
    ) as file:
        yield file


@contextmanager
def _only_by(console: Console, stderr: TextIO) -> Generator[None]:
    """Let what Python writes to stderr appear above the bars, and nothing else in between.

    Descriptor 2 is where Dagster's children repeat what they find in the compute logs, and where
    ctrl-C makes them print tracebacks of their own.
    """
    descriptor, terminal = stderr.fileno(), console.file.fileno()
    stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    try:
        with redirect_stderr(FileProxy(console, stderr)):
            yield
    finally:
        os.dup2(terminal, descriptor)


class _Tolerant(io.FileIO):
    """A file that loses what it cannot take: a load outlives its terminal, and a full disk."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


class _Screen(Console):
    """A console as large as its own terminal; Rich would ask descriptors 0 to 2."""

    @property
    def size(self) -> ConsoleDimensions:  # pyright: ignore[reportIncompatibleMethodOverride]  # it follows the terminal
        try:
            columns, rows = os.get_terminal_size(self.file.fileno())
        except OSError:
            columns, rows = 0, 0
        return ConsoleDimensions(columns or 80, rows or 25)


class Bars:
    """A bar an activity, from its first step on; all are removed at the end of the block."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            _Bar(bar_width=BAR_WIDTH),  # bar and note give way where it is narrow
            _Count(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            _Left(table_column=Column(no_wrap=True)),
            _Note(),
            console=console,
            transient=True,
            redirect_stdout=False,  # may be a pipe, and is for results
            redirect_stderr=False,
            speed_estimate_period=SPEED_SECONDS,
            refresh_per_second=REDRAWS_A_SECOND,
        )
        self._tasks: dict[str, TaskID] = {}
        self._current: str | None = None

    def take(self, step: Step) -> None:
        """Draw a step; what was drawn last is over when something else begins."""
        if step.what != self._current:
            self._begin(step)
        task = self._tasks[step.what]
        self._progress.update(task, completed=step.done, total=step.total, note=step.note)

    def _begin(self, step: Step) -> None:
        if self._current is not None:
            self._progress.stop_task(self._tasks[self._current])
        self._current = step.what
        if step.what not in self._tasks:
            self._tasks[step.what] = self._progress.add_task(step.what, total=step.total, note="")
        self._progress.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class _Bar(BarColumn):
    """A bar that stands still when its activity is over, also where its total is not known."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if task.stop_time is not None:
            bar.animation_time = task.stop_time
        return bar


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_count(int(task.completed), task.total), style="progress.download")


class _Left(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        seconds = None if task.finished or task.stop_time else task.time_remaining
        return Text("" if seconds is None else f"{_clock(seconds)} left", "progress.remaining")


class _Note(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(visible(task.fields["note"]), style="dim", no_wrap=True, overflow="ellipsis")


class Lines:
    """A line after a minute of an activity, then after 2, 4, 8 and 16, then every ten minutes."""

    def __init__(self, file: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._file, self._now = file, now
        self._current: str | None = None
        self._began = self._due = 0.0

    def take(self, step: Step) -> None:
        """Write a line if one is due."""
        now = self._now()
        if step.what != self._current:
            self._current, self._began, self._due = step.what, now, FIRST_LINE
        elapsed = now - self._began
        if elapsed >= self._due:
            self._due = min(2 * elapsed, elapsed + MOST_BETWEEN_LINES)
            self._file.write(f"{json_log.as_line(_line(step, elapsed))}\n")
            self._file.flush()


def _line(step: Step, elapsed: float) -> str:
    left = ""
    if step.total is not None and 0 < step.done < step.total:
        left = f", about {_clock(elapsed / step.done * (step.total - step.done))} left"
    note = f" ({visible(step.note)})" if step.note else ""
    return f"{step.what}: {_count(step.done, step.total)} after {_clock(elapsed)}{left}{note}"


def _count(done: int, total: float | None) -> str:
    if total is None:
        return f"{done:,}" if done else ""
    return f"{done:,} of {int(total):,}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
