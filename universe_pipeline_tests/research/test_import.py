"""Importing the door to the bars is quick, and changes nothing in the process."""

from universe_pipeline_tests.support.new_interpreter import printed

HEAVY = (
    "dagster", "pandas", "alembic", "sqlalchemy", "pydantic", "httpx", "isal", "msgspec", "dotenv"
)  # fmt: skip

IMPORTED = f"""
import sys
from universe_pipeline import read
print([name for name in {HEAVY} if name in sys.modules])
"""

STATE = """
import logging, os, threading, warnings
def state():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return (
        dict(os.environ), list(warnings.filters), threading.active_count(),
        [(getattr(one, "level", 0), getattr(one, "handlers", [])) for one in loggers
         if getattr(one, "handlers", None) or getattr(one, "level", 0)],
    )
import numpy, polars, psycopg
before = state()
from universe_pipeline import read
print(state() == before, polars.thread_pool_size() > 1 or os.cpu_count() == 1)
"""


def test_it_imports_no_heavy_library() -> None:
    assert printed(IMPORTED) == "[]\n"


def test_it_changes_neither_environment_nor_warnings_nor_loggers() -> None:
    assert printed(STATE) == "True True\n"
