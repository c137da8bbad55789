"""An ordinary PostgreSQL from a distribution's programs, on loopback, for one test run."""

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import psycopg


def _port(home: Path) -> int:
    """The same for all workers of a test run, and another one for another run."""
    return 20_000 + crc32(home.name.encode()) % 10_000


@contextmanager
def ordinary_server(home: Path, binaries: Path) -> Generator[str]:
    """Start (or join, where another worker was quicker) a server; yields its URL over TCP."""
    port = _port(home)
    url = f"postgresql://universe@127.0.0.1:{port}/universe"
    try:
        home.mkdir(mode=0o755)
    except FileExistsError:
        _await(url)
        yield url
        return
    root = os.geteuid() == 0  # PostgreSQL refuses to run as root
    user, group, groups = ("nobody", "nogroup", list[str]()) if root else (None, None, None)
    data = home / "data"
    data.mkdir()
    if root:
        shutil.chown(data, "nobody", "nogroup")
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "universe", "-A", "trust", "-E", "UTF8",
         "--locale=C.UTF-8", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd="/", user=user, group=group, extra_groups=groups,
    )  # fmt: skip
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
         "-c", "unix_socket_directories=", "-c", "log_min_messages=fatal"],
        cwd="/", stderr=subprocess.DEVNULL,
        user=user, group=group, extra_groups=groups,
    )  # fmt: skip
    try:
        maintenance = url.removesuffix("universe") + "postgres"
        _await(maintenance)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute("CREATE DATABASE universe")
        yield url
        _await_others(url)
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(home)


def _await(url: str) -> None:
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


def _await_others(url: str) -> None:
    """Let the other workers finish: fast shutdown would cut their tests."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = time.monotonic() + 300
        while (row := connection.execute(query).fetchone()) and row[0] > 1:
            if time.monotonic() > deadline:
                return
            time.sleep(0.2)
