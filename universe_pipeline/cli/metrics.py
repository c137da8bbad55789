"""`metrics`: figures of the database for Prometheus, printed, in a file, or on a port."""

import logging
import os
import signal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.summaries.metrics import Scope
from universe_pipeline.adapters.whole_file import replacing
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import EmbeddedServerError, UniverseError, UsageError
from universe_pipeline.monitoring.metrics import render
from universe_pipeline.settings import Settings

logger = logging.getLogger("universe_pipeline.metrics")

PATH = "/metrics"

SILENT_SECONDS = 10.0
"""A client that sends nothing for so long is cut off."""

UNREADABLE = b"the database cannot be read: see the log of universe metrics\n"


def show(settings: Settings) -> int:
    """Print them."""
    result(_read(settings).decode().rstrip("\n"))
    return DONE


def write(settings: Settings, path: Path) -> int:
    """Write them to a file, whole or not at all, that any account can read."""
    metrics = _read(settings)
    with replacing(path) as file:
        os.fchmod(file.fileno(), 0o644)  # node_exporter has another account
        file.write(metrics)
    return DONE


def serve(settings: Settings, host: str, port: int) -> int:
    """Answer each request with what the database says then; ctrl-C or SIGTERM ends it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise)
    try:
        with _Server(settings, host, port) as server:
            note(f"metrics are at {server.address} (ctrl-C ends it)")
            server.serve_forever()
    except KeyboardInterrupt:
        note("stopped")
    return DONE


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _read(settings: Settings) -> bytes:
    with wiring.reading(settings) as connection:
        scope = Scope(
            now=wiring.now(settings),
            first_session=settings.universe_start_date,
            per_minute=settings.polygon_rate_limit,
            release=version("universe-pipeline"),
        )
        return render(connection, scope)


class _Server(ThreadingHTTPServer):
    """Reads for one request at a time, each over a connection of its own: it outlives any loss."""

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._settings, self._lock, self._is_lost = settings, Lock(), False
        try:
            super().__init__((host, port), _Handler)
        except OSError as taken:
            raise UsageError(
                f"port {port} on {host} cannot be used ({taken.strerror}): choose another"
            ) from None

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host}:{port}{PATH}"

    def read(self) -> bytes | None:
        """The metrics; None while the database cannot be read, which is logged once."""
        with self._lock:
            try:
                metrics = _read(self._settings)
            except UniverseError as error:
                self._lose(error)
                return None
            if self._is_lost:
                logger.warning("the database can be read again")
            self._is_lost = False
            return metrics

    def _lose(self, error: UniverseError) -> None:
        if not self._is_lost:
            logger.warning("%s; asked again by the next request", error)
        self._is_lost = True
        if self._settings.database_url is None and not isinstance(error, EmbeddedServerError):
            wiring.detach(self._settings)  # the next request joins the server again, or starts it


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENT_SECONDS
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]  # no other makes one

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._send(HTTPStatus.NOT_FOUND, f"metrics are at {PATH}\n".encode())
            return
        metrics = self.server.read()
        if metrics is None:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, UNREADABLE)
            return
        self._send(HTTPStatus.OK, metrics, CONTENT_TYPE_PLAIN_0_0_4)

    def _send(
        self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as it is called
        logger.debug(format, *args)
