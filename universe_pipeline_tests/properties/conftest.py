"""Fixtures of the properties: the worker's database, emptied by each example; the command line."""

from universe_pipeline_tests.support.command_in_process import as_user, command
from universe_pipeline_tests.support.reused_database import reused_database

__all__ = ["as_user", "command", "reused_database"]
