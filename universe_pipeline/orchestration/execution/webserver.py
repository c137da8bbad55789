"""Dagster's webserver behind the page guard: `python -m` this module, with its options."""

from functools import partial
from typing import Any

from universe_pipeline.adapters import machine
from universe_pipeline.orchestration.execution.page_guard import PageGuard
from universe_pipeline.settings import process_settings

# pyright: reportPrivateImportUsage=false, reportUnknownVariableType=false
# Dagster has no hook for a layer before its application. Should the name ever move, this process
# fails at its start, and the page is not served without its guard.


def main() -> None:
    """Serve until Dagster's own process ends this one."""
    machine.collect_no_imports()
    from dagster_webserver import cli

    create: Any = cli.create_app_from_workspace_process_context

    def create_guarded(*arguments: Any, **options: Any) -> PageGuard:
        application = create(*arguments, **options)
        machine.keep_what_is_imported()
        return PageGuard(application, process_settings().universe_page_origin)

    cli.create_app_from_workspace_process_context = create_guarded  # pyright: ignore[reportAttributeAccessIssue]  # any ASGI application serves
    # It gives the guard a target as it was sent; uvicorn's other parser hides the host in one.
    cli.uvicorn.run = partial(cli.uvicorn.run, http="h11")
    cli.dagster_webserver()


if __name__ == "__main__":
    main()
