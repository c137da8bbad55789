"""Fixtures of the properties: the worker's database, emptied by each example; the command line."""

from universe_pipeline_tests.cli.in_process import as_user, command
from universe_pipeline_tests.reused_database import reused_database

__all__ = ["as_user", "command", "reused_database"]
