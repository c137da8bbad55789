"""`up`: the database, Dagster's webserver, its daemon and the code location, until ctrl-C."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from subprocess import Popen
from types import FrameType

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters import appended_log, service_manager
from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.adapters.postgres.connecting import losses
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import SettingsError, UsageError
from universe_pipeline.orchestration.execution import watchdog
from universe_pipeline.orchestration.execution.instance import (
    is_of_one_host,
    open_instance,
    prepare_home,
)
from universe_pipeline.orchestration.execution.services import (
    COLORED,
    HOST,
    READY_SECONDS,
    ServicesError,
    await_predecessor,
    dagster_services,
    sole_daemon,
)
from universe_pipeline.orchestration.reconciliation import (
    IN_PROGRESS,
    reconcile,
    report_dead_runs,
)
from universe_pipeline.settings import Settings, environment_of

LOOK_SECONDS = 0.2
"""How often signals, services and their log are looked after."""

UNLOCKED_SECONDS = 3.0
"""The database may take so long to notice that a run's process was killed."""


def serve(settings: Settings, port: int) -> int:
    """Run everything in the foreground; ctrl-C or SIGTERM ends all of it."""
    started = time.monotonic()
    _listen(_raise)
    await_predecessor(settings.effective_dagster_home)
    _require_free(port)
    with _database(settings) as database, sole_daemon(database):
        _reconcile_dagster(settings, database, "before")
        try:
            _serve(settings, database, port, started)
        finally:
            _reconcile_dagster(settings, database, "by this end")
    note("stopped")
    return DONE


@contextmanager
def _database(settings: Settings) -> Generator[Database]:
    """The database for the block; afterwards an embedded one that is unused is stopped."""
    database = wiring.open_for_loading(settings)
    try:
        yield database
    finally:
        if settings.database_url is None:
            wiring.detach(settings)
            attachment.stop(settings.universe_home)


def _serve(settings: Settings, database: Database, port: int, started: float) -> None:
    home = prepare_home(settings)
    log = home / "services.log"
    environment = {**os.environ, **environment_of(settings)}
    signals: set[int] = set()
    _listen(lambda number, _: signals.add(number))  # from now on nothing is left half done
    log_format = "json" if settings.log_format == "json" else COLORED
    with dagster_services(home, port, environment, log, log_format) as guard:
        if not _await(port, guard, log, signals):
            return
        seconds = time.monotonic() - started
        result(
            f"ready in {seconds:.1f} s: Dagster is at http://{HOST}:{port}"
            f" (ctrl-C ends it; log: {log})"
        )
        sys.stdout.flush()  # a reader may be waiting for it at the end of a pipe
        service_manager.notify(service_manager.READY)
        _note_what_keeps_the_vendor_away(settings)
        with watchdog.fed(settings, database):
            _await_signal(guard, log, signals)
        service_manager.notify(service_manager.STOPPING)
        note("stopping: a run in flight finishes its session, for at most ten seconds")


def _await_signal(guard: Popen[bytes], log: Path, signals: AbstractSet[int]) -> None:
    while not signals:
        if guard.poll() is not None:
            raise ServicesError(f"Dagster's services ended by themselves: see {log}")
        appended_log.bound(log)
        time.sleep(LOOK_SECONDS)


def _note_what_keeps_the_vendor_away(settings: Settings) -> None:
    if settings.polygon_api_key is None:
        note("POLYGON_API_KEY is not set: loaded data can be looked at, nothing is fetched")
        return
    try:
        wiring.require_vendor(settings)
    except SettingsError as wrong:
        note(f"loaded data can be looked at, nothing is fetched: {wrong}")


def _listen(handler: Callable[[int, FrameType | None], object]) -> None:
    """Let ctrl-C and SIGTERM call `handler`; after imports, as libraries set handlers too.

    Without one ctrl-C would be ignored where a shell script started us by `&`, and by Dagster,
    which inherits that, every signal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _raise(_number: int, _frame: FrameType | None) -> None:
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


def _await(port: int, guard: Popen[bytes], log: Path, signals: AbstractSet[int]) -> bool:
    """Wait until the webserver answers; false if a signal stops the wait."""
    deadline = time.monotonic() + READY_SECONDS
    while guard.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if _answers(port):
                return True
        if signals:
            return False
        time.sleep(LOOK_SECONDS)
    raise ServicesError(f"Dagster's services did not come up: see {log}")


def _answers(port: int) -> bool:
    # Neither a proxy nor TLS: urllib would read the variables of both.
    with closing(HTTPConnection(HOST, port, timeout=5)) as connection:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == HTTPStatus.OK


def _reconcile_dagster(settings: Settings, database: Database, when: str) -> None:
    """While no services run: report their runs as failed, and let Dagster show what is loaded.

    Through an instance of its own: connections may have been lost while the services ran.
    """
    with losses.translate_lost_database(database), open_instance(settings) as instance:
        now = wiring.now(settings)
        dead = _report_dead_runs(instance, database, now)
        reconcile(instance, database, now)
    if dead:
        runs = "1 run was" if dead == 1 else f"{dead} runs were"
        note(f"{runs} interrupted {when}; what is loaded is kept")


def _report_dead_runs(instance: dg.DagsterInstance, database: Database, now: datetime) -> int:
    # Dagster's default launcher starts runs from the services, which are gone.
    is_launching = not is_of_one_host(instance)
    reported = 0
    deadline = time.monotonic() + UNLOCKED_SECONDS
    with database.connect() as connection:
        while True:
            reported += report_dead_runs(instance, connection, now, is_launching=is_launching)
            rest = instance.get_runs_count(dg.RunsFilter(statuses=IN_PROGRESS))
            if not rest or time.monotonic() > deadline:  # the rest are at work elsewhere
                return reported
            time.sleep(LOOK_SECONDS)
