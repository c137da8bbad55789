"""The machine: how a load shares its memory and its processors.

Importing this changes nothing. An entry point that loads calls `tune_for_loading` first.

Nothing is asked for that the C library or the system does not have: with musl a load takes more
memory, with macOS also more time.
"""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from functools import cache
from typing import Any

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_GIVEN_WAY = 10
"""Steps of nice: a tenth of the time of a thread with the usual priority, if both want to run."""
_IMPORTED = 500_000
"""Objects: more than there are once Dagster and all of ours is imported, which are 400,000."""
_WORKING = 50_000
_OLDER = (20, 20)
"""Collections of a generation of objects until the next older one is looked at, too."""
_AS_STARTED = os.getpriority(os.PRIO_PROCESS, 0)  # a thread inherits that of its creator


def tune_for_loading() -> None:
    """Let this process and its children load with one thread of Polars and one arena of malloc.

    Call it before Polars is imported, which starts its threads. `POLARS_MAX_THREADS` and
    `MALLOC_ARENA_MAX` win where they are set.
    """
    # A frame here has a session's 10,500 rows: Polars' threads cost more to wake than they do.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    _share_memory()


def collect_no_imports() -> None:
    """Let the collector of garbage leave alone what a command imports, until it works.

    Nothing of it is garbage worth the search, which would take a third of the time of the imports.
    """
    gc.set_threshold(_IMPORTED, *_OLDER)


def keep_what_is_imported() -> None:
    """Let the collector never look at what there is now, and from now on often enough to load.

    Call it where a command begins its work.
    """
    gc.freeze()
    gc.set_threshold(_WORKING, *_OLDER)


def _share_memory() -> None:
    """Let threads allocate from one arena.

    Answers are fetched, decoded and written by one thread after the other; with an arena each, what
    one has freed would be lost to the next, 20 to 30 MB in a load.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    os.environ["MALLOC_ARENA_MAX"] = "1"  # glibc reads it when a child starts
    if mallopt := _of_glibc("mallopt"):
        mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Give what is free back to the system, as glibc by itself does at the end of its heap only.

    What one batch of sessions leaves does not fit the next: over five years that adds up to 20 MB.
    """
    if malloc_trim := _of_glibc("malloc_trim"):
        malloc_trim(0)


def lower_thread_priority() -> None:
    """Lower the priority of this thread below the others of the process, by nice (Linux only).

    Threads that fetch ahead can wait; the writer cannot: with two processors a load takes
    a tenth less time. Where other work of the same group wants all processors, this thread has a
    tenth of one.
    """
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, 0, min(_AS_STARTED + _GIVEN_WAY, 19))


@cache
def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
