"""Descriptors 1 and 2 of a process that executes a run."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC

from universe_pipeline.domain.errors import UniverseError

_STANDARD = (1, 2)


@contextmanager
def restored(logs: str) -> Generator[None]:
    """Have stdout and stderr after the block where they were before.

    Dagster points them into its compute logs while a step runs, and leaves them there where the
    disk of those is full: the message that says so would be lost with them.

    Args:
        logs: the folder of Dagster's logs.

    Raises:
        UniverseError: the disk of the logs is full.
    """
    copies: dict[int, int] = {}
    for descriptor in _STANDARD:
        with suppress(OSError):  # closed by our starter
            copies[descriptor] = os.dup(descriptor)
    try:
        yield
    except OSError as broken:
        if broken.errno not in {ENOSPC, EDQUOT}:
            raise
        raise UniverseError(
            f"Dagster cannot write its logs in {logs}: {broken.strerror}; make room: see `df -h` "
            "and `df -i` of that folder; what was committed is kept, and `universe resume` goes on"
        ) from None
    finally:
        for descriptor, copy in copies.items():
            os.dup2(copy, descriptor)
            os.close(copy)
