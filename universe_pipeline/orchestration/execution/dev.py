"""`dagster dev` with the guarded webserver: `python -m` this module, with its options."""

from collections.abc import Sequence
from typing import Any

from universe_pipeline.orchestration.execution import webserver
from universe_pipeline.orchestration.internals.dagster_dev import dev
from universe_pipeline.orchestration.internals.odd_folders import take_names_literally

# pyright: reportPrivateImportUsage=false
# Dagster names its webserver's module here; should the name move, importing this module fails.
_open: Any = dev.open_ipc_subprocess
_DAGSTERS = "dagster_webserver"


def _open_guarded(parts: Sequence[str], **options: Any) -> Any:
    return _open([webserver.__name__ if part == _DAGSTERS else part for part in parts], **options)


if __name__ == "__main__":
    take_names_literally()
    dev.open_ipc_subprocess = _open_guarded
    dev.dev_command()
