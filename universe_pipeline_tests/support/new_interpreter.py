"""Code in an interpreter of its own, in which nothing has been imported or tuned."""

import os
import subprocess
import sys
from collections.abc import Mapping

CHOSEN = ("POLARS_MAX_THREADS", "MALLOC_ARENA_MAX")


def printed(code: str, environment: Mapping[str, str] = os.environ) -> str:
    """What `code` prints in a new interpreter that nothing has tuned."""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in environment.items() if name not in CHOSEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
