"""Memory that a virtual machine has already got from its host.

What such a machine has not used lately its host may have taken back, and to get it again costs ten
times what writing to it does: 2.3 ms a MB of a file where that otherwise takes 0.2 (measured where
RESULTS.md was). A load of years fills gigabytes of the page cache, so that its last year would show
the host's price. Here memory is taken beforehand, and let go as it is used.
"""

import mmap
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

_PIECE = 64 << 20
_SECONDS = 0.1


@contextmanager
def own_memory(gigabytes: int) -> Generator[None]:
    """Hold so much memory (at most half of what is free), less what is used meanwhile."""
    held = [_taken() for _ in range(min(gigabytes << 30, _free() // 2) // _PIECE)]
    level, ended = _free(), Event()

    def let_go() -> None:
        while held and not ended.wait(_SECONDS):
            for _ in range(min(len(held), (level - _free()) // _PIECE)):
                held.pop().close()

    keeper = Thread(target=let_go, name="reserve")
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()


def _taken() -> mmap.mmap:
    piece = mmap.mmap(-1, _PIECE)
    piece.madvise(mmap.MADV_NOHUGEPAGE)  # what is let go is taken by files page by page
    for page in range(0, _PIECE, mmap.PAGESIZE):
        piece[page] = 1  # or it would not be the machine's
    return piece


def _free() -> int:
    """Bytes that are used for nothing; 0 where the system does not say."""
    file = Path("/proc/meminfo")
    found = re.search(r"MemFree:\s+(\d+) kB", file.read_text()) if file.exists() else None
    return int(found[1]) * 1024 if found else 0
