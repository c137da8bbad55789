"""The log as JSON, one object a line: `LOG_FORMAT=json`. Imports nothing that is slow."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from universe_pipeline.adapters.host import host_name

_HOST = host_name()


class _Process:
    """What is so for all lines of this process."""

    is_json = False
    run_id: str | None = None


class JsonFormatter(logging.Formatter):
    """A record as one line; an exception is a part of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object."""
        # Dagster's own records know their run.
        dagsters: dict[str, Any] = getattr(record, "dagster_meta", {})
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": dagsters.get("orig_message") or record.getMessage(),
            "run_id": dagsters.get("run_id") or _Process.run_id,
            "session": getattr(record, "session", None),
            "host": _HOST,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def write_json() -> None:
    """Let every handler that there is, and what `as_line` makes, be JSON from now on."""
    _Process.is_json = True
    known = [logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict)]
    for logger in (logging.root, *known):
        for handler in logger.handlers:
            handler.setFormatter(JsonFormatter())


def write_text() -> None:
    """Let `as_line` leave its text as it is."""
    _Process.is_json = False


def as_line(text: str, level: int = logging.INFO) -> str:
    """What a command says besides its log: as the log is written."""
    if not _Process.is_json:
        return text
    record = logging.LogRecord("universe_pipeline.cli", level, "", 0, text, None, None)
    return JsonFormatter().format(record)


@contextmanager
def of_run(run_id: str) -> Generator[None]:
    """Let the lines of the block, of all threads, name the run."""
    before, _Process.run_id = _Process.run_id, run_id
    try:
        yield
    finally:
        _Process.run_id = before
