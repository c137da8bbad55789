"""Threads share what they allocate from, unless somebody chose otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_ARENAS = """
import ctypes, threading
import universe_pipeline
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
    told = subprocess.run(
        [sys.executable, "-c", _ARENAS], env=environment, capture_output=True, text=True, check=True
    )
    return told.stdout.count("<heap nr=")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [({}, 1), ({"MALLOC_ARENA_MAX": "3"}, 3)],
)
def test_threads_share_an_arena_unless_told_otherwise(
    chosen: dict[str, str], expected: int
) -> None:
    """As `MALLOC_ARENA_MAX=1` has it: what one thread has freed is there for the next."""
    assert _arenas(chosen) == expected
