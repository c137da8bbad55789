"""What a load asks of its machine: free memory given back, an arena for all, others first."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_native_id

import pytest

from universe_pipeline.adapters.machine import give_back, lower_thread_priority
from universe_pipeline_tests.support.new_interpreter import printed

PIECE = 64 * 1024
"""Small enough to come out of the heap of the C library."""


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_free_memory_between_what_is_held_is_given_back():
    pieces = [bytearray(PIECE) for _ in range(1_000)]
    held = pieces[::10]
    del pieces
    before = resident()

    give_back()

    assert len(held) == 100
    assert before - resident() > 500 * PIECE


def niceness() -> int:
    """Of this thread."""
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


def test_a_thread_that_gives_way_is_the_only_one_that_does():
    before = niceness()
    with ThreadPoolExecutor(1, initializer=lower_thread_priority) as pool:
        given = pool.submit(niceness).result()

    assert given == min(before + 10, 19)
    assert niceness() == before


def test_a_thread_that_is_begun_by_one_that_gives_way_gives_way_as_much():
    def begin_another() -> int:
        with ThreadPoolExecutor(1, initializer=lower_thread_priority) as pool:
            return pool.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=lower_thread_priority) as pool:
        given = pool.submit(begin_another).result()

    assert given == min(niceness() + 10, 19)


_ROOT = Path(__file__).parents[2]
_ARENAS = """
import ctypes, threading
from universe_pipeline.adapters.machine import tune_for_loading
tune_for_loading()
kept = []
started = threading.Barrier(4)
def allocate():
    started.wait()
    kept.extend(bytearray(10_000) for _ in range(100))
threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def _arenas(chosen: dict[str, str]) -> int:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"},
        "PYTHONPATH": str(_ROOT),
        **chosen,
    }
    ended = subprocess.run(
        [sys.executable, "-c", _ARENAS], env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout.count("<heap nr=")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [({}, 1), ({"MALLOC_ARENA_MAX": "3"}, 3)],
)
def test_threads_share_an_arena_unless_set_otherwise(chosen: dict[str, str], expected: int) -> None:
    """As `MALLOC_ARENA_MAX=1` has it: what one thread has freed is there for the next."""
    assert _arenas(chosen) == expected


_COLLECTIONS = """
import gc, sys
from universe_pipeline.adapters import machine
def collections():
    return sum(each["collections"] for each in gc.get_stats())
machine.collect_no_imports()
before = collections()
import universe_pipeline.cli.load
print(collections() - before)
machine.keep_what_is_imported()
print(gc.get_freeze_count() > 100_000, len(gc.get_objects()) < 1_000)
before = collections()
kept = [[] for _ in range(100_000)]
print(collections() - before)
"""


def test_imports_are_not_searched_for_garbage_and_what_follows_is() -> None:
    assert printed(_COLLECTIONS).splitlines() == ["0", "True True", "1"]
