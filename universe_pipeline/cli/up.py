"""`up`: the database, Dagster's webserver, its daemon and the code location, until ctrl-C."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from types import FrameType

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import embedded
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration.instance import open_instance, prepare_home
from universe_pipeline.orchestration.reconciliation import reconcile, report_dead_runs
from universe_pipeline.orchestration.services import (
    HOST,
    READY_SECONDS,
    ServicesError,
    dagster_services,
)
from universe_pipeline.settings import environment_of, settings


def serve(port: int) -> int:
    """Run everything in the foreground; ctrl-C or SIGTERM ends all of it."""
    _require_free(port)
    database = wiring.open_database(settings())
    wiring.prepare_for_loading(settings(), database)
    home = prepare_home(settings())
    with open_instance(settings()) as instance:
        reconcile(instance, database)
        _listen_to_signals()
        log = home / "services.log"
        environment = {**os.environ, **environment_of(settings())}
        with suppress(KeyboardInterrupt), dagster_services(home, port, environment, log) as running:
            _await(port, running, log)
            result(f"Dagster is at http://{HOST}:{port} (ctrl-C ends it; log: {log})")
            if settings().polygon_api_key is None:
                note("POLYGON_API_KEY is not set: loaded data can be looked at, nothing is fetched")
            while running.poll() is None:
                time.sleep(0.2)  # a wait would be restarted after a signal, and not end
            raise ServicesError(f"Dagster's services ended by themselves: see {log}")
        with database.connect() as connection:
            interrupted = report_dead_runs(instance, connection, starting=timedelta())
    if interrupted:
        note(f"{interrupted} runs were interrupted; what they had loaded is kept")
    if settings().database_url is None:
        wiring.detach(settings())
        embedded.stop(settings().universe_home)
    note("stopped")
    return DONE


def _listen_to_signals() -> None:
    """After every import: some libraries set handlers of their own, and shells ignore SIGINT."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as taken:
            raise UsageError(
                f"port {port} on {HOST} cannot be used ({taken.strerror}): choose another by --port"
            ) from None


def _await(port: int, services: Popen[bytes], log: Path) -> None:
    url = f"http://{HOST}:{port}/server_info"
    deadline = time.monotonic() + READY_SECONDS
    while services.poll() is None and time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise ServicesError(f"Dagster's services did not come up: see {log}")
