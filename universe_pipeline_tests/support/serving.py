"""`universe up` as a process of its own, and a look at all that it starts from outside."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from universe_pipeline_tests.support.webserver import Webserver, until

PROGRAM = Path(sys.executable).parent / "universe"


@dataclass
class Up:
    """A started `universe up`; with its home it owns every process that has it as UNIVERSE_HOME."""

    process: "subprocess.Popen[bytes]"
    port: int
    home: Path
    said: Path

    @cached_property
    def webserver(self) -> Webserver:
        """Its webserver, once it has said that it is ready and the code location is loaded."""
        until(lambda: f"http://127.0.0.1:{self.port}" in self.out or not self.is_running)
        assert self.is_running, self.out
        webserver = Webserver(f"http://127.0.0.1:{self.port}")
        until(webserver.is_loaded)
        return webserver

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self.said.read_text()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def processes(self) -> dict[int, str]:
        """Living processes that it started, itself included, by pid."""
        return processes_with(f"UNIVERSE_HOME={self.home}")

    def await_end(self) -> int:
        """Wait until it has ended; its exit code."""
        return self.process.wait(60)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait until it has ended; its exit code."""
        self.process.send_signal(number)
        return self.await_end()

    def await_nothing_left(self) -> None:
        """Wait until every process of it is gone."""
        until(lambda: not self.processes(), 30)


@contextlib.contextmanager
def serving(
    environment: Mapping[str, str],
    folder: Path,
    *,
    port: int | None = None,
    starter: Sequence[str] = (),
) -> Generator[Up]:
    """A `universe up` that was just started in `folder`; its last processes are killed at the end.

    A `starter` is a command that gets the one to start as its arguments.
    """
    port = port or free_port()
    said = folder / f"up-{port}-{time.monotonic_ns()}.out"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*starter, PROGRAM, "up", "--port", str(port)],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    up = Up(process, port, Path(environment["UNIVERSE_HOME"]), said)
    try:
        yield up
    finally:
        for pid in up.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def processes_with(variable: str) -> dict[int, str]:
    """Living processes with this line in their environment, by pid; zombies have none."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode()
    found.pop(os.getpid(), None)
    return found


def workers(up: Up) -> list[int]:
    """The processes that work on runs: Dagster's code server forks them by spawning."""
    return [pid for pid, said in up.processes().items() if re.search("spawn_main", said)]


def free_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port: int) -> bool:
    """Whether a process accepts connections at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
