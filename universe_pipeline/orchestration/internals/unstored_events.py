"""What Dagster prints by itself when it cannot store an event: the statement, with its values.

It raises the error as well, and the command ends in one line that says it.
"""

import sys
from types import SimpleNamespace

from dagster._core.instance import types
from dagster._core.instance.methods import event_methods


def print_no_statements() -> None:
    """Let these modules of Dagster's print nothing, in this process.

    They print by `sys.stderr` only. A test fails when a release uses another way.
    """
    silent = SimpleNamespace(write=len)
    for module in (types, event_methods):
        vars(module)["sys"] = SimpleNamespace(stderr=silent, exc_info=sys.exc_info)
