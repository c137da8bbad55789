"""Free memory between what is held, given back."""

from pathlib import Path

from universe_pipeline.loading.memory import give_back

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
