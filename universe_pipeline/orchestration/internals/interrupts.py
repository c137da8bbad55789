"""Ctrl-C, SIGTERM and "terminate" in the UI: what is in hand is finished first.

Dagster's own capture of signals is internal; a test fails when a release changes it.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Thread, Timer, get_ident
from typing import NoReturn, TypeVar

from dagster import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

from universe_pipeline.adapters.postgres.connecting import patience

Result = TypeVar("Result")

INTERRUPTED = DagsterExecutionInterruptedError.__name__

ENDED_AT_ONCE = 130
"""The exit code of a process that was interrupted twice."""

_ENDED = "universe: ended at once; what is committed is kept, `universe resume` goes on"

ONE_SIGNAL = 0.3
"""Seconds within which several signals are one: `timeout` sends it to a process and its group."""

_SOON = 0.05
"""Seconds after which an interrupt that was ignored comes again: the finalizer is done by then."""

_THE_SAME = b"\0"
"""Marker byte (no signal has number 0): do not count the next signal as the second."""


def defer_interrupts(work: Callable[[], Result]) -> tuple[Result, bool]:
    """Do `work` to its end, through any signal; also return whether one came.

    Raises:
        DagsterExecutionInterruptedError: one came while it waited for the database for long.
    """
    with capture_interrupts():
        try:
            result = work()
        except patience.WaitGivenUpError:
            raise interrupted() from None
        return result, check_captured_interrupt()


def interrupted() -> DagsterExecutionInterruptedError:
    """What to raise once the work in hand is done."""
    return DagsterExecutionInterruptedError()


@contextmanager
def exit_on_second_signal(on_first_signal: Callable[[], None] = lambda: None) -> Generator[None]:
    """Let a second ctrl-C or SIGTERM in the block end the process, also while it waits.

    At the first one `on_first_signal` is called, in another thread than the main one.

    That loses nothing but what is not committed; the next start makes up for the rest.

    For the main thread. Python's own handlers would run only when that comes back from the library
    in which it waits; this file is written to by the signal itself.
    """
    arrived, signals = socket.socketpair()
    signals.settimeout(0)
    stderr = copy_of_stderr()
    before = signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
    watch = Thread(target=_end_at_second, args=(arrived, stderr, on_first_signal), daemon=True)
    watch.start()
    try:
        with _raise_again_when_ignored(signals):
            yield
    finally:
        signal.set_wakeup_fd(before)
        signals.close()
        watch.join()
        arrived.close()
        if stderr is not None:
            os.close(stderr)


@contextmanager
def _raise_again_when_ignored(signals: socket.socket) -> Generator[None]:
    """Raise again, in the main thread, an interrupt in the block that Python has to ignore.

    Dagster raises it wherever the main thread is. In a finalizer that only shows a traceback, and
    the load would go on to its end.
    """
    before, main = sys.unraisablehook, get_ident()
    again: list[Timer] = []

    def ignored(error: "sys.UnraisableHookArgs") -> None:
        if not issubclass(error.exc_type, (KeyboardInterrupt, DagsterExecutionInterruptedError)):
            before(error)
            return
        signals.send(_THE_SAME)
        again.append(Timer(_SOON, signal.pthread_kill, (main, signal.SIGINT)))
        again[-1].start()

    sys.unraisablehook = ignored
    try:
        yield
    finally:
        for each in again:
            each.join()  # what comes at the very end still belongs to the block
        sys.unraisablehook = before


def copy_of_stderr() -> int | None:
    """Its descriptor as it is now: Dagster points it into a file while a step runs."""
    try:
        return os.dup(sys.stderr.fileno())
    except (AttributeError, OSError):  # it is closed, or no file
        return None


def _end_at_second(
    arrived: socket.socket, stderr: int | None, on_first_signal: Callable[[], None]
) -> None:
    first: float | None = None
    while numbers := arrived.recv(64):
        if _THE_SAME[0] in numbers:
            first = None
            continue
        if not {signal.SIGINT, signal.SIGTERM} & set(numbers):
            continue
        now = time.monotonic()
        if first is None:
            first = now
            on_first_signal()
        elif now - first > ONE_SIGNAL:
            end_at_once(stderr, _ENDED, ENDED_AT_ONCE)


def end_at_once(stderr: int | None, words: str, code: int) -> NoReturn:
    """End the process as by a kill, with a line on the terminal."""
    if stderr is not None:
        cursor = "\x1b[?25h" if os.isatty(stderr) else ""  # progress bars have hidden it
        with suppress(OSError):  # its terminal has gone
            os.write(stderr, f"{cursor}\n{words}\n".encode())
    os._exit(code)
