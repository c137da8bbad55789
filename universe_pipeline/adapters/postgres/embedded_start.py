"""How the embedded server comes up: look for it, and start a supervisor if there is none."""

import os
import select
import subprocess
import sys
import time
from enum import Enum, auto

import psycopg

from universe_pipeline.adapters.postgres.embedded_account import bare_environment
from universe_pipeline.adapters.postgres.embedded_binaries import wheel_binaries
from universe_pipeline.adapters.postgres.embedded_folder import (
    EXCLUSIVE,
    USED,
    ServerFolder,
    complaint,
    require_owner,
    try_lock,
)
from universe_pipeline.domain.errors import EmbeddedServerError

START_SECONDS = 90.0
"""Patience with a server that gives no sign of life; more than a supervisor has with orphans."""

MOST_KILLED = 3
"""So many supervisors or servers may end without a word before we give up."""

POLL_SECONDS = 0.02
SUPERVISOR = "universe_pipeline.adapters.postgres.supervisor"


class Sign(Enum):
    """What is seen of the server."""

    ABSENT = auto()
    RECOVERING = auto()
    OURS = auto()


def await_server(folder: ServerFolder, linger: float) -> None:
    """Wait until the server of `folder` answers, and have it started if nobody else does.

    Raises:
        EmbeddedServerError: it does not start.
    """
    os.close(folder.open_lock(folder.server_lock))  # The socket is named after it.
    position = folder.log_size()
    deadline = time.monotonic() + START_SECONDS
    reports: int | None = None
    killed = 0
    try:
        while (sign := _look(folder)) is not Sign.OURS:
            if sign is Sign.RECOVERING:
                deadline = time.monotonic() + START_SECONDS
            if reports is None:
                reports = _start_supervisor(folder, linger)
            elif select.select([reports], [], [], 0)[0]:
                failure = os.read(reports, 65536).decode()
                killed += not failure
                if failure or killed == MOST_KILLED:
                    raise EmbeddedServerError(failure or _unexplained(folder, position))
                os.close(reports)
                reports = None
            if time.monotonic() > deadline:
                raise EmbeddedServerError(_unexplained(folder, position))
            time.sleep(POLL_SECONDS)
    finally:
        if reports is not None:
            os.close(reports)


def _look(folder: ServerFolder) -> Sign:
    if not folder.tell_supervisor(USED):
        return Sign.ABSENT
    try:
        require_owner(folder.socket, folder.data.stat().st_uid, os.geteuid())
        with psycopg.connect(folder.url, connect_timeout=10) as connection:
            found = connection.execute("SHOW data_directory").fetchone()
    except FileNotFoundError:
        return Sign.ABSENT
    except psycopg.OperationalError as refused:
        # It starts, ends or recovers, the latter for minutes where much was in flight.
        alive = "the database system is" in str(refused)
        return Sign.RECOVERING if alive else Sign.ABSENT
    return Sign.OURS if found == (str(folder.data),) else Sign.ABSENT


def _start_supervisor(folder: ServerFolder, linger: float) -> int | None:
    """Start one, unless there is one; the open file in which it says why it failed, if it does."""
    lock = folder.open_lock(folder.supervisor_lock)
    try:
        if not try_lock(lock, EXCLUSIVE):
            return None
        reports, writer = os.pipe()
        try:
            _run_supervisor(folder, linger, writer, lock)
        except BaseException:
            os.close(reports)
            raise
        finally:
            os.close(writer)
        return reports
    finally:
        os.close(lock)


def _run_supervisor(folder: ServerFolder, linger: float, reports: int, lock: int) -> None:
    """Returns at once, since the supervisor leaves us; it inherits `lock`, and so holds it on."""
    with folder.open_log() as log:
        subprocess.run(  # noqa: S603 - our own command, no shell
            [
                *(sys.executable, "-P", "-m", SUPERVISOR, folder.path, "--linger", str(linger)),
                *("--binaries", wheel_binaries(), "--reports", str(reports)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=bare_environment(),
            pass_fds=(reports, lock),
            start_new_session=True,
            # A failure closes `reports`, and stands in the log.
            check=False,
        )


def _unexplained(folder: ServerFolder, position: int) -> str:
    said = complaint(folder.log_since(position))
    return f"the embedded PostgreSQL in {folder.path} did not start: {said}; see {folder.log}"
