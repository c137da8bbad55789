"""What Dagster's processes and runs write on their console, as JSON like our own log.

A run's console logger is made for it alone, with a format that no setting changes.
"""

import logging
import logging.config
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.execution import context_creation_job
from dagster._core.utils import coerce_valid_log_level

from universe_pipeline.adapters import json_log


@dg.logger(
    {
        "log_level": dg.Field(str, is_required=False, default_value="INFO"),
        "name": dg.Field(str, is_required=False, default_value="dagster"),
    },
    description="One JSON object a line.",
)
def json_console(context: dg.InitLoggerContext) -> Any:
    """A run's console logger."""
    config: Mapping[str, str] = context.logger_config
    made = logging.getLoggerClass()(
        config["name"], level=coerce_valid_log_level(config["log_level"])
    )
    handler = logging.StreamHandler[Any]()
    handler.setFormatter(json_log.JsonFormatter())
    made.addHandler(handler)
    return made


def write_json() -> None:
    """Let this process, one of Dagster's, write JSON from now on."""
    json_log.write_json()
    logging.config.dictConfig = _configure
    made: Any = context_creation_job
    made.default_system_loggers = _of_runs


_dict_config = logging.config.dictConfig


def _configure(config: dict[str, Any]) -> None:
    """Stay with JSON: the daemon makes its handlers after it has opened the storage."""
    _dict_config(config)
    json_log.write_json()


def _of_runs(instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Any]]:
    level = (instance and instance.python_log_level) or "DEBUG"
    return [(json_console, {"name": "dagster", "log_level": level})]
