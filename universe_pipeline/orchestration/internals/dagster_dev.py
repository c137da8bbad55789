"""`dagster dev`, whose webserver is opened through `open_ipc_subprocess` of its module."""

from dagster._cli import dev

__all__ = ["dev"]
