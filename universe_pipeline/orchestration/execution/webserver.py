"""Dagster's webserver behind the page guard: `python -m` this module, with its options."""

from functools import partial
from typing import Any

from dagster_webserver import cli

from universe_pipeline.orchestration.execution.page_guard import PageGuard
from universe_pipeline.settings import process_settings

# pyright: reportPrivateImportUsage=false, reportUnknownVariableType=false
# Dagster has no hook for a layer before its application. Should the name ever move, this module
# fails when it is imported, and the page is not served without its guard.
_create: Any = cli.create_app_from_workspace_process_context


def _create_guarded(*arguments: Any, **options: Any) -> PageGuard:
    return PageGuard(_create(*arguments, **options), process_settings().universe_page_origin)


if __name__ == "__main__":
    cli.create_app_from_workspace_process_context = _create_guarded  # pyright: ignore[reportAttributeAccessIssue]  # any ASGI application serves
    # It gives the guard a target as it was sent; uvicorn's other parser hides the host in one.
    cli.uvicorn.run = partial(cli.uvicorn.run, http="h11")
    cli.dagster_webserver()
