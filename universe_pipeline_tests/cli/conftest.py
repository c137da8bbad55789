"""Fixtures of the command line's tests."""

from universe_pipeline_tests.support.command_in_process import as_user, command, retries_at_once

__all__ = ["as_user", "command", "retries_at_once"]
