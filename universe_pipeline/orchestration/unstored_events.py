"""How a run in this process hands its events to Dagster's event log."""

import logging
from typing import Any

import dagster as dg
from dagster._core.events.log import construct_event_record
from dagster._core.instance.types import (
    _EventListenerLogHandler,  # pyright: ignore[reportPrivateUsage]
)
from dagster._core.log_manager import get_log_record_metadata
from dagster._utils.log import StructuredLoggerMessage


class EventHandler(_EventListenerLogHandler):
    """As Dagster's, which also prints what cannot be stored: the statement, with its values.

    Here the error alone says it, in the line in which the command ends.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Store an event; what a step merely logs may get lost with the database."""
        metadata: Any = get_log_record_metadata(record)
        event = construct_event_record(
            StructuredLoggerMessage(record.name, record.msg, record.levelno, metadata, record)
        )
        try:
            self._instance.handle_new_event(
                event, batch_metadata=metadata["dagster_event_batch_metadata"]
            )
        except Exception:
            if event.dagster_event:
                raise


def print_no_statements(instance: dg.DagsterInstance) -> None:
    """Let the runs of `instance` in this process use `EventHandler`."""

    def event_log_handler() -> EventHandler:
        handler = EventHandler(instance)
        handler.setLevel(logging.DEBUG)
        return handler

    instance.get_event_log_handler = event_log_handler
