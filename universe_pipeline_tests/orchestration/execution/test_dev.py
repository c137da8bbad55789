"""The process that starts Dagster's services: the page waits for all that it does."""

import os
import subprocess
import sys
from pathlib import Path

_STARTED = """
import sys
from importlib.util import find_spec
from universe_pipeline.orchestration.execution import dev
sys.argv = ["dev", "--help"]
try:
    dev.main()
except SystemExit:
    print(find_spec(dev._GUARDED) is not None, "dagster_webserver" in sys.modules)
"""


def test_it_starts_the_webserver_without_importing_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    printed = subprocess.run(
        [sys.executable, "-c", _STARTED],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.splitlines()[-1] == "True False"
