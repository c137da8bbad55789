"""The process that starts Dagster's services: the page waits for all that it does."""

from universe_pipeline_tests.support.new_interpreter import printed

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
    assert printed(_STARTED).splitlines()[-1] == "True False"
