"""`dagster dev` with the guarded webserver: `python -m` this module, with its options."""

import warnings
from collections.abc import Sequence
from typing import Any

from universe_pipeline.adapters import machine

_DAGSTERS = "dagster_webserver"
_GUARDED = "universe_pipeline.orchestration.execution.webserver"
"""By name: to import it takes longer than all that this process does, and the page waits for it."""

# pyright: reportPrivateImportUsage=false
# Dagster names its webserver's module here; should the name move, this process fails at its start.


def main() -> None:
    """Run Dagster's services until this process is interrupted."""
    machine.collect_no_imports()
    from universe_pipeline.orchestration.internals.dagster_dev import dev
    from universe_pipeline.orchestration.internals.odd_folders import take_names_literally

    take_names_literally()
    warnings.filterwarnings("ignore", "Function `dev_command` is superseded")
    open_process: Any = dev.open_ipc_subprocess

    def open_guarded(parts: Sequence[str], **options: Any) -> Any:
        guarded = [_GUARDED if part == _DAGSTERS else part for part in parts]
        return open_process(guarded, **options)

    dev.open_ipc_subprocess = open_guarded
    dev.dev_command()


if __name__ == "__main__":
    main()
