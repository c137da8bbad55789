"""Folders whose names hold `[`, `*` or `?`, which Dagster takes for a pattern of names.

It would then find no `dagster.yaml`, and keep its records in files instead of the database. Its
children get what was read, so that only what opens the instance first needs this.
"""

from glob import escape
from typing import Any

# pyright: reportPrivateImportUsage=false
# Should the name move, importing this module fails.
from dagster._core.instance import config

_load: Any = config.load_yaml_from_globs


def take_names_literally() -> None:
    """Let Dagster find its file in any folder, in this process."""
    config.load_yaml_from_globs = _load_file


def _load_file(path: str) -> Any:
    return _load(escape(path))
