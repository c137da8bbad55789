"""Dagster's services as one process group: webserver, daemon and code location on loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from universe_pipeline.domain.errors import UniverseError

WORKSPACE = """\
load_from:
  - python_module:
      module_name: universe_pipeline.definitions
      location_name: universe_pipeline
"""

HOST = "127.0.0.1"
READY_SECONDS = 120
GRACE_SECONDS = 10
"""For a run in flight to finish its session; what is still there then is killed."""


class ServicesError(UniverseError):
    """Dagster's services did not come up, or one of them ended."""


@contextmanager
def dagster_services(
    home: Path, port: int, environment: Mapping[str, str], log: Path
) -> Generator[subprocess.Popen[bytes]]:
    """Run the services for the block; at its end every process of theirs is gone."""
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE)
    command = ["dagster", "dev", "-w", str(workspace), "-h", HOST, "-p", str(port)]
    with log.open("ab") as output:
        services = subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, "-m", *command],
            env={**environment, "DAGSTER_HOME": str(home)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield services
    finally:
        _end_group(services)


def _end_group(services: subprocess.Popen[bytes]) -> None:
    """Interrupt every process of the group, so that runs finish their session; then kill."""
    _signal_group(services.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _group_lives(services) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal_group(services.pid, signal.SIGKILL)
    services.wait()


def _group_lives(services: subprocess.Popen[bytes]) -> bool:
    services.poll()  # a child that has ended counts as living until somebody has asked
    return _signal_group(services.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
