"""Dagster's beta parameters that the product is built on, used without a warning to its users."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager

from dagster import BetaWarning


@contextmanager
def accepted(parameter: str) -> Generator[None]:
    """Let Dagster not warn of a beta parameter in the block; then filters are as before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f"Parameter `{parameter}`", BetaWarning)
        yield
