"""What people and cleaners of /tmp do to the files of a running embedded server."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg

from universe_pipeline.adapters.embedded_postgres.attachment import attach, stop
from universe_pipeline_tests.support.embedded_homes import (
    postmasters,
    processes,
    supervisors,
    until,
)

Act = Callable[[Path], object]
"""Done to UNIVERSE_HOME/postgres."""


def remove(*patterns: str) -> Act:
    """Remove files and folders."""

    def act(folder: Path) -> None:
        for pattern in patterns:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return act


def replace(pattern: str, make: Callable[[Path], object]) -> Act:
    """Remove a file or folder, and have another one made in its place."""

    def act(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        remove(pattern)(folder)
        make(path)

    return act


def close(pattern: str) -> Act:
    """Take all rights from a file or folder."""
    return lambda folder: next(folder.glob(pattern)).chmod(0)


SOCKET = "socket-*"
REMOVALS: dict[str, Act] = {
    "socket folder": remove(SOCKET),
    "FIFO": remove("stop"),
    "locks and FIFO": remove("*.lock", "stop"),
}
MORE_REMOVALS: dict[str, Act] = {
    "socket file": remove(f"{SOCKET}/.s.PGSQL.5432"),
    "socket folder replaced": replace(SOCKET, Path.mkdir),
    "socket folder closed": close(SOCKET),
    "FIFO replaced": replace("stop", Path.touch),
    "FIFO closed": close("stop"),
    "server.lock": remove("server.lock"),
    "pid file": remove("data/postmaster.pid"),
    "locks, FIFO and pid file": remove("*.lock", "stop", "data/postmaster.pid"),
    "all but the data": remove("*.lock", "stop", SOCKET, "log"),
}


def disturbed(home: Path, act: Act) -> tuple[int, set[int]]:
    """The rows that the next user finds, and which of the first server's processes are left."""
    with attach(home, linger=600) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("DROP TABLE IF EXISTS kept")
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 3)")
        first = set(supervisors(home) + postmasters(home))
        act(home / "postgres")
        with attach(home, linger=600) as successor, psycopg.connect(successor.url) as connection:
            found = connection.execute("SELECT count(*) FROM kept").fetchone()
            until(lambda: len(set(supervisors(home)) - first) == 1, seconds=20)
            until(lambda: not first & set(supervisors(home) + postmasters(home)), seconds=20)
            still = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert stop(home)
    assert found == still
    return (found or (0,))[0], first & set(processes(home))
