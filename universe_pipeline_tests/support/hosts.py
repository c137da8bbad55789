"""Several hosts on this machine: network namespaces on a bridge, each with a home and a checkout.

The hub is the machine's own namespace, with an address on the bridge: PostgreSQL and Redis listen
there. The simulated vendor serves plain http, which is for loopback, so each host forwards a port
of its own loopback to it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import universe_pipeline
from universe_pipeline_tests.support.serving import is_listening, processes_with
from universe_pipeline_tests.support.webserver import until

Process = subprocess.Popen[bytes]

UNIVERSE = "from universe_pipeline.cli import main; main()"

LONGEST_COMMAND = 300.0
"""Seconds."""

AS_HOST = 'hostname "$0" && exec "$@"'

FORWARD = """\
import asyncio, sys

async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def serve(reader, writer):
    far_reader, far_writer = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
    await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""
"""A port of loopback that leads to another address."""


def ip(*arguments: str) -> None:
    """Change the machine's network."""
    subprocess.run(["ip", *arguments], check=True)


def require_namespaces() -> None:
    """Fail with what is needed, where hosts cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.fail("this test makes network namespaces: run it as root, with iproute2 installed")


@dataclass
class Host:
    """A machine of its own: address, host name, home, checkout and the vendor's key."""

    name: str
    namespace: str
    environment: dict[str, str]
    folder: Path
    started: list[Process] = field(default_factory=list[Process])

    @property
    def key(self) -> str:
        """The vendor's key, which distinguishes the hosts in the vendor's log."""
        return self.environment["POLYGON_API_KEY"]

    @property
    def said(self) -> str:
        """What its processes have printed."""
        return (self.folder / "said").read_text()

    def start(self, *arguments: str, **variables: str) -> Process:
        """A command of `universe` on this host, with variables on top of its environment."""
        return self._start([sys.executable, "-c", UNIVERSE, *arguments], variables)

    def universe(self, *arguments: str, **variables: str) -> int:
        """The same, to its end; its exit code."""
        return self.start(*arguments, **variables).wait(LONGEST_COMMAND)

    def forward(self, port: int, address: str, far: int) -> None:
        """Let a port of this host's loopback lead to another address."""
        self._start([sys.executable, "-c", FORWARD, str(port), address, str(far)], {})

    def kill(self) -> None:
        """End all its processes, as a crash does."""
        for pid in processes_with(f"UNIVERSE_HOME={self.environment['UNIVERSE_HOME']}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.wait()

    def unplug(self) -> None:
        """Cut its cable: neither side hears from the other again."""
        ip("-n", self.namespace, "link", "set", "eth0", "down")

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> Process:
        inside = ["ip", "netns", "exec", self.namespace, "unshare", "--uts", "sh", "-c", AS_HOST]
        with (self.folder / "said").open("ab") as output:
            process = subprocess.Popen(
                [*inside, self.name, *command],
                env={**self.environment, **variables},
                cwd=self.folder,
                stdout=output,
                stderr=output,
            )
        self.started.append(process)
        return process


@contextlib.contextmanager
def bridge(net: int) -> Generator[str]:
    """A network 10.78.`net`.0/24 with this machine as its first address; gives the bridge."""
    require_namespaces()
    name = f"uni{uuid.uuid4().hex[:8]}"
    ip("link", "add", name, "type", "bridge")
    try:
        ip("addr", "add", f"10.78.{net}.1/24", "dev", name)
        ip("link", "set", name, "up")
        yield name
    finally:
        ip("link", "del", name)


@contextlib.contextmanager
def host(
    bridge: str, net: int, number: int, folder: Path, environment: Mapping[str, str]
) -> Generator[Host]:
    """Host `number` on a bridge, with a checkout and a home below `folder`."""
    name = f"w{number}"
    namespace, cable = f"{bridge}{name}", f"{bridge}{number}"[-15:]
    ip("netns", "add", namespace)
    ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    ip("link", "set", cable, "master", bridge, "up")
    ip("-n", namespace, "addr", "add", f"10.78.{net}.{number + 1}/24", "dev", "eth0")
    ip("-n", namespace, "link", "set", "eth0", "up")
    ip("-n", namespace, "link", "set", "lo", "up")
    made = Host(name, namespace, _own(environment, name, folder / name), folder / name)
    try:
        yield made
    finally:
        made.kill()
        ip("netns", "del", namespace)


def _own(environment: Mapping[str, str], name: str, folder: Path) -> dict[str, str]:
    """The environment of a host, whose checkout is a copy at another path."""
    code = Path(universe_pipeline.__file__).parent
    shutil.copytree(code, folder / "checkout" / code.name, ignore=shutil.ignore_patterns("*.pyc"))
    return {
        **environment,
        "HOME": str(folder),
        "UNIVERSE_HOME": str(folder / "home"),
        "PYTHONPATH": str(folder / "checkout"),
        "POLYGON_API_KEY": f"key-of-{name}",
    }


@contextlib.contextmanager
def forwarded(port: int, address: str, far: int) -> Generator[None]:
    """Let a port of this machine's loopback lead to another address for the block."""
    process = subprocess.Popen([sys.executable, "-c", FORWARD, str(port), address, str(far)])
    try:
        until(lambda: is_listening(port))
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def redis(address: str, port: int, folder: Path) -> Generator[str]:
    """Debian's Redis at an address; gives its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("this test needs a broker: install redis-server")
    addresses = {address, "127.0.0.1"}
    server = subprocess.Popen(
        [program, "--bind", *addresses, "--port", str(port), "--save", "",
         "--tcp-keepalive", "15", "--dir", str(folder), "--protected-mode", "no"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: is_listening(port))
        yield f"redis://{address}:{port}/0"
    finally:
        server.terminate()
        server.wait()
