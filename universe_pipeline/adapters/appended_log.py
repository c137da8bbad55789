"""A log that several processes append to, kept from growing. Standard library only."""

import contextlib
import os
import shutil
from pathlib import Path

MOST_BYTES = 8 * 2**20


def bound(log: Path) -> None:
    """Move what is in `log` to `log`.1, which forgets what it held, once it is over MOST_BYTES.

    Its writers must have opened it for appending: it is cut under them.
    """
    # Neither a full disk nor a folder that is being deleted may end the caller.
    with contextlib.suppress(OSError):
        if log.stat().st_size > MOST_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
