"""Homes for embedded servers under test, and a look at their processes from outside."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from functools import lru_cache
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.attachment import stop

NOBODY = 65534

ATTACH = """
import sys
from pathlib import Path
from universe_pipeline.adapters.embedded_postgres.attachment import attach
from universe_pipeline.domain.errors import EmbeddedServerError
try:
    with attach(Path(sys.argv[1]), linger=0.2) as server:
        print(server.url, flush=True)
        sys.stdin.read()
except EmbeddedServerError as refused:
    sys.exit(str(refused))
"""
"""Attaches to the home that is its argument, prints the URL, and stays until stdin ends."""


@contextlib.contextmanager
def fresh_home(owner: int | None = None) -> Generator[Path]:
    """An empty folder that only `owner` (default: we) can enter; its server ends with it."""
    # Not pytest's folders: as root, the server's account could not enter those.
    home = Path(tempfile.mkdtemp(prefix="universe-home-", dir="/tmp")).resolve()
    if owner is not None:
        os.chown(home, owner, owner)
    try:
        yield home
    finally:
        stopped = [stop(path.parent) for path in home.rglob("postgres") if path.is_dir()]
        shutil.rmtree(home)
    assert all(stopped)
    assert processes(home) == {}


def processes(home: Path) -> dict[int, str]:
    """Living processes whose command line names `home`, by pid: supervisors and postmasters."""
    listed = subprocess.run(
        ["ps", "axww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(maxsplit=2) for line in listed.splitlines())
    return {
        int(row[0]): row[2]
        for row in rows
        if len(row) == 3 and not row[1].startswith("Z") and str(home) in row[2]
    }


def supervisors(home: Path) -> list[int]:
    return [pid for pid, said in processes(home).items() if "embedded_postgres.supervisor" in said]


def postmasters(home: Path) -> list[int]:
    return [pid for pid, said in processes(home).items() if "bin/postgres -D" in said]


def until_ended(home: Path) -> None:
    """Wait for the end of every process of that home's server."""
    locks = [home / "postgres" / f"{name}.lock" for name in ("users", "supervisor", "server")]
    until(lambda: not any(is_held(lock) for lock in locks))


def is_held(lock: Path) -> bool:
    """Whether any process holds this lock."""
    with lock.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def kill(*pids: int) -> None:
    """kill -9, and wait until they are dead: the kernel takes a moment to close their files."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(is_dead(pid) for pid in pids))


def is_dead(pid: int) -> bool:
    """Whether that process is gone, or only waits for its parent to take notice."""
    listed = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.strip()
    return not state or state.startswith("Z")


@contextlib.contextmanager
def attached_process(home: Path, *prefix: str) -> Generator["subprocess.Popen[str]"]:
    """A process that is attached, or on its way; its stdout gets the URL."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", ATTACH, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate()


def url_of(process: "subprocess.Popen[str]") -> str:
    """Wait until that process is attached."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def refusal(home: Path, *prefix: str) -> str:
    """What a process says whose attempt to attach fails."""
    with attached_process(home, *prefix) as process:
        _, said = process.communicate()

    assert process.returncode == 1, f"exit code {process.returncode}: {said}"
    return said.strip()


@lru_cache(maxsize=1)
def as_ordinary_user() -> tuple[str, ...]:
    """What starts a command as an ordinary user: nothing if we are one."""
    if os.geteuid() != 0:
        return ()
    return as_account(NOBODY)


@lru_cache(maxsize=4)
def as_account(uid: int) -> tuple[str, ...]:
    """What starts a command as that account, for root."""
    plain = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    # Where root's Python lies below a closed /root, the user is let in to read it.
    reader = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    runs = subprocess.run([*plain, sys.executable, "-c", again], capture_output=True, check=False)
    return plain if runs.returncode == 0 else (*plain, *reader)


def ordinary_user() -> int:
    """The user id of `as_ordinary_user`."""
    return os.geteuid() or NOBODY
