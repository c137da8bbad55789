"""An ordinary PostgreSQL from a distribution's programs, on loopback."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import psycopg

USERS = "users.lock"
"""Held by every worker as long as it has tests."""


class OrdinaryServer:
    """A server of one's own, with its data in `folder`."""

    def __init__(
        self,
        folder: Path,
        binaries: Path,
        port: int,
        address: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._binaries, self._port = folder, binaries, port
        self._address, self._environment = address, {**os.environ, **(environment or {})}
        root = os.geteuid() == 0  # PostgreSQL refuses to run as root
        self._account = ("nobody", "nogroup", list[str]()) if root else (None, None, None)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its database `universe`."""
        return f"postgresql://universe@{self._address}:{self._port}/universe"

    def make(self) -> None:
        """Make the data and the database, and leave the server running."""
        self._folder.mkdir()
        user, group, groups = self._account
        if user is not None and group is not None:
            shutil.chown(self._folder, user, group)
        subprocess.run(
            [self._binaries / "initdb", "-D", self._folder, "-U", "universe", "-A", "trust",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/",
            user=user, group=group, extra_groups=groups,
        )  # fmt: skip
        with (self._folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {self._address}/24 trust\n")
        maintenance = self.url.removesuffix("universe") + "postgres"
        self.start(maintenance)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute("CREATE DATABASE universe")

    def start(self, url: str | None = None) -> None:
        """Start it, and return once it answers."""
        user, group, groups = self._account
        self._server = subprocess.Popen(
            [self._binaries / "postgres", "-D", self._folder, "-p", str(self._port),
             "-c", f"listen_addresses={self._address}", "-c", "unix_socket_directories=",
             "-c", "log_min_messages=fatal"],
            cwd="/", stderr=subprocess.DEVNULL, user=user, group=group, extra_groups=groups,
            env=self._environment,
        )  # fmt: skip
        await_answer(url or self.url)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it, by default politely, but without waiting for its clients."""
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(timeout=60)
            self._server = None


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port(home: Path) -> int:
    """The same for all workers of a test run, and another one for another run."""
    return 20_000 + crc32(home.name.encode()) % 10_000


@contextmanager
def ordinary_server(home: Path, binaries: Path) -> Generator[str]:
    """Start (or join, where another worker was quicker) a server; yields its URL over TCP."""
    server = OrdinaryServer(home / "data", binaries, _port(home))
    try:
        home.mkdir(mode=0o755)
    except FileExistsError:
        await_answer(server.url)
        with _using(home):
            yield server.url
        return
    try:
        server.make()
        with _using(home):
            yield server.url
        with (home / USERS).open("ab") as users:  # waits for the other workers' tests
            fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        server.stop()
        shutil.rmtree(home)


@contextmanager
def _using(home: Path) -> Generator[None]:
    with (home / USERS).open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield


def await_answer(url: str) -> None:
    """Return once a server answers there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
